/** The experiment file (YAML). Units of measure are in the names; unknown keys are errors, so that a typo is found. */
import { parse } from "yaml";
import { z } from "zod";
import { functionsNeeded, MOST_FACES_LOOKED_BACK_ON } from "./limits.ts";
import { describeIssues, namingKeys } from "./wire/message.ts";

const positive = z.number().positive();
const whole = z.number().int().positive();

const unitCount = z.number().int().nonnegative().max(10_000).default(0);

const share = z.number().min(0).max(1);

/** Kinds of simulated neurons, and how many of each (sim/neurons/families.ts). */
const unitCounts = z.strictObject({
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
  /** A ramp, on one latent or along an axis, at a preferred view only, or whatever the view. */
  viewTuned: unitCount,
  viewInvariant: unitCount,
  /** The same two with the statistics of face patches ML and AM, as far as they are published (sim/neurons/patches.ts). */
  ML: unitCount,
  AM: unitCount,
  /** One latent, with the rates and the scatter of a real unit (sim/neurons/recorded.ts). */
  recorded: unitCount,
  /** A ramp over one factor of the rendered heads, as the model's faces show it (`latentFactors`). */
  factor: unitCount,
});
export type UnitKind = keyof z.infer<typeof unitCounts>;

/** A recorded unit as `recorded` ones are simulated after it. */
const fittedUnit = z
  .strictObject({
    /** Places along one latent, in order, and the mean rate at each, in spikes/s; level beyond the first and the last. */
    at: z.array(z.number()).min(2),
    meanHz: z.array(positive),
    /** φ of its counts' variance μ + φ μ². */
    dispersion: z.number().nonnegative(),
  })
  .refine(({ at, meanHz }) => at.length === meanHz.length, "expected as many rates as places");
export type FittedUnit = z.infer<typeof fittedUnit>;

/** Where a factor of the rendered heads lies in its range, 0 to 1, as a logistic function of a model's latents. */
const latentFactor = z.strictObject({
  factor: z.string().min(1),
  offset: z.number(),
  /** One a latent. */
  weights: z.array(z.number()).min(1),
  /** Share of the factor's variance that this explains, on heads that it was not fitted to. */
  r2: z.number().max(1),
});
export type LatentFactor = z.infer<typeof latentFactor>;

/** Beyond it 15 s could pass without a block on time, by which software alignment places windows; `stall` is for that. */
const MOST_JITTER_MS = 100;

const timesAMinute = positive.max(6000).optional();

/** What happens to the simulated rig's messages on their way to the server, in real time: in virtual time none is sent. */
const transport = z.strictObject({
  /**
   * From the end of a block to its leaving, beside the 5 ms that a block lasts; and by how much longer on average: half of the blocks leave
   * on time, the others are late by twice as much (exponential). Blocks stay in order.
   */
  delayMs: z.number().nonnegative().max(10_000).default(0),
  jitterMs: z.number().nonnegative().max(MOST_JITTER_MS).default(0),
  /** What goes wrong, at random, so many times a minute each (sim/rig/faults.ts). */
  faultsPerMinute: z
    .strictObject({
      /** A message is lost, comes twice, after the next one, behind noise, with its last frame cut in half, or thousands of times. */
      lose: timesAMinute,
      duplicate: timesAMinute,
      reorder: timesAMinute,
      garbage: timesAMinute,
      half: timesAMinute,
      flood: timesAMinute,
      /** Nothing leaves for 2 s, and then all of it. */
      stall: timesAMinute,
      /** Acquisition is stopped and started: what was on its way is lost, clock and message numbers begin again. */
      restart: timesAMinute,
    })
    .default({}),
});
export type Transport = z.infer<typeof transport>;
export type RigFault = keyof Transport["faultsPerMinute"];

