import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Queue, QueueEvents, Worker } from "bullmq";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Cell } from "../../../sim/study/cell.ts";
import { PREFIX } from "../../../sim/study/cluster/connection.ts";
import { onCluster as engineOn } from "../../../sim/study/cluster/coordinate.ts";
import { queueName } from "../../../sim/study/cluster/queue.ts";
import type { Outcome } from "../../../sim/study/worker.ts";
import { type Running, start } from "../../cli.ts";
import { isLong } from "../../faults/long.ts";
import { openRedis, redisServer } from "./redis.ts";

const text = `
name: small
experiment: ${resolve("protocols/experiments/one-to-one.yaml")}
trials: 60
seeds: 5
populations: { two: { ramp: 1, overdispersed: 1, sharedGain: { logSd: 0.3, timescaleTrials: 20 } }, one: { bump: 1 } }
pooled: { all: [two, one] }
designs:
  variance: { choice: { objective: variance } }
  grid: { choice: { objective: traversal-grid } }
reference: grid
checkpoints: [4, 60]
measures: [curveError, latentFound, peak, baselineCovered]
levels: [{ measure: curveError, referenceAtTrial: 60 }]
`;
/** Processes start slowly where other programs load the machine, and a lost worker is waited for. */
const PROCESSES_MS = 300_000;

