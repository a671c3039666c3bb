import { readdirSync, rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Worker } from "node:worker_threads";
import { NEVER } from "rxjs";
import { afterAll, describe, expect, test, vi } from "vitest";
import { WebSocket } from "ws";
import { WATCH_PATH } from "../../protocols/wire/dashboard.ts";
import { LostEdgeError } from "../../server/failure.ts";
import { runLive } from "../../server/live.ts";
import type { LiveOptions } from "../../server/live-edges.ts";
import { readExperiment } from "../../server/session/experiment-file.ts";
import { readJournal } from "../../server/session/journal-reader.ts";
import { superviseWorker } from "../../server/supervision.ts";
import type { WorkerHandle } from "../../server/worker.ts";
import { start, temporaryFolder } from "../cli.ts";
import { isLong } from "./long.ts";

/** The threads that a session has opened, by what they do. */
const opened = vi.hoisted(() => [] as { module: string; worker: Worker }[]);
vi.mock("node:worker_threads", async (original) => {
  const actual = await original<typeof import("node:worker_threads")>();
  class Captured extends actual.Worker {
    constructor(file: string | URL, options: { workerData: object }) {
      const module = String(file);
      // Its own data, and the module that it is to be.
      super(new URL("./on-command.mjs", import.meta.url), {
        ...options,
        workerData: { ...options.workerData, module },
      });
      opened.push({ module, worker: this });
    }
  }
  return { ...actual, Worker: Captured };
});

const out = temporaryFolder();
afterAll(() => rm(out, { recursive: true }));

const latest = (name: string): Worker => opened.findLast(({ module }) => module.includes(name))!.worker;

/** A live session, in the middle of which something happens to a thread. */
async function session(trials: number, after: number, happens: (lines: readonly string[]) => void) {
  opened.length = 0;
  const file = resolve("protocols/experiments/one-to-one.yaml");
  const experiment = { ...(await readExperiment(file, {})), trials };
  experiment.session = { ...experiment.session, snapshotTrials: 4 };
  const options = {
    ...{ experimentFile: file, rig: "sim", rigFormat: "latentloop", display: "headless", out },
    ...{ events: "tcp://127.0.0.1:*", host: "127.0.0.1", port: 0, allowHost: [] },
  } as LiveOptions;
  const lines: string[] = [];
  let done = false;
  const { summary, failure } = await runLive(experiment, options, NEVER, {
    said: (line) => lines.push(line),
    changed(view) {
      if (done || view.trials.closed < after) return;
      done = true;
      happens(lines);
    },
    stop() {},
  });
  const { records } = await readJournal(summary.sessionDir);
  return { summary, failure, lines, records };
}

/** What must hold however often a thread was lost. */
async function check({ summary, failure, records }: Awaited<ReturnType<typeof session>>, trials: number) {
  expect(failure).toBeNull();
  expect(summary.trials).toBe(trials);
  const numbers = records.flatMap((r) => (r.kind === "trial" ? [r.trial] : []));
  expect(numbers).toEqual(numbers.map((_, i) => i));
  const faces = records.flatMap((r) => (r.kind === "choice" ? [r.face] : []));
  expect(faces).toEqual(Array.from({ length: trials }, (_, i) => i));
  const { code, stdout } = await start("replay", summary.sessionDir, "--verify").finished;
  expect(stdout).toContain(`identical: ${trials} choices`);
  expect(code, stdout).toBe(0);
}

const told = (records: Awaited<ReturnType<typeof session>>["records"]) =>
  records.flatMap((r) => {
    if (r.kind === "worker") return [`${r.worker} ${r.up ? "up" : "down"}`];
    return r.kind === "command" ? [r.command] : [];
  });