/** Simulated neurons: kinds, and what befalls all of them. What is left out is as each kind has it. */
export const simulation = unitCounts.extend({
  /**
   * Whose rates and scatter `recorded` units have: the estimates.json of an analysis or of a session, relative to this file, whose place the units
   * take that are read from it; left out: the V1 and V2 units that ship.
   */
  recordedFrom: z.union([z.string().min(1), z.array(fittedUnit).min(1)]).optional(),
  /**
   * Where the factors that `factor` units follow lie in the model's latents, one each; left out: as is known of faces-64, and of another model as its encoder
   * finds them in rendered heads when the session or study is begun (SPEC.md, V9).
   */
  latentFactors: z.array(latentFactor).min(1).optional(),
  /** Latents that turn the head, from 0: what viewTuned and ML are tuned to, viewInvariant and AM are not; left out: yaw and pitch of faces-64 and faces-128. */
  viewLatents: z.array(z.number().int().nonnegative()).min(1).optional(),
  /** From a face's onset to a unit's response: log-normal over units. */
  latency: z.strictObject({ meanMs: positive.max(1000), sdMs: z.number().nonnegative().max(1000) }).optional(),
  /** The response holds for so long; then this share of what it is above the spontaneous rate. */
  timeCourse: z.strictObject({ transientMs: positive.max(60_000), sustained: share }).optional(),
  /** The response to a face seen before is weaker. */
  adaptation: z
    .strictObject({
      /** By this share at an immediate repetition; faces after which e⁻¹ of it is left; how near another face counts as the same, in latent units. */
      suppression: share,
      memoryFaces: positive.max(1000),
      width: positive,
    })
    .optional(),
  /** A gain drawn for each unit and presentation: a count of mean μ has variance μ + variance · μ². */
  gainNoise: z
    .strictObject({
      variance: positive.max(4),
      /** Of two units' gains. Their counts then correlate by variance · correlation · μ / (1 + variance · μ), both of mean μ. */
      correlation: share.default(0),
    })
    .optional(),
  /** A slow gain that all of them share, as arousal is. */
  sharedGain: z
    .strictObject({
      /** Standard deviation of its logarithm, and the trials after which e⁻¹ of it is remembered. */
      logSd: positive.max(2),
      timescaleTrials: positive,
    })
    .optional(),
  /** Each unit's log gain and preferred values swing by so much, with a period of 400 to 1,200 presentations of its own. */
  drift: z
    .strictObject({ logGain: z.number().nonnegative().max(2), shift: z.number().nonnegative().max(3) })
    .optional(),
  /** Probabilities that a unit is lost, and that it is found, at a presentation of its own before `trials`. */
  turnover: z.strictObject({ lost: share.default(0), found: share.default(0), trials: whole }).optional(),
  /** Probabilities that a unit holds the spikes of a second neuron too, and that it is nothing but a part of the unit before it. */
  sortingErrors: z.strictObject({ merged: share.default(0), split: share.default(0) }).optional(),
  transport: transport.optional(),
  /** They stand in for `recording.units`, as many and in that order: with their names, and so with their areas, isolation and weights. */
  standsIn: z.boolean().optional(),
});
export type Simulation = z.infer<typeof simulation>;

const unit = z.strictObject({
  /** The unit's name in the session and in our own wire format. */
  name: z.string().min(1),
  /** Open Ephys: the electrode's name, and the sorted id; Trodes: the nTrode's number, and the cluster (left out: every spike of the electrode). */
  electrode: z.string().min(1).optional(),
  sortedId: z.number().int().nonnegative().optional(),
  /** The stream that it is on, where several are counted; left out: any. */
  stream: z.string().min(1).optional(),
  /** Where it was recorded, as "AM": choice.population can weight areas. */
  area: z.string().min(1).optional(),
  /** How well it is isolated, 0 to 1, by the sorter's own measure. */
  isolation: z.number().min(0).max(1).optional(),
});

