import { createHash } from "node:crypto";
import type { Experiment } from "../../protocols/experiment.ts";
import type { MeasureName, SimulatedMeasure, Study } from "../../protocols/study.ts";

/** One session of a study: what it depends on, whole. */
export interface Cell {
  design: string;
  /** The population, or the recording. */
  population: string;
  seed: number;
  experiment: Experiment;
  checkpoints: number[];
  recording: Recording | null;
  /** Figures wanted of simulated units; of recorded ones all are given. */
  measures: readonly SimulatedMeasure[];
}

/** Real counts that a cell replays instead of simulating units. */
export interface Recording {
  dataSet: NonNullable<Study["recordings"]>[number];
  unit: string;
  heldOutShare: number;
  rounds: boolean;
}

/** What a cell's session gave: one figure for each measure, checkpoint and unit; null where it means nothing. */
export interface CellResult {
  /** Kind (or area) of each unit. */
  kinds: string[];
  values: Partial<Record<MeasureName, (number | null)[][]>>;
}

/** The name under which a cell's result is kept: a hash of all that it depends on. */
export const cellKey = ({ experiment, seed, checkpoints, recording, measures }: Cell, version: string): string =>
  createHash("sha256")
    .update(JSON.stringify([version, experiment, seed, checkpoints, recording, measures]))
    .digest("hex")
    .slice(0, 32);

/** Figures are kept with this many digits: far more than one session tells. */
const DIGITS = 7;

/** Gathers a cell's figures. */
export function gather(kinds: string[]): {
  /** @param at index of the checkpoint */
  add(at: number, unit: number, figures: Iterable<readonly [MeasureName, number | null]>): void;
  result: CellResult;
} {
  const result: CellResult = { kinds, values: {} };
  return {
    add(at, unit, figures) {
      for (const [name, value] of figures) {
        const rows = (result.values[name] ??= []);
        (rows[at] ??= [])[unit] = value === null ? null : Number(value.toPrecision(DIGITS));
      }
    },
    result,
  };
}
