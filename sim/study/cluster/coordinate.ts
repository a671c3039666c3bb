import { hostname } from "node:os";
import { type Job, type JobsOptions, Queue, QueueEvents } from "bullmq";
import type { Cell } from "../cell.ts";
import type { Engine } from "../run.ts";
import { underWay } from "../training/progress.ts";
import { codeVersion } from "../version.ts";
import { connect, PREFIX } from "./connection.ts";
import { announce, presentWorkers, type StudyPresence, type WorkerPresence } from "./presence.ts";
import { jobId, keyOf, queueName, type SessionJob, type SessionOutcome } from "./queue.ts";

/** Sessions handed to the queue and not yet ended: enough for hundreds of workers, and Redis never holds a whole study. */
const HANDED_OUT = 1000;
const HAND_OUT_AT_ONCE = 200;
/** Events that Redis remembers for those that listen; what is missed is found by looking. */
const EVENTS = 5000;
/** Sessions at hand are looked at so often, for what no event told: a Redis that began anew, a result that was there already. */
const LOOK_MS = 10_000;
const WORKERS_MS = 3000;
/** What nobody fetches is thrown away after a week. */
const LEFT = { age: 7 * 24 * 3600 };
const job: JobsOptions = {
  // Of sessions that broke by themselves the outcome says so; what fails here is a worker's thread that died.
  attempts: 3,
  backoff: { type: "exponential", delay: 1000 },
  removeOnComplete: LEFT,
  removeOnFail: LEFT,
};

/**
 * Runs sessions and trainings on all machines that work for this Redis (`openStudyWorker`). A result is in the store before it leaves Redis, so that
 * nothing is lost with the coordinator: the next one finds the results that came meanwhile.
 *
 * @param said told of trouble, and where no worker is there
 * @throws ConfigurationError where there is no Redis
 */
