import { createHash } from "node:crypto";
import type { Experiment } from "../../protocols/experiment.ts";
import type { MeasureName, SessionStudy, SimulatedMeasure, TrainingMeasure } from "../../protocols/study.ts";
import type { TrainingSettings } from "../../protocols/training.ts";
import type { FacesRecipe } from "../faces/data-set.ts";
import type { KeptCodes } from "./training/codes.ts";

/** What is run for one design and seed of a study, a session or a training: all that it depends on. */
export type Cell = SessionCell | TrainingCell;

interface Named {
  design: string;
  /** The population, the recording, or the heads that models are trained on. */
  population: string;
  /** The face model, as the study file names it; left out where it names none. */
  model?: string;
  seed: number;
  /** Trials, or steps of training, after which it is judged. */
  checkpoints: number[];
}

export interface SessionCell extends Named {
  experiment: Experiment;
  recording: Recording | null;
  /** Figures wanted of simulated units; of recorded ones all are given. */
  measures: readonly SimulatedMeasure[];
}

/** Real counts that a cell replays instead of simulating units. */
export interface Recording {
  dataSet: NonNullable<SessionStudy["recordings"]>[number];
  unit: string;
  heldOutShare: number;
  rounds: boolean;
}

export interface TrainingCell extends Named {
  training: {
    /** Heads to train on, and heads to measure on. */
    faces: FacesRecipe;
    unseen: FacesRecipe;
    /** Each goes on with the model of the one before. */
    stages: Stage[];
  };
  measures: readonly TrainingMeasure[];
}

export interface Stage {
  settings: TrainingSettings;
  steps: number;
  /** Whether the code is turned to independent components first. */
  rotate: boolean;
}

export const cellKinds = ["simulated", "recorded", "training"] as const;
/** What runs it. */
export type CellKind = (typeof cellKinds)[number];

export const kindOf = (cell: Cell): CellKind =>
  "training" in cell ? "training" : cell.recording ? "recorded" : "simulated";

/** What a cell gave: one figure for each measure, checkpoint and unit (a training has one, its model); null where it means nothing. */
export interface CellResult {
  /** Kind (or area) of each unit. */
  kinds: string[];
  values: Partial<Record<MeasureName, (number | null)[][]>>;
  /** Of a training, at each checkpoint, what it is compared with other seeds' by. */
  codes?: KeptCodes[];
}

/** The name under which a cell's result is kept: a hash of all that it depends on, which what it is called is not. */
export const cellKey = ({ design: _, population: __, model: ___, ...rest }: Cell, version: string): string =>
  createHash("sha256")
    .update(JSON.stringify([version, rest]))
    .digest("hex")
    .slice(0, 32);

/** Figures are kept with this many digits: far more than one session or training tells. */
const DIGITS = 7;
export const toDigits = (value: number): number => Number(value.toPrecision(DIGITS));

/** Gathers a cell's figures, beside those that `result` has already. */
export function gather(
  kinds: string[],
  result: CellResult = { kinds, values: {} },
): {
  /** @param at index of the checkpoint */
  add(at: number, unit: number, figures: Iterable<readonly [MeasureName, number | null]>): void;
  result: CellResult;
} {
  return {
    add(at, unit, figures) {
      for (const [name, value] of figures) {
        const rows = (result.values[name] ??= []);
        (rows[at] ??= [])[unit] = value === null ? null : toDigits(value);
      }
    },
    result,
  };
}