describe.skipIf(!redisServer)("a study on several machines (skipped where no redis-server is installed)", () => {
  let folder: string;
  let file: string;
  let redis: Awaited<ReturnType<typeof openRedis>>;
  let running: Running[];
  const latentloop = (...args: string[]): Running => {
    const process = start(...args);
    running.push(process);
    return process;
  };
  const worker = async () => {
    const process = latentloop("study-worker", "--cluster", redis.address, "--workers", "1");
    await process.says(/ready/);
    return process;
  };
  const onCluster = (out: string) =>
    latentloop("study", file, "--out", join(folder, out), "--json", "--cluster", redis.address);
  const alone = () => latentloop("study", file, "--out", join(folder, "alone"), "--json").finished;
  const kept = async (out: string) =>
    (await readFile(join(folder, out, "results.jsonl"), "utf8").catch(() => "")).split("\n").length - 1;
  const until = async (condition: () => Promise<boolean>) => {
    while (!(await condition())) await new Promise((later) => setTimeout(later, 20));
  };
  const connection = () => {
    const { hostname, port } = new URL(redis.address);
    return { connection: { host: hostname, port: Number(port) }, prefix: PREFIX };
  };

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "latentloop-cluster-"));
    file = join(folder, "small.yaml");
    await writeFile(file, text);
    redis = await openRedis();
    running = [];
  });
  afterEach(async () => {
    for (const process of running) process.signal("SIGKILL");
    await Promise.all(running.map(({ finished }) => finished));
    await redis.dispose();
    await rm(folder, { recursive: true });
  });

  test(
    "V6 three workers, one of them killed in the middle of a session: every session is run, with the results of one machine, bit for bit",
    async () => {
      const workers = [await worker(), await worker(), await worker()];
      const queue = new Queue(queueName(), connection());
      const events = new QueueEvents(queueName(), connection());
      const stalled: string[] = [];
      events.on("stalled", ({ jobId }) => stalled.push(jobId));
      await events.waitUntilReady();
      const study = onCluster("cluster");
      await until(async () => (await kept("cluster")) >= 2);

      const [lost] = workers;
      const held = async () => (await queue.getActive()).filter((job) => job.processedBy?.endsWith(`:${lost.pid}`));
      let at: string | undefined;
      while (!at) {
        lost.signal("SIGSTOP");
        [at] = (await held()).map(({ id }) => id!);
        if (!at) lost.signal("SIGCONT");
      }
      lost.signal("SIGKILL");

      const { code, stdout, stderr } = await study.finished;
      expect(code, stderr).toBe(0);
      expect(stalled).toEqual([at]);
      expect(JSON.parse(stdout).sessions).toEqual({ planned: 20, done: 20, failed: [] });
      expect(await kept("cluster")).toBe(20);
      expect((await alone()).stdout).toBe(stdout);
      // Nothing is left behind in Redis.
      expect(await queue.getJobCounts()).toMatchObject({ active: 0, completed: 0, failed: 0, waiting: 0 });
      await Promise.all([queue.close(), events.close()]);
    },
    PROCESSES_MS,
  );

  test.skipIf(!isLong)(
    "V6 the coordinator is killed: what was run meanwhile is there when the same command goes on; two at once take nothing from each other",
    async () => {
      await worker();
      const first = onCluster("cluster");
      await until(async () => (await kept("cluster")) >= 3);
      first.signal("SIGKILL");
      await first.finished;
      const before = await kept("cluster");
      const queue = new Queue(queueName(), connection());
      await until(async () => (await queue.getCompletedCount()) >= 2);

      const [again, other] = await Promise.all([onCluster("cluster").finished, onCluster("other").finished]);
      expect(again.code, again.stderr).toBe(0);
      expect(other.code, other.stderr).toBe(0);
      expect(again.stderr).toContain(`20 sessions (${before} were there)`);
      expect(other.stdout).toBe(again.stdout);
      expect((await alone()).stdout).toBe(again.stdout);
      await queue.close();
    },
    PROCESSES_MS,
  );

  test.skipIf(!isLong)(
    "V6 Redis loses all it held: workers and coordinator find their way back, and the study ends with the same figures",
    async () => {
      await worker();
      const study = onCluster("cluster");
      await until(async () => (await kept("cluster")) >= 2);
      await redis.restart();
      const { code, stdout, stderr } = await study.finished;
      expect(code, stderr).toBe(0);
      expect(stderr).toMatch(/redis:\/\/127.0.0.1:\d+ is lost; trying again/);
      expect((await alone()).stdout).toBe(stdout);
    },
    PROCESSES_MS,
  );

  test(
    "V6 a study of more sessions than are handed out at once is run to its end, each session once",
    async () => {
      const sessions = 2500;
      const ahead = new Map(Array.from({ length: sessions }, (_, i) => [`${i}`, { seed: i } as Cell]));
      const worker = new Worker<Cell, Outcome>(
        queueName(),
        async ({ data }) => ({ result: { kinds: [`${data.seed}`], values: {} } }),
        { ...connection(), concurrency: 8 },
      );
      const ended: string[] = [];
      await engineOn(redis.address, "many", () => {})(ahead, {
        async ended(key, outcome) {
          expect(outcome).toEqual({ result: { kinds: [key], values: {} } });
          ended.push(key);
        },
        note() {},
        stopped: new AbortController().signal,
      });
      expect(ended).toHaveLength(sessions);
      expect(new Set(ended)).toEqual(new Set(ahead.keys()));
      await worker.close();
    },
    PROCESSES_MS,
  );

  test(
    "progress is there for whoever asks; a study without workers says so; Ctrl-C takes back what nobody has begun",
    async () => {
      const study = onCluster("cluster");
      await study.says(/no study-worker of version .* is there: npx latentloop study-worker --cluster/);
      const status = async () =>
        JSON.parse((await latentloop("study-status", "--cluster", redis.address, "--json").finished).stdout);
      expect(await status()).toMatchObject({ studies: [{ study: "small", planned: 20, ended: 0 }], workers: [] });
      study.signal("SIGINT");
      const { code, stderr } = await study.finished;
      expect(code).toBe(130);
      expect(stderr).toContain("stopped; 0 of 20 sessions are kept");
      const queue = new Queue(queueName(), connection());
      expect(await queue.getWaitingCount()).toBe(0);
      await queue.close();
      const one = await worker();
      const { studies, workers } = await status();
      expect(studies).toEqual([]);
      expect(workers).toMatchObject([{ pid: one.pid, slots: 1, done: 0 }]);
      one.signal("SIGTERM");
      expect((await one.finished).code).toBe(0);
    },
    PROCESSES_MS,
  );
});

test.each([
  ["nowhere", /--cluster nowhere: expected the address of a Redis or Valkey server, as redis:/],
  [
    "redis://:secret@127.0.0.1:1",
    /--cluster redis:\/\/:…@127.0.0.1:1: expected a Redis or Valkey server there, .*ECONNREFUSED/,
  ],
])("where there is no Redis (%s) the command says so, exit code 2", async (address, words) => {
  const { code, stderr } = await start("study-worker", "--cluster", address).finished;
  expect(stderr).toMatch(words);
  expect(code).toBe(2);
});