describe("J12 a thread that is lost", { timeout: 180_000 }, () => {
  test("the decider ends: the session pauses and says so, and goes on with the same posterior", async () => {
    const made = await session(40, 15, () => void latest("decider-worker").terminate());
    await check(made, 40);
    expect(told(made.records)).toEqual(["decider down", "pause", "decider up", "resume"]);
    expect(made.lines.join("\n")).toMatch(/paused: the part that learns and chooses stopped \(.*ended with code 1\)/);
    expect(made.lines.join("\n")).toMatch(/the part that learns and chooses is back, nothing is lost/);
  });

  test("the decider hangs: the same, once its answer has been missed", async () => {
    const made = await session(40, 15, () => latest("decider-worker").postMessage({ block: true }));
    await check(made, 40);
    expect(told(made.records)).toEqual(["decider down", "pause", "decider up", "resume"]);
    expect(made.lines.join("\n")).toMatch(/stopped \(no answer to (decide|refine|rehearse) for \d+ s\)/);
  });

  test.skipIf(!isLong)(
    "the thread that makes faces ends: the session pauses, and goes on with the faces that were asked for",
    async () => {
      const made = await session(30, 10, () => void latest("synthesis-worker").terminate());
      await check(made, 30);
      expect(told(made.records)).toEqual(["synthesis down", "pause", "synthesis up", "resume"]);
    },
  );

  test("it is lost again and again: the session ends, says why, and its journal is whole", async () => {
    const killed = new Set<Worker>();
    let kill: NodeJS.Timeout | undefined;
    const made = await session(40, 10, () => {
      kill = setInterval(() => {
        const worker = latest("decider-worker");
        if (!killed.has(worker)) void worker.terminate();
        killed.add(worker);
      }, 20);
    }).catch((error: Error) => error);
    clearInterval(kill);
    expect(String(made)).toMatch(/decider-worker.js ended with code \d \(3 times in a row\)/);
    expect(killed.size).toBe(4);
    const { records, end } = await readJournal(join(out, readdirSync(out).sort().at(-1)!));
    expect(end.torn).toBeNull();
    expect(records.filter(({ kind }) => kind === "trial").length).toBeGreaterThanOrEqual(10);
  });
});

test("J12 the decider ends while the session's folder is gone: one line says so, and what to do", {
  timeout: 60_000,
}, async () => {
  const made = await session(400, 10, () => {
    rmSync(join(out, readdirSync(out).sort().at(-1)!), { recursive: true });
    void latest("decider-worker").terminate();
  }).catch((error: Error) => error);
  expect(made).toBeInstanceOf(LostEdgeError);
  expect((made as Error).message).toMatch(
    /^the part that learns and chooses was lost, and the session's folder, from which it would go on, has gone \(\/.*\): put it back as it was, then run --resume$/,
  );
});

describe("J14 the server itself is disturbed", { timeout: 180_000 }, () => {
  test.skipIf(!isLong)(
    "its loop is blocked for seconds: no thread is blamed, each face has its one trial, and the session goes on",
    async () => {
      const made = await session(30, 8, () => {
        for (const untilMs = performance.now() + 7000; performance.now() < untilMs; );
      });
      await check(made, 30);
      expect(told(made.records)).toEqual([]);
      expect(
        made.records.filter(({ kind, event }) => kind === "display" && (event as { type: string }).type === "lost"),
      ).toEqual([]);
    },
  );

  test.skipIf(!isLong)(
    "the system's clock is set back an hour: the session's own clock goes on, trials stay in order",
    async () => {
      try {
        const made = await session(30, 8, () => {
          vi.useFakeTimers({ toFake: ["Date"], now: Date.now() - 3_600_000 });
        });
        await check(made, 30);
        const closedMs = made.records.flatMap((r) => (r.kind === "trial" ? [r.closedServerMs as number] : []));
        expect(closedMs).toEqual(closedMs.toSorted((a, b) => a - b));
        const recordedMs = made.records.map(({ serverMs }) => serverMs);
        expect(recordedMs.at(-1)! - recordedMs[0]).toBeLessThan(600_000);
        expect(recordedMs.every((ms, i) => i === 0 || ms - recordedMs[i - 1] > -60_000)).toBe(true);
      } finally {
        vi.useRealTimers();
      }
    },
  );
});

