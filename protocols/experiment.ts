/** The experiment file (YAML). Units of measure are in the names; unknown keys are errors, so that a typo is found. */
import { parse } from "yaml";
import { z } from "zod";
import { describeIssues } from "./wire/message.ts";

const positive = z.number().positive();
const whole = z.number().int().positive();

const unitCount = z.number().int().nonnegative().max(10_000).default(0);

/** Simulated neurons: how many of each kind (sim/neurons/families.ts). */
export const simulation = z.strictObject({
  /** Tuned to one latent, or along a random axis. */
  ramp: unitCount,
  axis: unitCount,
  bump: unitCount,
  saturating: unitCount,
  /** Inside the model family: log rate is a sum of smooth curves of one to three latents. */
  additive: unitCount,
  /** Outside it: two latents that do not add up; a drive divided by the face's norm; gain noise; tuning that drifts. */
  pair: unitCount,
  divisive: unitCount,
  overdispersed: unitCount,
  drifting: unitCount,
  /** A slow gain that all of them share, as arousal is. */
  sharedGain: z
    .strictObject({
      /** Standard deviation of its logarithm, and the trials after which e⁻¹ of it is remembered. */
      logSd: positive.max(2),
      timescaleTrials: positive,
    })
    .optional(),
});
export type Simulation = z.infer<typeof simulation>;

const unit = z.strictObject({
  /** The unit's name in the session and in our own wire format. */
  name: z.string().min(1),
  /** Open Ephys: the electrode's name, and the sorted id (left out: every spike of the electrode). */
  electrode: z.string().min(1).optional(),
  sortedId: z.number().int().nonnegative().optional(),
});

export const experiment = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9-]*$/, "expected lower-case letters, digits and hyphens"),
  description: z.string().default(""),
  /** Response windows to record. */
  trials: whole.max(1_000_000),
  seed: z.number().int().nonnegative().default(1),
  /** A model that ships ("faces-64") or a folder, relative to this file. */
  model: z.string().min(1),
  /** D: must be the model's. */
  latents: whole.max(512),
  stimulus: z.strictObject({
    onMs: positive.max(60_000),
    gapMs: z.number().nonnegative().max(60_000),
    /** Grey level between faces, 0 black to 1 white. */
    background: z.number().min(0).max(1).default(0.5),
    /** Largest side of a face as a share of the shorter side of the screen. */
    faceFraction: z.number().positive().max(1).default(0.6),
    photodiode: z
      .strictObject({
        corner: z.enum(["none", "top-left", "top-right", "bottom-left", "bottom-right"]),
        sizePx: whole,
      })
      .default({ corner: "bottom-right", sizePx: 60 }),
  }),
  response: z.strictObject({
    /** The window is [onset + latencyMs, onset + latencyMs + windowMs). */
    latencyMs: z.number().nonnegative().max(10_000),
    windowMs: positive.max(60_000),
  }),
  recording: z
    .strictObject({
      /** What the recording system speaks: our own messages, or the Open Ephys GUI's ZMQ Interface. */
      format: z.enum(["latentloop", "open-ephys"]).default("latentloop"),
      /** sub: connect to the sender's PUB. pull: bind, and senders PUSH. */
      socket: z.enum(["sub", "pull"]).default("sub"),
      /** Take only this stream; left out: the first that is heard. */
      stream: z.string().optional(),
      /** Open Ephys only: samples per second, where no data channel is sent that would tell. */
      sampleRate: positive.optional(),
      units: z.array(unit).default([]),
    })
    .prefault({}),
  tuning: z
    .strictObject({
      /** Before anything is known: expected rate, and the standard deviation of its logarithm. */
      rateHz: positive.default(10),
      rateLogSd: positive.default(1),
      /** Prior standard deviations of log rate: per latent unit (linear part), and of the smooth part. */
      linearSd: positive.default(0.3),
      smoothSd: positive.default(0.4),
      /** Smooth part: functions a latent, and length scale in latent units. */
      functions: whole.max(20).default(5),
      lengthScale: positive.default(1.5),
    })
    .prefault({}),
  choice: z
    .strictObject({
      objective: z.enum(["variance", "information", "random", "random-range", "traversal-grid"]),
      /** Faces chosen ahead of the answers; at least 1 is on its way while another is on the screen. */
      lookahead: whole.max(32).default(3),
      /** Faces stay inside ±range, in latent units. */
      range: positive.max(4).default(3),
      /** Bases drawn for each choice, and how often the best candidate becomes a base itself. */
      bases: whole.default(2),
      refinements: z.number().int().nonnegative().default(2),
    })
    .prefault({ objective: "variance" }),
  /** Neurons of the simulated rig (`--rig sim`). */
  simulation: simulation.optional(),
});
export type Experiment = z.infer<typeof experiment>;

export type ParsedExperiment = { ok: true; experiment: Experiment } | { ok: false; errors: string };

/** Parses an experiment file's text. An error names each field, what was expected and what was found. */
export function parseExperiment(text: string): ParsedExperiment {
  let raw: unknown;
  try {
    raw = parse(text);
  } catch (error) {
    return { ok: false, errors: `not YAML: ${(error as Error).message.split("\n")[0]}` };
  }
  return parseExperimentValue(raw);
}

/** The same of what a file's text parsed to. */
export function parseExperimentValue(raw: unknown): ParsedExperiment {
  const parsed = experiment.safeParse(raw);
  return parsed.success
    ? { ok: true, experiment: parsed.data }
    : { ok: false, errors: describeIssues(parsed.error, raw, "the file") };
}

/** Onset to onset, in milliseconds. */
export const periodMs = (stimulus: Experiment["stimulus"]): number => stimulus.onMs + stimulus.gapMs;
