import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Piscina } from "piscina";
import { compiledModule, packageVersion } from "../../server/package-root.ts";
import { type Cell, type CellResult, cellKey } from "./cell.ts";
import type { Store } from "./store.ts";

/** A session of a study that broke, and why. */
export interface FailedCell {
  design: string;
  population: string;
  seed: number;
  reason: string;
}

export interface StudyRun {
  /** In the order of the cells; null where a session failed or was not run. */
  results: (CellResult | null)[];
  failed: FailedCell[];
  /** Results that were there already. */
  kept: number;
}

/**
 * Runs the sessions of a study that the store does not hold yet, on a pool of worker threads, and gives all results in the order of the
 * cells, whichever worker ran them and when.
 *
 * @param stopped ends the run early: what was finished is in the store
 */
export async function runCells(
  cells: readonly Cell[],
  store: Store,
  {
    workers,
    stopped,
    begun,
  }: {
    workers: number;
    stopped: AbortSignal;
    /** Told how many sessions are to be run; gives what is told how many of them have ended. */
    begun(ahead: number): (ended: number) => void;
  },
): Promise<StudyRun> {
  const version = codeVersion();
  const keys = cells.map((cell) => cellKey(cell, version));
  const failed: FailedCell[] = [];
  const ahead = new Map<string, Cell>();
  keys.forEach((key, i) => {
    if (!store.results.has(key)) ahead.set(key, cells[i]);
  });
  const kept = keys.filter((key) => store.results.has(key)).length;
  let count = 0;
  const ended = begun(ahead.size);

  const pool = new Piscina<Cell, CellResult>({
    filename: fileURLToPath(compiledModule("sim/study/worker.js")),
    minThreads: Math.max(1, Math.min(workers, ahead.size)),
    maxThreads: workers,
    atomics: "disabled",
  });
  const waiting = ahead.entries();
  // As many loops as workers: a session is handed out when a worker is free, so that little is lost where a study is stopped.
  const lane = async () => {
    for (const [key, cell] of waiting) {
      if (stopped.aborted) return;
      const { design, population, seed } = cell;
      try {
        await store.keep(key, await pool.run(cell, { signal: stopped }));
      } catch (error) {
        if (stopped.aborted) return;
        failed.push({ design, population, seed, reason: (error as Error).message });
      }
      ended(++count);
    }
  };
  try {
    await Promise.all(Array.from({ length: workers }, lane));
  } finally {
    await pool.destroy();
  }
  return { results: keys.map((key) => store.results.get(key) ?? null), failed, kept };
}

/** Compiled files on which a session's result depends. */
const decisive = [
  "protocols/experiment.js",
  "server/choice",
  "server/loop.js",
  "server/presentation",
  "server/random.js",
  "server/session",
  "server/trials",
  "server/tuning",
  "sim/neurons",
  "sim/study",
  "stimulus-client/schedule.js",
];
/** Those below them on which it does not. */
const indifferent = ["sim/study/report", "sim/study/analysis"];

/** The package's version and a hash of the code that sessions run: results of another are not taken for one's own. */
function codeVersion(): string {
  const hash = createHash("sha256");
  const read = (path: string) => {
    if (indifferent.includes(path)) return;
    const file = fileURLToPath(compiledModule(path));
    if (statSync(file).isDirectory()) for (const name of readdirSync(file).sort()) read(join(path, name));
    else if (!path.endsWith(".map")) hash.update(path).update(readFileSync(file));
  };
  for (const path of decisive) read(path);
  return `${packageVersion}+${hash.digest("hex").slice(0, 16)}`;
}
