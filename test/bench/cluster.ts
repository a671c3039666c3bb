/**
 * `node dist/test/bench/cluster.js`: how sessions/s grow from one study-worker to two on this machine (runs in turn, each after a warm-up,
 * with the load of the machine beside), and what a session costs the coordinator and Redis. JSON on stdout. Needs a redis-server.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Redis } from "ioredis";
import { parse } from "yaml";
import { sessionStudy } from "../../protocols/study.ts";
import { compiledModule } from "../../server/package-root.ts";
import { quantile } from "../../server/session/quantile.ts";
import { onCluster } from "../../sim/study/cluster/coordinate.ts";
import { planSessions } from "../../sim/study/plan.ts";
import { runCells } from "../../sim/study/run.ts";
import { openStore } from "../../sim/study/store.ts";
import { openRedis } from "../sim/study/redis.ts";

const PAIRS = 4;
const experiment = "protocols/experiments/one-to-one.yaml";
const base = parse(await readFile(experiment, "utf8"));
const redis = await openRedis();
const out = await mkdtemp(join(tmpdir(), "latentloop-bench-"));
let folders = 0;

/** Sessions of 20 units, or of the shortest kind. */
const plan = (seeds: number, firstSeed: number, small: boolean) =>
  planSessions(
    sessionStudy.parse({
      name: "bench",
      experiment,
      trials: small ? 1 : 100,
      seeds,
      firstSeed,
      populations: { units: small ? { ramp: 1 } : { ramp: 7, axis: 5, bump: 4, saturating: 4 } },
      designs: { variance: { choice: { objective: small ? "random" : "variance" } } },
      reference: "variance",
      checkpoints: [1],
      measures: ["latentFound"],
    }),
    base,
  );

async function run(seeds: number, firstSeed: number, small = false) {
  const store = await openStore(join(out, `${folders++}`));
  const cells = plan(seeds, firstSeed, small);
  const cpu = process.cpuUsage();
  const start = performance.now();
  const { failed } = await runCells(
    cells,
    store,
    onCluster(redis.address, "bench", () => {}),
    {
      stopped: new AbortController().signal,
      begun: () => () => {},
    },
  );
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  await store.close();
  if (failed.length > 0) throw new Error(failed[0].reason);
  return { perS: seeds / seconds, cpuMs: (user + system) / 1000 / seeds };
}

async function openWorker(slots: number): Promise<() => Promise<void>> {
  const child: ChildProcess = spawn(
    process.execPath,
    [
      fileURLToPath(compiledModule("server/main.js")),
      ...["study-worker", "--cluster", redis.address, "--workers", `${slots}`],
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  await new Promise<void>((resolve) => child.stderr!.on("data", (text) => /ready/.test(`${text}`) && resolve()));
  return async () => {
    child.kill("SIGTERM");
    await new Promise((resolve) => child.once("exit", resolve));
  };
}

const redisCpuMs = async () => {
  const client = new Redis(redis.address);
  const info = await client.info("cpu");
  client.disconnect();
  return 1000 * ["user", "sys"].reduce((sum, of) => sum + Number(info.match(`used_cpu_${of}:([0-9.]+)`)![1]), 0);
};

const end = await openWorker(2);
await run(50, 1, true);
const before = await redisCpuMs();
const SMALL = 2000;
const { perS: smallPerS, cpuMs } = await run(SMALL, 1001, true);
const redisMs = ((await redisCpuMs()) - before) / SMALL;
await end();
process.stderr.write(`bench: ${cpuMs.toFixed(2)} ms of the coordinator, ${redisMs.toFixed(2)} ms of Redis a session\n`);

const perS: number[][] = [[], []];
const loads: number[] = [];
for (let pair = 0; pair < PAIRS; pair++)
  for (const workers of pair % 2 ? [2, 1] : [1, 2]) {
    const close = await Promise.all(Array.from({ length: workers }, () => openWorker(1)));
    await run(2 * workers, 1);
    loads.push(loadavg()[0]);
    const { perS: rate } = await run(8 * workers, 101);
    perS[workers - 1].push(rate);
    process.stderr.write(`bench: ${workers} workers ${rate.toFixed(2)} sessions/s, load ${loadavg()[0].toFixed(1)}\n`);
    for (const end of close) await end();
  }

const ratios = perS[0].map((one, i) => perS[1][i] / one);
await redis.dispose();
await rm(out, { recursive: true });
process.stdout.write(
  `${JSON.stringify({ smallestSessions: { sessions: SMALL, perS: smallPerS, coordinatorCpuMs: cpuMs, redisCpuMs: redisMs }, sessionsPerS: { one: perS[0], two: perS[1] }, ratio: { median: quantile(ratios, 0.5), all: ratios }, load: loads }, null, 1)}\n`,
);
