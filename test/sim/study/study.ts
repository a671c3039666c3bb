import { parseStudy, type SessionStudy, type TrainingStudy } from "../../../protocols/study.ts";
import type { Cell } from "../../../sim/study/cell.ts";
import { onThisMachine } from "../../../sim/study/pool.ts";
import { runCells } from "../../../sim/study/run.ts";
import { openStore } from "../../../sim/study/store.ts";

/** Processes and threads start slowly where other programs load the machine. */
export const PROCESSES_MS = 300_000;

/** A study file's text, read. Throws with what is wrong in it. */
export function studyOf<S extends SessionStudy | TrainingStudy>(text: string): S {
  const parsed = parseStudy(text);
  if (!parsed.ok) throw new Error(parsed.errors);
  return parsed.study as S;
}

/** Runs a study's cells into a folder; stops after so many were done. */
export async function runInto(folder: string, cells: readonly Cell[], workers: number, stopAfter: number) {
  const store = await openStore(folder);
  const stopping = new AbortController();
  const result = await runCells(cells, store, onThisMachine(workers), {
    stopped: stopping.signal,
    begun: () => (ended) => {
      if (ended >= stopAfter) stopping.abort();
    },
  });
  await store.close();
  return result;
}
