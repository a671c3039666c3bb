import { fileURLToPath } from "node:url";
import { Piscina } from "piscina";
import { compiledModule } from "../../server/package-root.ts";
import type { Cell } from "./cell.ts";
import type { Engine } from "./run.ts";
import type { Outcome } from "./worker.ts";

/** Worker threads that run sessions. */
export const openPool = (threads: number): Piscina<Cell, Outcome> =>
  new Piscina<Cell, Outcome>({
    filename: fileURLToPath(compiledModule("sim/study/worker.js")),
    minThreads: threads,
    maxThreads: threads,
    atomics: "disabled",
  });

/** Runs sessions on this machine, so many at a time. */
export const onThisMachine =
  (workers: number): Engine =>
  async (ahead, { ended, stopped }) => {
    const pool = openPool(Math.max(1, Math.min(workers, ahead.size)));
    const waiting = ahead.entries();
    // As many loops as workers: a session is handed out when a worker is free, so that little is lost where a study is stopped.
    const lane = async () => {
      for (const [key, cell] of waiting) {
        if (stopped.aborted) return;
        try {
          await ended(key, await pool.run(cell, { signal: stopped }));
        } catch (error) {
          if (stopped.aborted) return;
          await ended(key, { broke: (error as Error).message });
        }
      }
    };
    try {
      await Promise.all(Array.from({ length: workers }, lane));
    } finally {
      await pool.destroy();
    }
  };
