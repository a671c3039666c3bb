/** The study file (YAML): designs × populations × seeds of simulated sessions, or of replays of real counts. */
import { parse } from "yaml";
import { z } from "zod";
import { simulation } from "./experiment.ts";
import { describeIssues, namingKeys } from "./wire/message.ts";

const whole = z.number().int().positive();
const label = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9 +-]*$/, "expected letters, digits, spaces, hyphens and plus signs");

/** Figures of a simulated unit against its truth (sim/study/measures.ts says how each is computed). */
export const simulatedMeasures = [
  "curveError",
  "correlation",
  "latentFound",
  "rightLatentProbability",
  "identified",
  "peak",
  "coverageCoded",
  "coverageAll",
  "baselineCovered",
  "axisAngle",
  "axisCovered",
  "misfitWarned",
  "heldOutGain",
] as const;
/** Figures of a recorded unit against its held-out trials. */
export const recordedMeasures = ["heldOutError", "heldOutLogLikelihood", "heldOutPeak"] as const;
const measure = z.enum([...simulatedMeasures, ...recordedMeasures]);
export type MeasureName = z.infer<typeof measure>;
export type SimulatedMeasure = (typeof simulatedMeasures)[number];
export type RecordedMeasure = (typeof recordedMeasures)[number];

const level = z
  .strictObject({
    measure,
    /** The level itself, or the trial at which the reference design has it. */
    value: z.number().optional(),
    referenceAtTrial: whole.optional(),
    /** Designs of whose trials the others' are given as multiples; left out: the reference. */
    against: z.array(label).min(1).optional(),
  })
  .refine((l) => (l.value === undefined) !== (l.referenceAtTrial === undefined), {
    message: "expected either value or referenceAtTrial",
  });

export const study = z
  .strictObject({
    name: z.string().regex(/^[a-z0-9][a-z0-9-]*$/, "expected lower-case letters, digits and hyphens"),
    description: z.string().default(""),
    /** The experiment that all sessions are variants of: a file, relative to this one. */
    experiment: z.string().min(1),
    /** Trials of each session, instead of the experiment's. */
    trials: whole.max(1_000_000),
    /** Sessions of each design and population: seeds firstSeed, firstSeed + 1, …. */
    seeds: whole.max(10_000),
    firstSeed: z.number().int().nonnegative().default(1),
    /** Simulated units, by a name for the population: kinds and how many of each. */
    populations: z.record(label, simulation.omit({ transport: true })).optional(),
    /** Populations whose units are also judged together, seed by seed, by a name for the group. */
    pooled: z.record(label, z.array(label).min(1)).default({}),
    /** Real counts to replay instead: data sets that ship (sim/study/recorded/SOURCES.md). */
    recordings: z
      .array(z.enum(["disparity", "rgc"]))
      .min(1)
      .optional(),
    /** Recorded units: the share of each stimulus's trials that is kept back to judge by. */
    heldOutShare: z
      .number()
      .min(0.05)
      .max(0.9)
      .default(1 / 3),
    /** What differs, by a name for the design: fields of the experiment's `choice` and `tuning`. */
    designs: z.record(
      label,
      z.strictObject({
        choice: z.record(z.string(), z.unknown()).default({}),
        tuning: z.record(z.string(), z.unknown()).default({}),
        /** Recorded stimuli: only those shown least often so far may be chosen, so that each comes once a round. */
        rounds: z.boolean().default(false),
      }),
    ),
    /** The design that the others are compared with. */
    reference: label,
    /** Trials after which what is known is judged. */
    checkpoints: z.array(whole).min(1),
    /** Left out: all that the sessions give. */
    measures: z.array(measure).min(1).optional(),
    /** How many trials does each design need to reach these? */
    levels: z.array(level).default([]),
  })
  .superRefine((file, context) => {
    const wrong = (path: (string | number)[], message: string) => context.addIssue({ code: "custom", path, message });
    if ((file.populations === undefined) === (file.recordings === undefined))
      wrong([], "expected either populations or recordings");
    if (!(file.reference in file.designs))
      wrong(["reference"], `expected one of the designs (${Object.keys(file.designs).join(", ")})`);
    for (const [name, members] of Object.entries(file.pooled))
      members.forEach((member, i) => {
        if (!(member in (file.populations ?? {}))) wrong(["pooled", name, i], "expected the name of a population");
      });
    for (const [name, { rounds }] of Object.entries(file.designs))
      if (rounds && !file.recordings) wrong(["designs", name, "rounds"], "expected only with recordings");
    file.checkpoints.forEach((trial, i) => {
      if (trial > file.trials) wrong(["checkpoints", i], `expected at most ${file.trials} trials`);
      if (i > 0 && trial <= file.checkpoints[i - 1]) wrong(["checkpoints", i], "expected more than the one before");
    });
    const given: readonly string[] = file.recordings ? recordedMeasures : simulatedMeasures;
    file.measures?.forEach((name, i) => {
      if (!given.includes(name)) wrong(["measures", i], `expected one of ${given.join(", ")}`);
    });
    file.levels.forEach(({ measure: name, referenceAtTrial: at, against = [] }, i) => {
      against.forEach((design, k) => {
        if (!(design in file.designs)) wrong(["levels", i, "against", k], "expected the name of a design");
      });
      if (!(file.measures ?? given).includes(name)) wrong(["levels", i, "measure"], "expected a measure of this study");
      if (at !== undefined && !file.checkpoints.includes(at))
        wrong(["levels", i, "referenceAtTrial"], "expected one of the checkpoints");
    });
  });
export type Study = z.infer<typeof study>;

export type ParsedStudy = { ok: true; study: Study } | { ok: false; errors: string };

/** Parses a study file's text. An error names each field, what was expected and what was found. */
export function parseStudy(text: string): ParsedStudy {
  let raw: unknown;
  try {
    raw = parse(text);
  } catch (error) {
    return { ok: false, errors: `not YAML: ${(error as Error).message.split("\n")[0]}` };
  }
  const parsed = study.safeParse(raw, namingKeys);
  return parsed.success
    ? { ok: true, study: parsed.data }
    : { ok: false, errors: describeIssues(parsed.error, raw, "the file") };
}
