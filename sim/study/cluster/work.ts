import { hostname } from "node:os";
import { Worker } from "bullmq";
import { openPool } from "../pool.ts";
import { codeVersion } from "../version.ts";
import { connect, PREFIX } from "./connection.ts";
import { announce, type WorkerPresence } from "./presence.ts";
import { LOCK_MS, LOSSES, queueName, type SessionJob, type SessionOutcome, STALLED_MS } from "./queue.ts";

export interface StudyWorker {
  version: string;
  /** Takes no more sessions; settles when those at hand have ended, or at once, and others run them. */
  close(now: boolean): Promise<void>;
}

/**
 * Runs sessions and trainings of anybody's studies, as many at a time as there are slots.
 *
 * @param said told of each session that ends, and of trouble
 * @throws ConfigurationError where there is no Redis
 */
export async function openStudyWorker(
  address: string,
  slots: number,
  { ended, said }: { ended(done: number): void; said(words: string): void },
): Promise<StudyWorker> {
  const redis = await connect(address, said);
  const pool = openPool(slots, said);
  const present: WorkerPresence = { host: hostname(), pid: process.pid, queue: queueName(), slots, done: 0 };
  const worker = new Worker<SessionJob, SessionOutcome>(
    queueName(),
    async (job) => {
      // Where Redis is away, the next one will do.
      const outcome = await pool.run(job.data, (share) => void job.updateProgress(share).catch(() => {}));
      ended(++present.done);
      return outcome;
    },
    {
      connection: redis,
      prefix: PREFIX,
      name: `${present.host}:${present.pid}`,
      concurrency: slots,
      lockDuration: LOCK_MS,
      stalledInterval: STALLED_MS,
      maxStalledCount: LOSSES,
    },
  );
  // A session that others took over meanwhile is told here, and harmless; a lost connection is told once, by `connect`.
  worker.on("error", (error: NodeJS.ErrnoException) => {
    if (!`${error.code ?? ""}`.startsWith("E")) said(error.message);
  });
  await worker.waitUntilReady();
  const presence = announce(redis, "worker", () => present);
  return {
    version: codeVersion(),
    async close(now) {
      await presence.dispose();
      await worker.close(now);
      await pool.close();
      redis.disconnect();
    },
  };
}
