import { writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AcquisitionEvent } from "../../server/acquisition/spike-batch.ts";
import { streamSettings } from "../../server/loop.ts";
import { type Recount, recountSession } from "../../server/playback/recount.ts";
import { nothingPlanned } from "../../server/presentation/plan.ts";
import { readSession } from "../../server/session/folder.ts";
import { createJournal, type JournalRecord } from "../../server/session/journal.ts";
import { readJournal } from "../../server/session/journal-reader.ts";
import { recordsOf } from "../../server/session/record.ts";
import type { SessionEvent } from "../../server/session/view.ts";
import { initStreams, stepStreams } from "../../server/trials/streams.ts";
import type { Onset, Trial } from "../../server/trials/trial.ts";
import { anyPorts, smallExperiment, start, temporaryFolder } from "../cli.ts";
import { experimentOf } from "../experiment.ts";

const TRIALS = 10;
const out = temporaryFolder();
let virtual: string;
beforeAll(async () => {
  writeFileSync(join(out, "small.yaml"), smallExperiment("small", TRIALS, "{ ramp: 2 }"));
  virtual = await session(join(out, "small.yaml"), "--virtual");
}, 60_000);
afterAll(() => rm(out, { recursive: true }));

async function session(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await start("run", ...args, "--out", out, "--json").finished;
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout).sessionDir;
}

const again = (folder: string, ...args: string[]) => start("replay", folder, "--rig", "recorded", ...args).finished;

/** A session's journal with records that are other ones, or none. */
async function falsified(folder: string, change: (record: JournalRecord) => object | null): Promise<Recount> {
  const copy = join(out, `falsified-${Math.random()}`);
  const journal = createJournal(copy, { sync: 1000, rotateBytes: 2 ** 30 }, { stalled() {}, recovered() {} });
  for (const record of (await readJournal(folder)).records) {
    const changed = change(record);
    const { n: _, serverMs, kind, ...fields } = (changed ?? record) as JournalRecord;
    if (changed) journal.write(kind, serverMs, fields);
  }
  await journal.close();
  const interrupted = new AbortController().signal;
  const options = { speed: Number.POSITIVE_INFINITY, interrupted, compared() {} };
  return recountSession(await readSession(copy), options);
}

type Input = AcquisitionEvent | ({ type: "onset" } & Onset);

/** Three seconds of two streams of one sender, each on a clock of its own, and a face every 400 ms. */
function twoStreams(fromMs: number, beginS: [number, number], uncertaintyMs = 0): Input[] {
  const face = { face: 0, latents: new Float64Array(12), dropped: 0, lateFrames: 0, patch: false, interrupted: false };
  const empty = { unit: new Uint16Array(), timeS: new Float64Array(), count: null };
  return Array.from({ length: 300 }, (_, i): Input[] => {
    const ms = fromMs + 10 * i;
    const onsets =
      i % 40 === 39 ? [{ type: "onset" as const, presentation: ms, onsetServerMs: ms, uncertaintyMs, ...face }] : [];
    return [
      ...["A", "B"].map((stream, s) => {
        const untilS = beginS[s] + i / 100;
        return {
          type: "batch" as const,
          stream,
          untilS,
          reachedS: untilS,
          arrivedServerMs: ms + 1 + 0.3 * s,
          ...empty,
        };
      }),
      ...onsets,
    ];
  }).flat();
}

/** The journal of a session that was told these, with the trials that they make. */
async function journalOf(inputs: readonly Input[]): Promise<string> {
  const units = ["a", "b"];
  const streams = "recording: { streams: [{ name: A }, { name: B }], units: [{ name: a }, { name: b }] }";
  const experiment = experimentOf(smallExperiment("two", 100, "{ ramp: 2, standsIn: true }", streams));
  const folder = join(out, `two-${Math.random()}`);
  const journal = createJournal(folder, { sync: 1000, rotateBytes: 2 ** 30 }, { stalled() {}, recovered() {} });
  journal.write("session", 0, { experiment, options: {} });
  journal.write("decider", 0, { settings: { units }, seed: 1 });
  const record = (event: SessionEvent) => {
    for (const { kind, fields } of recordsOf(event)) journal.write(kind, 0, fields);
  };
  let state = initStreams(streamSettings(experiment, units.length));
  for (const input of inputs) {
    record(
      input.type === "onset"
        ? { kind: "plan", output: { ...nothingPlanned(), onsets: [input] } }
        : { kind: "acquisition", event: input },
    );
    const [next, trials] = stepStreams(state, input);
    state = next;
    for (const trial of trials) record({ kind: "trial", trial });
  }
  await journal.close();
  return folder;
}

const same = { trials: TRIALS, different: 0, differentCounts: 0, difference: null };

