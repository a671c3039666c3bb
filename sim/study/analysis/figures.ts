import { type MeasureName, measuresOf, type Study } from "../../../protocols/study.ts";
import { random } from "../../../server/random.ts";
import { quantile } from "../../../server/session/quantile.ts";
import type { Cell, CellResult } from "../cell.ts";
import { type Measure, simulatedMeasureTable } from "../measures.ts";
import { recordedMeasureTable } from "../recorded/judge.ts";
import type { FailedCell } from "../run.ts";
import { trainingMeasureTable } from "../training/judge.ts";
import { ranked, udrMeasure } from "../training/ranking.ts";
import { centreOf } from "./centre.ts";
import { type ModelFigures, modelFigures } from "./models.ts";
import { bootstrap, drawResamples, type Interval, mean, pairedT, trialsToReach } from "./statistics.ts";

export const measureTable: Record<MeasureName, Measure> = {
  ...simulatedMeasureTable,
  ...recordedMeasureTable,
  ...trainingMeasureTable,
  udr: udrMeasure,
};

/** What is counted along a session, or a training. */
export const countedIn = (ran: StudyFigures["ran"]): string => (ran === "trainings" ? "steps" : "trials");

/** What a study found: all figures of its report. Intervals are 95 %, by bootstrap over replicates, the same for all designs. */
export interface StudyFigures {
  study: string;
  description: string;
  /** What was run. Of trainings, all that is called trials here are steps, and all that is called sessions are trainings. */
  ran: "sessions" | "trainings";
  trials: number;
  checkpoints: number[];
  reference: string;
  /** What a replicate is: a seed (its units taken together), or a recorded unit (its seeds' mean). */
  replicate: "seed" | "unit";
  sessions: { planned: number; done: number; failed: FailedCell[] };
  measures: ({ name: MeasureName } & Measure)[];
  /** How far factors that units follow can be read from the models' latents; left out where the study names no models. */
  models?: ModelFigures[];
  groups: GroupFigures[];
}

export interface GroupFigures {
  /** Name of a population, of populations pooled, or of a recording; and the kind (area) of its units, null for all. */
  group: string;
  /** The model that it is seen through; left out where the study names none. */
  model?: string;
  kind: string | null;
  measures: MeasureFigures[];
  levels: LevelFigures[];
}

export interface MeasureFigures {
  measure: MeasureName;
  replicates: number;
  trials: number[];
  designs: {
    design: string;
    /** Median or mean over replicates at each checkpoint, as the measure says. */
    centre: Interval[];
    /** The same of design minus reference, replicate by replicate, with Student's t of its mean. */
    difference: (Interval & { t: number | null })[];
    /** Share of replicates that are better than under the reference, ties half. */
    won: number[];
    /** Each replicate's figure at each checkpoint. */
    values: number[][];
  }[];
}

export interface LevelFigures {
  measure: MeasureName;
  /** Null: as in the file. */
  referenceAtTrial: number | null;
  level: Interval;
  /** The designs whose trials the multiples are of. */
  against: string[];
  /** Trials after which the median or mean over replicates reaches the level (null: not within the study), and as multiples. */
  designs: { design: string; trials: Interval; times: Interval[] }[];
}

const RESAMPLES = 1000;
const RESAMPLING_SEED = 1;

/** Takes a study's results together. Replicates that lack a session of any design are left out, so that all comparisons are paired. */
export function studyFigures(
  study: Study,
  cells: readonly Cell[],
  kept: readonly (CellResult | null)[],
  failed: FailedCell[],
): StudyFigures {
  const results = ranked(cells, kept);
  const names = measuresOf(study);
  const index = new Map<string, CellResult>();
  cells.forEach((cell, i) => {
    const result = results[i];
    if (result) index.set(cellName(cell.design, replicateOf(cell)), result);
  });
  const groups = groupsOf(study, cells, results).flatMap((group) => {
    const measures = names.flatMap((name) => measureFigures(study, group, name, index) ?? []);
    if (measures.length === 0) return [];
    const { name, model, kind } = group;
    return [{ group: name, ...(model && { model }), kind, measures, levels: levelFigures(study, measures) }];
  });
  const models = modelFigures(cells);
  const given = new Set(groups.flatMap(({ measures }) => measures.map(({ measure }) => measure)));
  return {
    study: study.name,
    description: study.description,
    ran: ranBy(study),
    trials: lengthOf(study),
    checkpoints: study.checkpoints,
    reference: study.reference,
    replicate: "recordings" in study && study.recordings ? "unit" : "seed",
    sessions: { planned: cells.length, done: results.filter((result) => result !== null).length, failed },
    measures: names.filter((name) => given.has(name)).map((name) => ({ name, ...pick(measureTable[name]) })),
    ...(models.length > 0 && { models }),
    groups,
  };
}

const pick = ({ title, says, better, together }: Measure): Measure => ({ title, says, better, together });

export const ranBy = (study: Study): StudyFigures["ran"] => ("training" in study ? "trainings" : "sessions");

const lengthOf = (study: Study): number => ("training" in study ? study.steps : study.trials);

/** A cell whatever its design. */
interface Replicate {
  population: string;
  model: string | undefined;
  seed: number;
  recordedUnit: string | null;
}

const replicateOf = (cell: Cell): Replicate => ({
  population: cell.population,
  model: cell.model,
  seed: cell.seed,
  recordedUnit: "recording" in cell ? (cell.recording?.unit ?? null) : null,
});

const cellName = (design: string, { population, model, seed, recordedUnit }: Replicate): string =>
  JSON.stringify([design, population, model ?? null, seed, recordedUnit]);

interface Group {
  name: string;
  model: string | undefined;
  kind: string | null;
  /** Sessions of one replicate under a design. */
  replicates: Replicate[][];
}

