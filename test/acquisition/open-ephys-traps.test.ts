import { readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import { parse } from "yaml";
import { Reply } from "zeromq";
import { openAcquisition } from "../../server/acquisition/acquisition.ts";
import { heartbeatAddress } from "../../server/acquisition/heartbeat.ts";
import { hear, nothingHeard, recordingSection, unitsHeard } from "../../server/acquisition/listening.ts";
import { createOpenEphysReader } from "../../server/acquisition/open-ephys-reader.ts";
import { createRoster } from "../../server/acquisition/roster.ts";
import type { AcquisitionEvent } from "../../server/acquisition/spike-batch.ts";
import { blocksOf } from "../../sim/rig/open-ephys/blocks.ts";
import { createFaults, type Fault } from "../../sim/rig/open-ephys/faults.ts";
import { openPlayer } from "../../sim/rig/open-ephys/player.ts";
import { readRecording } from "../../sim/rig/open-ephys/recording.ts";
import { start, temporaryFolder } from "../cli.ts";

const folder = join(import.meta.dirname, "../fixtures/open-ephys");
const recording = await readRecording(folder, null);
const messages = [...blocksOf(recording, false)].flatMap((block) => block.messages);
const roster = createRoster(recording.electrodes.map((name) => ({ name })));
const spikes = messages.filter(({ kind }) => kind === "spike").length;
const out = temporaryFolder();
afterAll(() => rm(out, { recursive: true }));

interface Reading {
  /** Kinds of messages that are subscribed to; all where not given. */
  keep?: string[];
  sampleRate?: number | null;
  at?: number;
}

/** The recording with faults on the way, through the reader. */
function read(faults: Fault[], { keep, sampleRate = null, at = 500 }: Reading = {}) {
  const reader = createOpenEphysReader({ roster, streams: [], sampleRate });
  const faulty = createFaults(faults, at);
  const events: AcquisitionEvent[] = [];
  for (const message of messages) {
    for (const frames of faulty.send(message, 0))
      if (keep?.includes(message.kind) ?? true) events.push(...reader.read(frames, 0));
  }
  events.push(...reader.flush(0));
  const of = (type: AcquisitionEvent["type"]) => events.filter((event) => event.type === type);
  return { counts: reader.counts, of };
}

describe("what a recording goes through on its way, fault by fault", () => {
  test("none: every spike and edge arrives", () => {
    const { counts, of } = read([]);
    expect(counts).toMatchObject({ spikes, lostMessages: 0, restarts: 0, messages: messages.length });
    expect(of("ttl")).toHaveLength(128);
  });

  test("W18 (trap 1): subscribed to events alone, numbers skip: spikes arrive all the same, gaps are told", () => {
    const { counts } = read([], { keep: ["spike", "event"], sampleRate: recording.sampleRate });
    expect(counts.spikes).toBe(spikes);
    // All but the data messages after the last event, which nothing reveals.
    const data = messages.filter(({ kind }) => kind === "data").length;
    expect(counts.lostMessages).toBeGreaterThan(data - 5);
  });

  test("W21 (trap 2): a restart is inferred from numbers that begin again, or from samples alone", () => {
    for (const fault of ["restart", "sample-reset"] as const) {
      const { counts, of } = read([fault]);
      expect(counts).toMatchObject({ spikes, restarts: 1, lostMessages: 0 });
      expect(of("restart")).toHaveLength(1);
      const times = of("batch").map((event) => (event.type === "batch" ? event.untilS : 0));
      expect(times.filter((untilS, i) => i > 0 && untilS < times[i - 1])).toHaveLength(1);
    }
  });

  test("W14 (trap 3): the header's wall-clock time means nothing", () => {
    const plain = read([]).of("batch");
    expect(read(["wrong-timestamp"]).of("batch")).toEqual(plain);
  });

  test("W18, W19, W20 (trap 4): lost, late and doubled messages are each counted, and no spike counts twice", () => {
    const hundredths = messages.filter((_, i) => i % 100 === 99);
    const lost = read(["lose"]).counts;
    expect(lost.lostMessages).toBe(hundredths.length - (messages.length % 100 === 0 ? 1 : 0));
    expect(lost.spikes).toBe(spikes - hundredths.filter(({ kind }) => kind === "spike").length);
    const reordered = read(["reorder"]).counts;
    expect(reordered).toMatchObject({ lostMessages: 0, reorderedMessages: hundredths.length });
    expect(reordered.spikes).toBe(spikes);
    const doubled = read(["duplicate"]).counts;
    expect(doubled.rejected.duplicate).toBe(hundredths.length);
    expect(doubled.spikes).toBe(spikes);
  });

  test("W11 (trap 5): headers whose end is cut off are read", () => {
    expect(read(["cut-header"]).counts).toMatchObject({ spikes, lostMessages: 0 });
  });

  test("W15, W16 (trap 6): with or without a data channel, no spike comes before the time that was told as complete", () => {
    expect(read([]).counts.lateSpikes).toBe(0);
    const { counts } = read(["no-data"], { sampleRate: recording.sampleRate });
    expect(counts).toMatchObject({ spikes, lateSpikes: 0 });
    // Without a rate nothing has a time, and that is said.
    expect(read(["no-data"]).counts.rejected["sample-rate"]).toBeGreaterThan(0);
  });

  test("W10 (trap 7): the keys of before 2022", () => {
    expect(read(["old-keys"]).counts).toMatchObject({ spikes, lostMessages: 0 });
  });

  test("W11, W12 (trap 8): noise is rejected and counted, and costs nothing else", () => {
    const { counts } = read(["garbage"]);
    expect(counts.spikes).toBe(spikes);
    expect(counts.rejected.malformed).toBe(2 * Math.floor(messages.length / 100));
  });

  test("W12, W18 (trap 8): halves are rejected, and their numbers are missing; W20: a flood of one message counts once", () => {
    const hundredths = Math.floor(messages.length / 100);
    const { counts } = read(["half"]);
    expect(counts.rejected.length).toBe(hundredths);
    expect(counts.lostMessages).toBe(hundredths - (messages.length % 100 === 0 ? 1 : 0));
    const flooded = read(["flood"]).counts;
    expect(flooded.spikes).toBe(spikes);
    expect(flooded.rejected.duplicate).toBe(4999 * hundredths);
  });

  test("all at once: nothing throws, and every message is accounted for", () => {
    const { counts } = read(["restart", "lose", "duplicate", "garbage", "cut-header"]);
    expect(counts.restarts).toBe(1);
    expect(counts.spikes).toBeGreaterThan(0.95 * spikes);
  });
});

describe("W30 heartbeats", () => {
  test("go to the data port and one", () => {
    expect(heartbeatAddress("tcp://recording-pc:5556")).toBe("tcp://recording-pc:5557");
    expect(heartbeatAddress("ipc:///tmp/x")).toBeNull();
    expect(heartbeatAddress("tcp://127.0.0.1:65535")).toBeNull();
  });

  test("are JSON that the GUI can read, one at a time, and their answer is told", async () => {
    const reply = new Reply({ linger: 0 });
    onTestFinished(() => reply.close());
    await reply.bind("tcp://127.0.0.1:*");
    const port = Number(/:(\d+)$/.exec(reply.lastEndpoint!)![1]);
    const acquisition = await openAcquisition({
      streams: [],
      address: `tcp://127.0.0.1:${port - 1}`,
      socket: "sub",
      format: "open-ephys",
      roster,
      heartbeat: true,
    });
    onTestFinished(() => acquisition.dispose());
    const told: boolean[] = [];
    acquisition.events$.subscribe((event) => event.type === "heartbeat" && told.push(event.answered));
    const [request] = await reply.receive();
    expect(JSON.parse(request.toString())).toEqual({
      application: "latentloop",
      uuid: expect.stringMatching(/^[0-9a-f-]{36}$/),
      type: "heartbeat",
    });
    await reply.send("heartbeat received");
    await expect.poll(() => told).toEqual([true]);
  });
});

describe("W36 latentloop listen", () => {
  test("hears every unit, line and stream, and writes the mapping that reads all of it", () => {
    const heard = nothingHeard();
    const faulty = createFaults([], 0);
    for (const message of messages) for (const frames of faulty.send(message, 0)) hear(heard, frames);
    expect(heard).toMatchObject({ format: "open-ephys", messages: messages.length });
    expect([...heard.streams]).toEqual([[recording.stream, recording.sampleRate]]);
    expect(unitsHeard(heard).reduce((sum, unit) => sum + unit.spikes, 0)).toBe(spikes);
    const { recording: section } = parse(recordingSection(heard, [recording.stream], false));
    const reader = createOpenEphysReader({
      roster: createRoster(section.units),
      streams: [{ name: section.stream, sampleRate: null }],
      sampleRate: null,
    });
    for (const message of messages) for (const frames of faulty.send(message, 0)) reader.read(frames, 0);
    expect(reader.counts.spikes).toBe(spikes);
  });

  test("unsorted spikes of an electrode with sorted ones are left out of the mapping", () => {
    const heard = nothingHeard();
    const unit = (name: string, sortedId: number) => ({ stream: "s", name, sortedId, spikes: 3 });
    for (const one of [unit("E2", 0), unit("E2", 1), unit("E10", 0)])
      heard.units.set(`${one.name} ${one.sortedId}`, one);
    expect(parse(recordingSection(heard, ["s"], false)).recording.units).toEqual([
      { name: "E2-1", electrode: "E2", sortedId: 1 },
      { name: "E10", electrode: "E10" },
    ]);
  });

  test("T17: of several streams, each unit says which it is on", () => {
    const heard = nothingHeard();
    heard.format = "open-ephys";
    for (const stream of ["A", "B"]) heard.units.set(stream, { stream, name: "E1", sortedId: 1, spikes: 3 });
    expect(parse(recordingSection(heard, ["A", "B"], false)).recording).toEqual({
      format: "open-ephys",
      streams: [{ name: "A" }, { name: "B" }],
      units: [
        { name: "A E1-1", electrode: "E1", sortedId: 1, stream: "A" },
        { name: "B E1-1", electrode: "E1", sortedId: 1, stream: "B" },
      ],
    });
  });

  test("as a command, against a player over real sockets", async () => {
    const player = await openPlayer({ recording, bind: "tcp://127.0.0.1:*", speed: 20, loop: true, waitS: 20 });
    onTestFinished(() => player.dispose());
    const played = player.play(() => {});
    const file = join(out, "units.yaml");
    const { code, stdout, stderr } = await start("listen", player.address, "--seconds", "4", "--write", file).finished;
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/format open-ephys\nstream "example_data", 40000 samples\/s\n {2}Stereotrode 1 /);
    expect(stdout).toMatch(/digital line \d+: \d+ edges/);
    expect(parse(readFileSync(file, "utf8")).recording).toMatchObject({ format: "open-ephys", stream: "example_data" });
    player.dispose();
    await played;
  });

  test("W25: what was heard at a socket that bound is written as one that binds", () => {
    const heard = nothingHeard();
    heard.units.set("a", { stream: "s", name: "a", sortedId: null, spikes: 3 });
    expect(parse(recordingSection(heard, ["s"], true)).recording).toEqual({
      format: "latentloop",
      socket: "pull",
      stream: "s",
      units: [{ name: "a" }],
    });
  });
});

test("W36 `listen --write` refuses a file that can't be written before it listens", async () => {
  const file = join(temporaryFolder(), "nowhere", "units.yaml");
  const { code, stdout, stderr } = await start("listen", "tcp://127.0.0.1:9", "--seconds", "60", "--write", file)
    .finished;
  expect(code).toBe(2);
  expect(stdout).toBe("");
  expect(stderr).toMatch(/^latentloop: --write: expected a file that can be written, got .*units\.yaml: ENOENT.*\n$/);
});
