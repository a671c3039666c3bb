/** The study file (YAML): designs × populations × models × seeds of simulated sessions, or of replays of real counts; or designs × seeds of trainings. */
import { parse } from "yaml";
import { z } from "zod";
import { simulation } from "./experiment.ts";
import { trainingSettings, trainingStage } from "./training.ts";
import { describeIssues, namingKeys } from "./wire/message.ts";

const whole = z.number().int().positive();
const label = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9 .+-]*$/, "expected letters, digits, spaces, dots, hyphens and plus signs");

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
  "bestShare",
] as const;
/** Taken where a file asks for them by name. */
const onRequest: readonly MeasureName[] = ["bestShare"];
/** Figures of a recorded unit against its held-out trials. */
export const recordedMeasures = ["heldOutError", "heldOutLogLikelihood", "heldOutPeak"] as const;
/** Figures of a model on heads that it was not trained on (sim/study/training/judge.ts), the last one beside its design's other seeds. */
export const trainingMeasures = [
  "mig",
  "ownLatents",
  "disentanglement",
  "completeness",
  "informativeness",
  "psnrDb",
  "activeLatents",
  "klNats",
  "udr",
] as const;
const measure = z.enum([...simulatedMeasures, ...recordedMeasures, ...trainingMeasures]);
export type MeasureName = z.infer<typeof measure>;
export type SimulatedMeasure = (typeof simulatedMeasures)[number];
export type RecordedMeasure = (typeof recordedMeasures)[number];
export type TrainingMeasure = (typeof trainingMeasures)[number];

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

/** What every study has. */
const common = {
  name: z.string().regex(/^[a-z0-9][a-z0-9-]*$/, "expected lower-case letters, digits and hyphens"),
  description: z.string().default(""),
  /** Sessions of each design and population, or trainings of each design: seeds firstSeed, firstSeed + 1, …. */
  seeds: whole.max(10_000),
  firstSeed: z.number().int().nonnegative().default(1),
  /** The design that the others are compared with. */
  reference: label,
  /** Trials, or steps of training, after which what is known is judged. */
  checkpoints: z.array(whole).min(1),
  /** Left out: what the sessions, or trainings, give unasked. */
  measures: z.array(measure).min(1).optional(),
  /** How many trials, or steps, does each design need to reach these? */
  levels: z.array(level).default([]),
};

export const sessionStudy = z
  .strictObject({
    ...common,
    /** The experiment that all sessions are variants of: a file, relative to this one. */
    experiment: z.string().min(1),
    /** Trials of each session, instead of the experiment's. */
    trials: whole.max(1_000_000),
    /** Simulated units, by a name for the population: kinds and how many of each. */
    populations: z.record(label, simulation.omit({ transport: true })).optional(),
    /**
     * Face models that each population is seen through: names of those that ship, or folders relative to this file. Left out: the experiment's. The number of
     * latents is each model's.
     */
    models: z.array(z.string().min(1)).min(1).optional(),
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
  })
  .superRefine((file, context) => {
    const wrong = faultOf(context);
    if ((file.populations === undefined) === (file.recordings === undefined))
      wrong([], "expected either populations or recordings, or training");
    if (file.models && !file.populations) wrong(["models"], "expected only with populations");
    file.models?.forEach((name, i) => {
      if (file.models!.indexOf(name) < i) wrong(["models", i], "expected distinct models");
    });
    for (const [name, members] of Object.entries(file.pooled))
      members.forEach((member, i) => {
        if (!(member in (file.populations ?? {}))) wrong(["pooled", name, i], "expected the name of a population");
      });
    for (const [name, { rounds }] of Object.entries(file.designs))
      if (rounds && !file.recordings) wrong(["designs", name, "rounds"], "expected only with recordings");
    checkComparison(file, { longest: file.trials, what: "trials" }, wrong);
  });
export type SessionStudy = z.infer<typeof sessionStudy>;

const headCount = whole.max(10_000_000);
const headSeed = z.number().int().nonnegative();