test.skipIf(!isLong)(
  "J12 the dashboard's analyst ends: a warning, and the session goes on without it",
  {
    timeout: 180_000,
  },
  async () => {
    let page: WebSocket | null = null;
    const made = await session(30, 8, (lines) => {
      const [, address] = lines.join("\n").match(/dashboard: http(\S+)dashboard/)!;
      page = new WebSocket(`ws${address}${WATCH_PATH.slice(1)}`);
      const wait = setInterval(() => {
        const analyst = opened.find(({ module }) => module.includes("analyst-worker"));
        if (!analyst) return;
        clearInterval(wait);
        void analyst.worker.terminate();
      }, 20);
    });
    await check(made, 30);
    expect(told(made.records)).toEqual([]);
    expect(made.lines.join("\n")).toMatch(/the dashboard can't go on, the session does: .*ended with code \d/);
    page!.terminate();
  },
);

interface Counter {
  add(n: number): number;
  slow(n: number): number;
}

/** Workers that are promises alone; each can be told to die. */
function counters(restored: () => void = () => {}) {
  const made: { die(error: Error): void; calls: string[]; answer(value: number): void }[] = [];
  const said: string[] = [];
  const supervised = superviseWorker<Counter>({
    open(died) {
      const waiting: ((value: number) => void)[] = [];
      const own = { die: died, calls: [] as string[], answer: (value: number) => waiting.shift()?.(value) };
      made.push(own);
      return {
        call: (name: string, n: number) => {
          own.calls.push(`${name} ${n}`);
          return new Promise<number>((done) => void waiting.push(done));
        },
        dispose: async () => {},
      } as unknown as WorkerHandle<Counter>;
    },
    async restore() {
      restored();
      return ({ name, args }) => (name === "slow" ? { answer: -(args[0] as number) } : "again");
    },
    quick: ["add"],
    limitMs: 3000,
    lost: (why) => said.push(`lost: ${why}`),
    back: () => said.push("back"),
    failed: (error) => said.push(`failed: ${error.message}`),
  });
  return { made, said, supervised };
}

describe("J12 supervision", () => {
  test("open calls are made again or answered, in their order; those that come meanwhile follow", async () => {
    const { made, said, supervised } = counters();
    const answers = [supervised.call("add", 1), supervised.call("slow", 2), supervised.call("add", 3)];
    made[0].answer(10);
    expect(await answers[0]).toBe(10);
    made[0].die(new Error("gone"));
    answers.push(supervised.call("slow", 4));
    await vi.waitFor(() => expect(said).toEqual(["lost: gone", "back"]));
    expect(await answers[1]).toBe(-2);
    expect(made[1].calls).toEqual(["add 3", "slow 4"]);
    made[1].answer(30);
    made[1].answer(40);
    expect(await Promise.all(answers.slice(2))).toEqual([30, 40]);
    // What the lost one says late is nobody's.
    made[0].answer(99);
    expect(said).toEqual(["lost: gone", "back"]);
    await supervised.dispose();
  });

  test("an answer that is missed is a loss too where a call that may take long was asked first", async () => {
    vi.useFakeTimers();
    try {
      const { said, supervised } = counters();
      void supervised.call("slow", 1);
      void supervised.call("add", 2);
      await vi.advanceTimersByTimeAsync(5000);
      expect(said).toEqual(["lost: no answer to add for 3 s", "back"]);
      await supervised.dispose();
    } finally {
      vi.useRealTimers();
    }
  });

  test("an answer that is missed for so many of the loop's own seconds is a loss; a call that may take long is not", async () => {
    vi.useFakeTimers();
    try {
      const { made, said, supervised } = counters();
      void supervised.call("slow", 1);
      await vi.advanceTimersByTimeAsync(60_000);
      expect(said).toEqual([]);
      made[0].answer(1);
      void supervised.call("add", 2);
      await vi.advanceTimersByTimeAsync(3000);
      expect(said).toEqual([]);
      await vi.advanceTimersByTimeAsync(2000);
      expect(said).toEqual(["lost: no answer to add for 3 s", "back"]);
      await supervised.dispose();
    } finally {
      vi.useRealTimers();
    }
  });

  test("one that is disposed of is no loss, and what it was asked last is refused to nobody", async () => {
    const { made, said, supervised } = counters();
    let settled = false;
    const settle = () => {
      settled = true;
    };
    supervised.call("add", 1).then(settle, settle);
    await supervised.dispose();
    made[0].answer(1);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect({ settled, said }).toEqual({ settled: false, said: [] });
  });

  test("one that can't be replaced is given up after the third attempt, and every call is refused", async () => {
    const { made, said, supervised } = counters(() => {
      throw new Error("no way back");
    });
    const open = supervised.call("add", 1);
    made[0].die(new Error("gone"));
    await expect(open).rejects.toThrow("no way back (3 times in a row)");
    await expect(supervised.call("add", 2)).rejects.toThrow("no way back");
    expect(said).toEqual(["lost: gone", "failed: no way back (3 times in a row)"]);
    expect(made).toHaveLength(4);
    await supervised.dispose();
  });
});
