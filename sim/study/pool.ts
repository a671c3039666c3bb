import { fileURLToPath } from "node:url";
import { MessageChannel } from "node:worker_threads";
import { Piscina } from "piscina";
import { ConfigurationError } from "../../server/failure.ts";
import { compiledModule } from "../../server/package-root.ts";
import type { Cell, TrainingCell } from "./cell.ts";
import type { Engine } from "./run.ts";
import type { HeadSource } from "./training/heads.ts";
import { underWay } from "./training/progress.ts";
import { keyOfCell } from "./version.ts";
import type { Outcome, Task } from "./worker.ts";

export interface Pool {
  /**
   * @param progressed told of a training now and then what share of it is done
   * @throws ConfigurationError if what a training needs can't be had here
   */
  run(cell: Cell, progressed: (share: number) => void): Promise<Outcome>;
  close(): Promise<void>;
}

/**
 * Worker threads that run cells.
 *
 * @param said told what is waited for
 * @param stopped ends at once what is being run
 */
export function openPool(threads: number, said: (words: string) => void, stopped?: AbortSignal): Pool {
  const workers = new Piscina<Task, Outcome>({
    filename: fileURLToPath(compiledModule("sim/study/worker.js")),
    minThreads: threads,
    maxThreads: threads,
    atomics: "disabled",
  });
  const closing = new AbortController();
  const drawingEnds = stopped ? AbortSignal.any([closing.signal, stopped]) : closing.signal;
  // What draws heads takes a while to load, and sessions need none.
  let source: Promise<HeadSource> | undefined;
  const headsOf = async (cell: TrainingCell) => {
    source ??= import("./training/heads.ts").then(({ openHeads }) => openHeads(threads, said, drawingEnds));
    return (await source).of(cell);
  };
  return {
    async run(cell, progressed) {
      const options = stopped ? { signal: stopped } : {};
      if (!("training" in cell)) return workers.run({ cell }, options);
      const heads = await headsOf(cell);
      const { port1, port2 } = new MessageChannel();
      port1.on("message", progressed);
      try {
        const task = { cell, key: keyOfCell(cell), heads, progress: port2 };
        return await workers.run(task, { ...options, transferList: [port2] });
      } finally {
        port1.close();
      }
    },
    async close() {
      closing.abort();
      await workers.destroy();
    },
  };
}

/** Runs cells on this machine, so many at a time. */
export const onThisMachine =
  (workers: number): Engine =>
  async (ahead, { ended, note, stopped }) => {
    const pool = openPool(Math.max(1, Math.min(workers, ahead.size)), note, stopped);
    const waiting = ahead.entries();
    const shares = new Map<string, number>();
    const tell = () => note(underWay(shares));
    const run = (key: string, cell: Cell) =>
      pool
        .run(cell, (share) => {
          shares.set(key, share);
          tell();
        })
        .finally(() => {
          shares.delete(key);
          tell();
        });
    // As many loops as workers: a cell is handed out when a worker is free, so that little is lost where a study is stopped.
    const lane = async () => {
      for (const [key, cell] of waiting) {
        if (stopped.aborted) return;
        try {
          await ended(key, await run(key, cell));
        } catch (error) {
          if (stopped.aborted) return;
          if (error instanceof ConfigurationError) throw error;
          await ended(key, { broke: (error as Error).message });
        }
      }
    };
    try {
      await Promise.all(Array.from({ length: workers }, lane));
    } finally {
      await pool.close();
    }
  };