export function onCluster(address: string, study: string, said: (words: string) => void): Engine {
  return async (ahead, { ended, note, stopped }) => {
    const redis = await connect(address, said);
    const name = queueName();
    const options = { connection: redis, prefix: PREFIX };
    const queue = new Queue<SessionJob, SessionOutcome>(name, {
      ...options,
      defaultJobOptions: job,
      streams: { events: { maxLen: EVENTS } },
    });
    const events = new QueueEvents<SessionOutcome>(name, options);
    // `connect` tells of it.
    queue.on("error", () => {});
    events.on("error", () => {});
    await events.waitUntilReady();

    const waiting = ahead.entries();
    const outstanding = new Map<string, Cell>();
    const taking = new Map<string, Promise<void>>();
    const progress = { ended: 0, failed: 0 };
    const shares = new Map<string, number>();
    let workersNow = "";
    const tell = () => note([workersNow, underWay(shares)].filter(Boolean).join(", "));
    let finished: () => void;
    let broke: (error: unknown) => void;
    const all = new Promise<void>((resolve, reject) => {
      finished = resolve;
      broke = reject;
    });

    /** Keeps an outcome, once, and only then lets go of the job. */
    const take = (key: string, outcome: SessionOutcome): Promise<void> => {
      if (!outstanding.has(key)) return Promise.resolve();
      const before = taking.get(key);
      if (before) return before;
      const taken = (async () => {
        shares.delete(key);
        tell();
        await ended(key, outcome);
        outstanding.delete(key);
        taking.delete(key);
        progress.ended++;
        if ("broke" in outcome) progress.failed++;
        await queue.remove(jobId(key));
        if (progress.ended === ahead.size) finished();
        else await handOut();
      })();
      taking.set(key, taken);
      return taken;
    };

    let handing = false;
    const handOut = async (): Promise<void> => {
      if (handing) return;
      handing = true;
      while (!stopped.aborted && HANDED_OUT - outstanding.size >= HAND_OUT_AT_ONCE) {
        const some: [string, Cell][] = [];
        for (let i = 0; i < HAND_OUT_AT_ONCE; i++) {
          const next = waiting.next();
          if (next.done) break;
          some.push(next.value);
        }
        if (some.length === 0) break;
        for (const [key, cell] of some) outstanding.set(key, cell);
        await add(some);
      }
      handing = false;
    };
    const add = (some: readonly [string, Cell][]) =>
      queue.addBulk(some.map(([key, cell]) => ({ name: "session", data: cell, opts: { jobId: jobId(key) } })));

    /** Finds out what has become of a session, whatever events told; hands it out again where Redis knows nothing of it. */
    const look = async (key: string) => {
      const cell = outstanding.get(key);
      if (!cell || taking.has(key)) return;
      const found: Job<SessionJob, SessionOutcome> | undefined = await queue.getJob(jobId(key));
      if (!found) await add([[key, cell]]);
      else if (found.returnvalue) await take(key, found.returnvalue);
      else if (found.failedReason && (await found.isFailed())) await take(key, { broke: found.failedReason });
    };
    const lookAtAll = async () => {
      for (const key of [...outstanding.keys()]) {
        if (stopped.aborted || redis.status !== "ready") return;
        await look(key);
      }
    };

    // What goes wrong between here and the store ends the study; Redis itself is waited for.
    const watch = (work: Promise<unknown>) => void work.catch((error) => broke(error));
    events.on("completed", ({ jobId: id, returnvalue }) => watch(take(keyOf(id), returnvalue)));
    events.on("failed", ({ jobId: id, failedReason }) => watch(take(keyOf(id), { broke: failedReason })));
    events.on("progress", ({ jobId: id, data }) => {
      if (!outstanding.has(keyOf(id)) || typeof data !== "number") return;
      shares.set(keyOf(id), data);
      tell();
    });
    events.on("duplicated", ({ jobId: id }) => watch(look(keyOf(id))));
    let looking = false;
    const looker = setInterval(() => {
      if (looking) return;
      looking = true;
      watch(lookAtAll().finally(() => (looking = false)));
    }, LOOK_MS);

    const startedAt = new Date().toISOString();
    const presence = announce(
      redis,
      "study",
      (): StudyPresence => ({
        study,
        host: hostname(),
        pid: process.pid,
        queue: name,
        startedAt,
        planned: ahead.size,
        ...progress,
      }),
    );
    let warned = "";
    const count = setInterval(async () => {
      const workers = await presentWorkers(redis).catch(() => null);
      if (!workers) return;
      const words = describeWorkers(workers, name);
      if (workers.some(({ queue: theirs }) => theirs === name)) {
        workersNow = words;
        tell();
      } else if (warned !== words) said((warned = words));
    }, WORKERS_MS);

    const stop = () => finished();
    stopped.addEventListener("abort", stop);
    try {
      if (!stopped.aborted) watch(handOut());
      else finished!();
      await all;
    } finally {
      clearInterval(looker);
      clearInterval(count);
      stopped.removeEventListener("abort", stop);
      if (redis.status === "ready") {
        await Promise.allSettled(taking.values());
        // Sessions that nobody has begun are taken back; the results of those that run wait for the next time.
        await Promise.allSettled([...outstanding.keys()].map((key) => takeBack(queue, key)));
        await presence.dispose();
        await Promise.allSettled([events.close(), queue.close()]);
      } else await Promise.allSettled([events.disconnect(), queue.disconnect(), presence.dispose()]);
      redis.disconnect();
    }
  };
}

async function takeBack(queue: Queue<SessionJob, SessionOutcome>, key: string): Promise<void> {
  const state = await queue.getJobState(jobId(key));
  if (state === "waiting" || state === "delayed") await queue.remove(jobId(key));
}

function describeWorkers(workers: readonly WorkerPresence[], name: string): string {
  const ours = workers.filter(({ queue }) => queue === name);
  const others = workers.length - ours.length;
  if (ours.length > 0) {
    const slots = ours.reduce((sum, worker) => sum + worker.slots, 0);
    return `${ours.length} workers, ${slots} at a time`;
  }
  const elsewhere = others > 0 ? `; ${others} of other versions are there, and take nothing of it` : "";
  return `no study-worker of version ${codeVersion()} is there${elsewhere}: npx latentloop study-worker --cluster …`;
}