function groupsOf(study: Study, cells: readonly Cell[], results: readonly (CellResult | null)[]): Group[] {
  const [firstDesign] = Object.keys(study.designs);
  const one = cells.filter(({ design }) => design === firstDesign);
  const populations = [...new Set(one.map(({ population }) => population))];
  const models = [...new Set(one.map(({ model }) => model))];
  const kindsOf = (members: readonly string[]) => [
    ...new Set(cells.flatMap(({ population }, i) => (members.includes(population) ? (results[i]?.kinds ?? []) : []))),
  ];
  const group = (name: string, members: readonly string[]): Group[] =>
    models.flatMap((model) => {
      const byReplicate = new Map<string, Group["replicates"][number]>();
      for (const cell of one.filter((cell) => members.includes(cell.population) && cell.model === model)) {
        const session = replicateOf(cell);
        const { recordedUnit } = session;
        const key = recordedUnit === null ? `${cell.seed}` : `${cell.population} ${recordedUnit}`;
        byReplicate.set(key, [...(byReplicate.get(key) ?? []), session]);
      }
      const replicates = [...byReplicate.values()];
      const kinds = kindsOf(members);
      return [null, ...(kinds.length > 1 ? kinds : [])].map((kind) => ({ name, model, kind, replicates }));
    });
  return [
    ...Object.entries("pooled" in study ? study.pooled : {}).flatMap(([name, members]) => group(name, members)),
    ...populations.flatMap((name) => group(name, [name])),
  ];
}

/** Null where the sessions do not give this measure. */
function measureFigures(
  study: Study,
  { kind, replicates }: Group,
  measure: MeasureName,
  index: ReadonlyMap<string, CellResult>,
): MeasureFigures | null {
  const designs = Object.keys(study.designs);
  // Some measures are not taken at every checkpoint.
  const taken = study.checkpoints.flatMap((_, at) =>
    [...index.values()].some(({ values }) => values[measure]?.[at]?.some((value) => value !== null)) ? [at] : [],
  );
  if (taken.length === 0) return null;
  const trials = taken.map((at) => study.checkpoints[at]);
  const { together, better } = measureTable[measure];
  const centre = (values: readonly number[]) => bootstrap(n, resamples, centreOf[together](values));
  const whole = replicates.flatMap((sessions) => {
    const byDesign = designs.map((design) =>
      taken.map((at) => {
        const perSession = sessions.map((session) => {
          const result = index.get(cellName(design, session));
          const row = result?.values[measure]?.[at];
          return (
            row?.filter((value, u): value is number => value !== null && (!kind || result!.kinds[u] === kind)) ?? null
          );
        });
        if (perSession.some((values) => values === null)) return null;
        const values = perSession.flat() as number[];
        return values.length > 0 ? (together === "median" ? quantile(values, 0.5) : mean(values)) : null;
      }),
    );
    return byDesign.flat().includes(null) ? [] : [byDesign as number[][]];
  });
  const n = whole.length;
  if (n === 0) return null;
  const resamples = drawResamples(n, RESAMPLES, random(RESAMPLING_SEED));
  const reference = designs.indexOf(study.reference);
  return {
    measure,
    replicates: n,
    trials,
    designs: designs.map((design, d) => {
      const differences = trials.map((_, at) => whole.map((r) => r[d][at] - r[reference][at]));
      const sign = better === "low" ? -1 : 1;
      return {
        design,
        centre: trials.map((_, at) => centre(whole.map((r) => r[d][at]))),
        difference: differences.map((values) => ({
          ...centre(values),
          t: d === reference || n < 2 ? null : finite(pairedT(values)),
        })),
        won: differences.map((values) => mean(values.map((value) => (Math.sign(sign * value) + 1) / 2))),
        values: whole.map((r) => r[d]),
      };
    }),
  };
}

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);

function levelFigures(study: Study, measures: readonly MeasureFigures[]): LevelFigures[] {
  return study.levels.flatMap(({ measure, value, referenceAtTrial, against = [study.reference] }) => {
    const figures = measures.find((candidate) => candidate.measure === measure);
    if (!figures || (referenceAtTrial !== undefined && !figures.trials.includes(referenceAtTrial))) return [];
    const { trials, replicates: n, designs } = figures;
    const falling = measureTable[measure].better === "low";
    const centre = centreOf[measureTable[measure].together];
    const resamples = drawResamples(n, RESAMPLES, random(RESAMPLING_SEED));
    const at = referenceAtTrial === undefined ? null : trials.indexOf(referenceAtTrial);
    const columns = new Map(
      designs.map(({ design, values }) => [design, trials.map((_, t) => centre(values.map((row) => row[t])))]),
    );
    const levelOf = (replicates: ArrayLike<number>) =>
      at === null ? value! : columns.get(study.reference)![at](replicates);
    const reached = (design: string, replicates: ArrayLike<number>) =>
      trialsToReach(
        trials,
        columns.get(design)!.map((column) => column(replicates)),
        levelOf(replicates),
        falling,
      );
    return [
      {
        measure,
        referenceAtTrial: referenceAtTrial ?? null,
        level: bootstrap(n, resamples, levelOf),
        against,
        designs: designs.map(({ design }) => ({
          design,
          trials: bootstrap(n, resamples, (replicates) => reached(design, replicates)),
          times: against.map((other) =>
            bootstrap(n, resamples, (replicates) => {
              const own = reached(design, replicates);
              // Another that does not get there counts as if it did at the end: the multiple is then an upper bound.
              return own === null ? null : own / (reached(other, replicates) ?? lengthOf(study));
            }),
          ),
        })),
      },
    ];
  });
}
