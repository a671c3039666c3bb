import type { Cell, CellResult } from "./cell.ts";
import type { Store } from "./store.ts";
import { keyOfCell } from "./version.ts";
import type { Outcome } from "./worker.ts";

/** A session or training of a study that broke, and why. */
export interface FailedCell {
  design: string;
  population: string;
  /** Left out where the study names no models. */
  model?: string;
  seed: number;
  reason: string;
}

export interface StudyRun {
  /** In the order of the cells; null where one failed or was not run. */
  results: (CellResult | null)[];
  failed: FailedCell[];
  /** Results that were there already. */
  kept: number;
}

/** What runs cells: threads of this machine, or any number of machines. Settles when all have ended, or when it was stopped. */
export type Engine = (
  /** By key, in the order in which they are best run. */
  ahead: ReadonlyMap<string, Cell>,
  run: {
    /** To be told of each cell once; settles when its result is in the store. */
    ended(key: string, outcome: Outcome): Promise<void>;
    /** A few words on how it goes. */
    note(words: string): void;
    stopped: AbortSignal;
  },
) => Promise<void>;

/** Told how many cells are to be run; gives what is told how many of them have ended. */
export type Begun = (ahead: number) => (ended: number, note: string) => void;

/**
 * Runs the cells of a study that the store does not hold yet, and gives all results in the order of the cells, whoever ran them
 * and when.
 *
 * @param stopped ends the run early: what was finished is in the store
 */
export async function runCells(
  cells: readonly Cell[],
  store: Store,
  engine: Engine,
  { stopped, begun }: { stopped: AbortSignal; begun: Begun },
): Promise<StudyRun> {
  const keys = cells.map(keyOfCell);
  const failed: FailedCell[] = [];
  const ahead = new Map<string, Cell>();
  keys.forEach((key, i) => {
    if (!store.results.has(key)) ahead.set(key, cells[i]);
  });
  const kept = keys.filter((key) => store.results.has(key)).length;
  let count = 0;
  let words = "";
  const report = begun(ahead.size);
  if (ahead.size > 0)
    await engine(ahead, {
      async ended(key, outcome) {
        if ("result" in outcome) await store.keep(key, outcome.result);
        else {
          const { design, population, model, seed } = ahead.get(key)!;
          failed.push({ design, population, ...(model && { model }), seed, reason: outcome.broke });
        }
        report(++count, words);
      },
      note(latest) {
        if (latest === words) return;
        words = latest;
        report(count, words);
      },
      stopped,
    });
  return { results: keys.map((key) => store.results.get(key) ?? null), failed, kept };
}