const trainingStudy = z
  .strictObject({
    ...common,
    training: z.strictObject({
      /** Heads to train on, as `faces` draws them: how many, pixels a side, and their seed. */
      faces: z.strictObject({
        count: headCount.min(2),
        size: z
          .number()
          .refine((size) => [16, 32, 64, 128, 256, 512].includes(size), "expected 16, 32, 64, 128, 256 or 512"),
        seed: headSeed,
      }),
      /** Heads of another seed to measure on. */
      unseen: z.strictObject({ count: headCount.min(50), seed: headSeed }),
    }),
    /** Batches that each training is planned for, in all of its stages: what β, capacity and learning rate follow. It ends at the last checkpoint. */
    steps: whole.max(100_000_000),
    /** What differs, by a name for the design: settings of the training (protocols/training.ts), or of its stages, one after another. */
    designs: z.record(label, trainingSettings.extend({ stages: z.array(trainingStage).min(1).optional() })),
  })
  .superRefine((file, context) => {
    const wrong = faultOf(context);
    const { faces, unseen } = file.training;
    if (unseen.seed === faces.seed)
      wrong(["training", "unseen", "seed"], "expected another seed than the heads to train on have");
    for (const [name, { latents, stages }] of Object.entries(file.designs)) {
      if (latents < 2) wrong(["designs", name, "latents"], "expected at least 2, which the measures compare");
      const planned = stages?.reduce((sum, { steps }) => sum + steps, 0);
      if (planned !== undefined && planned !== file.steps)
        wrong(
          ["designs", name, "stages"],
          `expected stages of ${file.steps} steps together, as the study has, not ${planned}`,
        );
      for (const own of ["betaFrom", "capacity"] as const)
        if (stages && file.designs[name][own] !== undefined)
          wrong(["designs", name, own], "expected in the stages that have it, for none takes it over");
      if (stages?.[0]?.rotate)
        wrong(
          ["designs", name, "stages", 0, "rotate"],
          "expected no turn before the first stage, which has no code yet",
        );
    }
    file.levels.forEach(({ referenceAtTrial }, i) => {
      if (referenceAtTrial !== undefined) wrong(["levels", i, "referenceAtTrial"], "expected value in its place");
    });
    checkComparison(file, { longest: file.steps, what: "steps" }, wrong);
  });
export type TrainingStudy = z.infer<typeof trainingStudy>;

export type Study = SessionStudy | TrainingStudy;

/** What a study measures: as its file says, or what its sessions or trainings give unasked. */
export const measuresOf = (file: Study): readonly MeasureName[] =>
  file.measures ?? measuresGiven(file).filter((name) => !onRequest.includes(name));

const measuresGiven = (file: Study): readonly MeasureName[] =>
  "training" in file ? trainingMeasures : file.recordings ? recordedMeasures : simulatedMeasures;

type Wrong = (path: (string | number)[], message: string) => void;
const faultOf =
  (context: z.RefinementCtx): Wrong =>
  (path, message) =>
    context.addIssue({ code: "custom", path, message });

function checkComparison(file: Study, { longest, what }: { longest: number; what: string }, wrong: Wrong): void {
  if (!(file.reference in file.designs))
    wrong(["reference"], `expected one of the designs (${Object.keys(file.designs).join(", ")})`);
  file.checkpoints.forEach((at, i) => {
    if (at > longest) wrong(["checkpoints", i], `expected at most ${longest} ${what}`);
    if (i > 0 && at <= file.checkpoints[i - 1]) wrong(["checkpoints", i], "expected more than the one before");
  });
  const given = measuresGiven(file);
  file.measures?.forEach((name, i) => {
    if (!given.includes(name)) wrong(["measures", i], `expected one of ${given.join(", ")}`);
  });
  file.levels.forEach(({ measure: name, referenceAtTrial: at, against = [] }, i) => {
    against.forEach((design, k) => {
      if (!(design in file.designs)) wrong(["levels", i, "against", k], "expected the name of a design");
    });
    if (!measuresOf(file).includes(name)) wrong(["levels", i, "measure"], "expected a measure of this study");
    if (at !== undefined && !file.checkpoints.includes(at))
      wrong(["levels", i, "referenceAtTrial"], "expected one of the checkpoints");
  });
}

export type ParsedStudy = { ok: true; study: Study } | { ok: false; errors: string };

/** Parses a study file's text. An error names each field, what was expected and what was found. */
export function parseStudy(text: string): ParsedStudy {
  let raw: unknown;
  try {
    raw = parse(text);
  } catch (error) {
    return { ok: false, errors: `not YAML: ${(error as Error).message.split("\n")[0]}` };
  }
  const training = typeof raw === "object" && raw !== null && "training" in raw;
  const parsed = (training ? trainingStudy : sessionStudy).safeParse(raw, namingKeys);
  return parsed.success
    ? { ok: true, study: parsed.data }
    : { ok: false, errors: describeIssues(parsed.error, raw, "the file") };
}
