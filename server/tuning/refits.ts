/**
 * Refits of units to all their trials, beside the loop: asked for, and taken over when they are finished. The loop never waits
 * for one.
 */
import type { UnitBelief } from "./belief.ts";
import type { Examination, ReadBack, Refit, RefitJob, RefitterState, ShownRange, Taught } from "./refitter.ts";

/** What the decider sees of refits: requests go out, finished ones are picked up later, in any order. */
export interface Refits {
  learn(taught: Taught): void;
  reset(unit: number): void;
  request(job: RefitJob): void;
  examine(job: RefitJob): Promise<Examination>;
  readBack(beliefs: readonly UnitBelief[]): Promise<ReadBack | null>;
  shown(): Promise<ShownRange | null>;
  /** Those finished since the last call. */
  finished(): Refit[];
  /** What is held once all that was asked for is done. */
  state(): Promise<RefitterState>;
  /** What was asked for when the state was taken, and not taken over, is finished. */
  goOnFrom(state: RefitterState): Promise<void>;
}

const notKept = () => Promise.reject(new Error("refits: no history is kept"));

/** No refit is ever finished: for deciders whose estimates nobody reads. */
export const noRefits: Refits = {
  learn() {},
  reset() {},
  request() {},
  examine: notKept,
  readBack: notKept,
  shown: notKept,
  finished: () => [],
  state: notKept,
  goOnFrom: notKept,
};