const endpoint = z.string().regex(/^(tcp|ipc):\/\//, "expected a ZeroMQ endpoint, as tcp://recording-pc:5556");

/** Objectives that are also good as a block of a session. */
const objective = z.enum([
  "variance",
  "information",
  "identify",
  "compare",
  "peak",
  "axis-test",
  "random",
  "random-range",
  "traversal-grid",
  "cma-es",
]);
const MOST_FUNCTIONS = 20;

const hypothesis = z.enum(["constant", "one-latent", "linear", "additive"]);

export const experiment = z
  .strictObject({
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
          /** So many patches more beside it say the presentation's number in binary, its lowest bit first (SPEC.md, S12). */
          codeBits: z.number().int().nonnegative().max(16).default(0),
        })
        .prefault({ corner: "bottom-right", sizePx: 60 }),
    }),
    /** What the display is and how it was calibrated. Left out: sizes are shares of the screen, levels go as they are. */
    display: z
      .strictObject({
        /** Width of the picture on the screen, and from there to the eye. */
        widthCm: positive.max(1000),
        distanceCm: positive.max(10_000),
        /** Longer side of a face, in degrees of visual angle; drawn at the nearest whole-number scale, which is told. */
        sizeDeg: positive.max(90),
        /** Centre of the face from the screen's: right and up. */
        xDeg: z.number().min(-90).max(90).default(0),
        yDeg: z.number().min(-90).max(90).default(0),
      })
      .optional(),
    luminance: z
      .strictObject({
        /**
         * What the screen does with a level: an exponent, or measured pairs [level 0 to 255, cd/m²] from dark to bright. Levels are then
         * sent so that the screen's light is that of an sRGB screen.
         */
        gamma: z
          .union([positive.max(10), z.array(z.tuple([z.number().min(0).max(255), z.number().nonnegative()])).min(2)])
          .optional(),
        /** Faces are scaled in light to the mean luminance of the background. */
        matchFaces: z.boolean().default(false),
      })
      .prefault({}),
    /** A spot at the screen's centre, over faces and between them. */
    fixation: z
      .strictObject({
        /** Diameter: in degrees where `display` is given, else in pixels. */
        sizeDeg: positive.max(20).optional(),
        sizePx: whole.max(500).optional(),
        /** 0 black to 1 white. */
        level: z.number().min(0).max(1).default(0),
      })
      .optional(),
    response: z.strictObject({
      /** The window is [onset + latencyMs, onset + latencyMs + windowMs). */
      latencyMs: z.number().nonnegative().max(10_000),
      windowMs: positive.max(60_000),
    }),
    /** How onsets are placed on the recording system's clock (SPEC.md, T6 to T16). */
    alignment: z
      .strictObject({
        /** software: by the display's report and the arrival of spikes. photodiode: by edges on a digital line. */
        method: z.enum(["software", "photodiode"]).default("software"),
        /** Longest that the quickest spike message takes from its last sample to its arrival. */
        transportMs: z.number().nonnegative().max(1000).default(2),
        /** software: from a frame's callback to light, as a photodiode once measured it. */
        displayDelayMs: z.number().nonnegative().max(1000).default(0),
        /** Trials whose onset is less certain than this teach nothing. */
        maxUncertaintyMs: positive.max(10_000).default(25),
        /** photodiode: the digital line it is on, from 0. */
        line: z.number().int().nonnegative().max(255).default(0),
        /** photodiode: normal, high where the patch is white; inverted; auto, found out from the first presentations. */
        polarity: z.enum(["auto", "normal", "inverted"]).default("auto"),
        /** photodiode: changes that follow one another faster than this are one. */
        debounceMs: z.number().nonnegative().max(50).default(2),
        /** photodiode: longest way from a frame's callback to light; less than a period. */
        maxDelayMs: positive.max(1000).default(80),
        /** photodiode: how far an edge may lie from where its presentation is expected. */
        toleranceMs: positive.max(50).default(4),
      })
      .prefault({}),
    recording: z
      .strictObject({
        /** What the recording system speaks: our own messages, the Open Ephys GUI's ZMQ Interface, or SpikeGadgets' Trodes network. */
        format: z.enum(["latentloop", "open-ephys", "trodes"]).default("latentloop"),
        /** sub: connect to the sender's PUB. pull: bind, and senders PUSH. */
        socket: z.enum(["sub", "pull"]).default("sub"),
        /** Take only this stream; left out: the first that is heard. */
        stream: z.string().optional(),
        /** Open Ephys only: samples per second, where no data channel is sent that would tell. */
        sampleRate: positive.optional(),
        /** Several streams, each on a clock of its own (two probes): all are counted (SPEC.md, T17). Instead of `stream`. */
        streams: z
          .array(
            z.strictObject({
              name: z.string().min(1),
              /** Where its sender is; left out: where --rig says. */
              address: endpoint.optional(),
              sampleRate: positive.optional(),
              /** The photodiode's digital line on this stream; left out: alignment.line. */
              line: z.number().int().nonnegative().max(255).optional(),
            }),
          )
          .default([]),
        units: z.array(unit).default([]),
      })
      .prefault({}),
    /** Who decides whether faces may be shown: an eye tracker, a behaviour program (SPEC.md, rules G). */
    gate: z
      .strictObject({
        /** sub: connect to the sender's PUB. pull: bind, and the sender PUSHes. */
        socket: z.enum(["sub", "pull"]).default("sub"),
        address: endpoint,
        /** From `open` until the next face. */
        openDelayMs: z.number().nonnegative().max(60_000).default(200),
        /** Without a word for so long, the gate counts as closed. */
        silenceMs: positive.max(60_000).default(1000),
      })
      .optional(),
    /** A `reward` event is published after so many complete trials. */
    reward: z.strictObject({ everyTrials: whole }).optional(),
    tuning: z
      .strictObject({
        /** From tuning to expected count: exponential, softplus (rates close to linear once above threshold), or for each unit the one that its counts speak for. */
        link: z.enum(["exponential", "softplus", "by-evidence"]).default("by-evidence"),
        /** How counts scatter about it. Real counts are overdispersed: the negative binomial learns by how much, for each unit. */
        counts: z.enum(["poisson", "negative-binomial"]).default("negative-binomial"),
        /** φ of a unit, whose counts have variance λ + φ λ², until its first batch refit learns it. */
        dispersion: z.number().nonnegative().max(10).default(0.05),
        /** Before anything is known: expected rate, and the standard deviation of its logarithm. */
        rateHz: positive.max(1000).default(10),
        rateLogSd: positive.max(5).default(1),
        /** Prior standard deviations of log rate: per latent unit (linear part), and of the smooth part. */
        linearSd: positive.max(5).default(0.3),
        smoothSd: positive.max(5).default(0.4),
        /** Smooth part: functions a latent (left out: as many as range and length scale ask for), and length scale in latent units. */
        functions: whole.max(MOST_FUNCTIONS).optional(),
        lengthScale: positive.max(10).default(1.5),
        /** Trials after which what one taught counts for 1/e, for units that drift: as many are what is known of them; null: tuning does not change. */
        memoryTrials: z.number().min(10).max(1_000_000).nullable().default(null),
        /** A slow gain that all units share (arousal): standard deviation of its log, and trials in which it decays to 1/e; null: none. */
        gain: z
          .strictObject({ sd: positive.max(2), trials: z.number().min(1).max(1_000_000) })
          .nullable()
          .default(null),
      })
      .prefault({}),
    choice: z
      .strictObject({
        objective,
        /** Objectives that come before it, each for so many faces. */
        blocks: z.array(z.strictObject({ objective, faces: whole })).default([]),
        /** Faces chosen ahead of the answers; at least 1 is on its way while another is on the screen. */
        lookahead: whole.max(32).default(3),
        /** Faces stay inside ±range, in latent units. */
        range: z.number().min(0.1).max(4).default(3),
        /** Bases drawn for each choice, and how often the best candidate becomes a base itself. */
        bases: whole.max(64).default(2),
        refinements: z.number().int().nonnegative().max(64).default(2),
        /** variance: what the error is of that is to fall. rate: of √rate, so that trials go where a unit fires. log-rate: of log rate. */
        target: z.enum(["log-rate", "rate"]).default("rate"),
        /** peak: Thompson sampling, or the upper confidence bound so many standard deviations up. */
        peak: z
          .strictObject({
            rule: z.enum(["thompson", "upper-bound"]).default("thompson"),
            bonus: z.number().nonnegative().default(1),
          })
          .prefault({}),
        /** compare: the two explanations to tell apart. */
        compare: z.tuple([hypothesis, hypothesis]).default(["one-latent", "linear"]),
        /** axis-test: trials that estimate axes first; positions on each line and how often each is shown; units in turn (none: the one whose tuning is most concentrated). */
        axisTest: z
          .strictObject({
            afterTrials: whole.default(100),
            positions: whole.min(3).max(25).default(7),
            repeats: whole.min(2).default(8),
            units: z.array(z.string().min(1)).default([]),
          })
          .prefault({}),
        /** Every so many faces one is drawn at random from the range: what the model of tuning has no room for can show itself there. */
        randomEvery: whole.min(2).nullable().default(null),
        /** Fixed faces for stability: every so many faces one of a few, in rotation. */
        catch: z
          .strictObject({ everyFaces: whole.min(2), faces: whole.max(1000) })
          .nullable()
          .default(null),
        /** Each chosen face is shown so often, the next time after so many others. */
        repeats: z
          .strictObject({ shows: whole.min(2), afterFaces: whole.default(10) })
          .nullable()
          .default(null),
        constraints: z
          .strictObject({
            /** Least distance to each of the last faces, in latent units. */
            minDistance: z.number().nonnegative().default(0),
            recentFaces: whole.max(MOST_FACES_LOOKED_BACK_ON).default(5),
            /** Largest mean of any latent over the last faces, in latent units, so that none is confounded with time; 0: no bound. */
            balance: z.number().nonnegative().default(0),
            balanceFaces: whole.max(MOST_FACES_LOOKED_BACK_ON).default(20),
          })
          .prefault({}),
        population: z
          .strictObject({
            /** Weight of a unit in choices, by its name or its area; 1 where none is given, 0 leaves it out. */
            weights: z.record(z.string(), z.number().nonnegative()).default({}),
            areaWeights: z.record(z.string(), z.number().nonnegative()).default({}),
            /** Only units isolated at least so well. */
            isolationAtLeast: z.number().min(0).max(1).nullable().default(null),
            /** A unit whose explanation has this probability no longer counts. */
            knownAt: z.number().min(0.5).max(1).nullable().default(null),
          })
          .prefault({}),
      })
      .prefault({ objective: "variance" }),
    /** When the session is over before its last trial. */
    stop: z
      .strictObject({
        /** Every unit that counts has an explanation (one latent, several, none) of at least this probability. */
        identifiedAt: z.number().min(0.5).max(1).nullable().default(null),
        /** Root of each unit's mean posterior variance over the objective variance's target set (SPEC C2), in η. */
        uncertaintyBelow: positive.nullable().default(null),
        axisTestsDone: z.boolean().default(true),
        /** Minutes since the first trial. */
        minutes: positive.nullable().default(null),
      })
      .prefault({}),
    /** For models with an encoder: what faces come out as, read back from their pixels. */
    validity: z
      .strictObject({
        /**
         * What explains a trial's counts: the latents that were asked for, or those that the encoder reads back from the face.
         * auto: read back for real recordings; as asked for simulated neurons, which are tuned to what is asked.
         */
        regressor: z.enum(["auto", "realised", "asked"]).default("auto"),
        /**
         * Where faces are read back: those that are foretold to come back further off than this (root mean square over the latents
         * in use, in latent units) are not offered.
         */
        threshold: positive.max(100).default(0.75),
      })
      .prefault({}),
    /** Who and what was recorded: for files that others open. */
    subject: z
      .strictObject({
        id: z.string().min(1),
        species: z.string().min(1).default("Macaca mulatta"),
        sex: z.enum(["M", "F", "U", "O"]).default("U"),
        /** ISO 8601 duration, as P7Y. */
        age: z
          .string()
          .regex(/^P(?=\d)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?$/, "expected an ISO 8601 duration, as P7Y")
          .optional(),
        description: z.string().min(1).optional(),
      })
      .optional(),
    about: z
      .strictObject({
        experimenters: z.array(z.string().min(1)).default([]),
        lab: z.string().min(1).optional(),
        institution: z.string().min(1).optional(),
        keywords: z.array(z.string().min(1)).default([]),
      })
      .prefault({}),
    /** How the session is kept (SPEC.md, rules J). */
    session: z
      .strictObject({
        /** Within how many milliseconds what is journalled also survives a power cut; or "trial": synced with each. */
        sync: z.union([z.literal("trial"), positive.max(60_000)]).default(1000),
        /** A journal's file that has grown to this is followed by another. */
        rotateMiB: positive.max(1_000_000).default(256),
        /** After so many trials a snapshot is written, from which a session that broke off goes on. */
        snapshotTrials: whole.max(1_000_000).default(50),
      })
      .prefault({}),
    /** Neurons of the simulated rig (`--rig sim`). */
    simulation: simulation.optional(),
  })
  .superRefine(({ latents, stimulus, luminance, alignment, recording, tuning, choice, stop }, context) => {
    const objectives = [choice.objective, ...choice.blocks.map((block) => block.objective)];
    const refuse = (path: (string | number)[], message: string) => context.addIssue({ code: "custom", path, message });
    if (Array.isArray(luminance.gamma)) {
      const { gamma } = luminance;
      const falls = gamma.findIndex(([level, cd], i) => i > 0 && (level <= gamma[i - 1][0] || cd < gamma[i - 1][1]));
      if (falls > 0)
        refuse(["luminance", "gamma", falls], "expected a higher level than the pair before, and no less cd/m²");
      else if (gamma[gamma.length - 1][1] === gamma[0][1])
        refuse(["luminance", "gamma"], "expected more cd/m² at the last level than at the first");
    }
    if (alignment.method === "photodiode" && stimulus.photodiode.corner === "none")
      refuse(
        ["stimulus", "photodiode", "corner"],
        "expected a corner with alignment.method photodiode, which needs the patch there",
      );
    if (luminance.matchFaces && stimulus.background === 0)
      refuse(
        ["stimulus", "background"],
        "expected more than 0 with luminance.matchFaces, which would make every face as black",
      );
    if (latents < 2 && objectives.includes("axis-test"))
      refuse(["latents"], "expected at least 2 with the objective axis-test, which also shows a line across the axis");
    const explaining =
      choice.population.knownAt !== null ||
      stop.identifiedAt !== null ||
      objectives.some((objective) => objective === "identify" || objective === "compare");
    if (tuning.memoryTrials !== null && explaining)
      refuse(
        ["tuning", "memoryTrials"],
        "expected null with identify, compare, knownAt or identifiedAt: explanations are judged by all trials and do not forget",
      );
    if (stop.uncertaintyBelow !== null && !objectives.some((o) => o === "variance" || o === "axis-test"))
      refuse(
        ["stop", "uncertaintyBelow"],
        "expected null unless the objective variance or axis-test is used, which keep it up",
      );
    const functions = functionsNeeded(choice.range, tuning.lengthScale);
    const forCurves = `for curves with a length scale of ${tuning.lengthScale} over ±${choice.range}`;
    if (functions > MOST_FUNCTIONS)
      refuse(["tuning", "lengthScale"], `expected more: ${functions} functions would be needed ${forCurves}`);
    else if (tuning.functions !== undefined && tuning.functions < functions)
      refuse(["tuning", "functions"], `expected at least ${functions} ${forCurves}`);
    const { constraints, catch: fixed, repeats, randomEvery } = choice;
    // The same face is at no distance from itself.
    const apart = `more than choice.constraints.recentFaces (${constraints.recentFaces}), since with minDistance a face is not to come again among them`;
    if (constraints.minDistance > 0 && repeats !== null && repeats.afterFaces <= constraints.recentFaces)
      refuse(["choice", "repeats", "afterFaces"], `expected ${apart}`);
    if (constraints.minDistance > 0 && fixed !== null && fixed.everyFaces * fixed.faces <= constraints.recentFaces)
      refuse(["choice", "catch"], `expected everyFaces × faces to be ${apart}`);
    if (fixed !== null && randomEvery !== null && randomEvery % fixed.everyFaces === 0)
      refuse(
        ["choice", "randomEvery"],
        `expected no multiple of choice.catch.everyFaces (${fixed.everyFaces}), whose faces would take all of its places`,
      );
    const farthest = 2 * choice.range * Math.sqrt(latents);
    if (constraints.minDistance >= farthest)
      refuse(
        ["choice", "constraints", "minDistance"],
        `expected less than ${farthest.toFixed(1)}, the distance between opposite corners of the range`,
      );
    if (
      recording.format === "trodes" &&
      (recording.socket !== "sub" || recording.stream || recording.streams.length > 0)
    )
      refuse(["recording"], "expected neither socket, stream nor streams with trodes, whose network has one clock");
    const streams = recording.streams.map(({ name }) => name);
    if (recording.stream !== undefined && streams.length > 0)
      refuse(["recording", "stream"], "expected either stream or streams");
    streams.forEach((name, i) => {
      if (streams.indexOf(name) < i) refuse(["recording", "streams", i], "expected distinct names");
    });
    recording.units.forEach(({ stream }, i) => {
      if (stream !== undefined && streams.length > 0 && !streams.includes(stream))
        refuse(["recording", "units", i, "stream"], `expected one of recording.streams (${streams.join(", ")})`);
    });
    if (choice.compare[0] === choice.compare[1]) refuse(["choice", "compare"], "expected two different explanations");
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
  const parsed = experiment.safeParse(raw, namingKeys);
  return parsed.success
    ? { ok: true, experiment: parsed.data }
    : { ok: false, errors: describeIssues(parsed.error, raw, "the file") };
}

/** Onset to onset, in milliseconds. */
export const periodMs = (stimulus: Experiment["stimulus"]): number => stimulus.onMs + stimulus.gapMs;