describe("J16 replay --rig recorded", { timeout: 60_000 }, () => {
  test("in virtual time: every trial as it was", async () => {
    const { code, stdout, stderr } = await again(virtual, "--speed", "max");
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(
      /^10 trials: all counts as recorded, and windows, flags and closing times with them\n\d+ mess/,
    );
  });

  test.each([
    ["software alignment", "", "latentloop"],
    ["a photodiode's edges, by Open Ephys' messages", "alignment: { method: photodiode, line: 2 }", "open-ephys"],
  ])(
    "live, %s, messages lost, doubled, out of order, stalled: windows come out bit for bit",
    async (_, rest, format) => {
      const simulation =
        "{ ramp: 2, transport: { jitterMs: 2, faultsPerMinute: { lose: 60, duplicate: 30, reorder: 60, half: 30, stall: 10 } } }";
      const file = join(out, "faulty.yaml");
      writeFileSync(file, smallExperiment("faulty", TRIALS, simulation, rest));
      const folder = await session(file, ...anyPorts, "--display", "headless", "--rig-format", format);
      const { code, stdout } = await again(folder, "--speed", "max", "--json");
      const recount = JSON.parse(stdout) as Recount;
      expect(recount).toMatchObject({ ...same, hasEmptyMessages: true });
      expect(recount.spikes).toBeGreaterThan(0);
      expect(code).toBe(0);
    },
  );

  test("messages leave when they did: as long as the session over the speed", async () => {
    const startedMs = performance.now();
    const { code } = await again(virtual, "--speed", "2");
    expect(code).toBe(0);
    // Ten faces of 250 ms, twice as fast.
    expect(performance.now() - startedMs).toBeGreaterThan(1200);
  });

  test("the first difference is told with both values: a spike, an edge of a window, a trial that is not there", async () => {
    const spikes = await falsified(virtual, (record) => {
      // A spike more, in the middle of the response to the sixth face.
      if (record.kind !== "spikes" || record.arrivedServerMs !== 1500) return record;
      const [unit, timeS] = [Uint16Array.of(1), Float64Array.of(1001.495)];
      return { ...record, unitU16: new Uint8Array(unit.buffer), timeF64: new Uint8Array(timeS.buffer) };
    });
    expect(spikes.different).toBeGreaterThan(0);
    expect(spikes.differentCounts).toBe(spikes.different);
    expect(spikes.difference!.what).toBe("trial 5: count of sim-02");
    const window = await falsified(virtual, (record) => {
      if (record.kind !== "trial" || record.trial !== 3) return record;
      const { startS, ...rest } = record.window as { startS: number };
      return { ...record, window: { startS: startS + 1e-9, ...rest } };
    });
    expect(window).toMatchObject({ different: 1, differentCounts: 0, difference: { what: "trial 3.window.startS" } });
    const { journal, replay } = window.difference as { journal: number; replay: number };
    expect(journal - replay).toBeCloseTo(1e-9, 11);
    const none = await falsified(virtual, (record) =>
      record.kind === "spikes" && (record.arrivedServerMs as number) > 2000 ? null : record,
    );
    expect(none.difference).toEqual({
      what: expect.stringMatching(/^trial \d$/),
      journal: "closed",
      replay: "not closed",
    });
    expect(none.trials).toBe(TRIALS);
  });

  test("a journal without empty messages, as older ones are, is known as one", async () => {
    const isEmpty = ({ kind, unitU16 }: JournalRecord) => kind === "spikes" && (unitU16 as Uint8Array).length === 0;
    const old = await falsified(virtual, (record) => (isEmpty(record) ? null : record));
    expect(old.hasEmptyMessages).toBe(false);
    expect(old.trials).toBe(TRIALS);
  });

  test("two streams of one GUI that is started anew: trials end when that is known, not with each stream's next message", async () => {
    const events = [...twoStreams(0, [10, 500]), { type: "restart", stream: null, arrivedServerMs: 3001 } as const];
    const folder = await journalOf([...events, ...twoStreams(3000, [0, 0])]);
    const trials = (await readJournal(folder)).records.filter(({ kind }) => kind === "trial");
    expect(trials.filter(({ closedServerMs }) => closedServerMs === 3001)).toHaveLength(1);
    const recount = await falsified(folder, (record) => record);
    expect(recount).toMatchObject({ different: 0, difference: null, trials: trials.length });
  });

  test("a journal of before it was kept why a trial is unaligned is counted as any", async () => {
    const folder = await journalOf(twoStreams(0, [10, 500], 60));
    const older = ({ unaligned: _, others, ...record }: Record<string, unknown>): object => ({
      ...record,
      ...(others !== undefined && { others: (others as Record<string, unknown>[]).map(older) }),
    });
    const trials = (await readJournal(folder)).records.filter(({ kind }) => kind === "trial");
    expect(trials.every(({ unaligned, others }) => unaligned && (others as Trial[])[0].unaligned)).toBe(true);
    const recount = await falsified(folder, (record) => (record.kind === "trial" ? older(record) : record));
    expect(recount).toMatchObject({ different: 0, difference: null, trials: trials.length });
    // A journal that has the reasons is held to them.
    const other = await falsified(folder, (record) =>
      record.kind === "trial" ? { ...record, unaligned: "missing" } : record,
    );
    expect(other).toMatchObject({ different: trials.length, difference: { what: "trial 0.unaligned" } });
  });

  test("Ctrl-C ends it with what was compared by then", async () => {
    const playing = start("replay", virtual, "--rig", "recorded", "--speed", "0.05");
    await new Promise((resolve) => setTimeout(resolve, 3000));
    playing.signal("SIGINT");
    const { code, stdout } = await playing.finished;
    expect(stdout).toMatch(/^interrupted: what follows is of the trials until then\n0 trials: all counts as recorded/);
    expect(code).toBe(0);
  });
});
