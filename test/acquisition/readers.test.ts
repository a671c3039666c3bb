import { describe, expect, it } from "vitest";
import { encodeOpenEphys, type OpenEphysMessage } from "../../protocols/wire/open-ephys.ts";
import { encodeSpikeMessage } from "../../protocols/wire/spikes.ts";
import type { FrameReader, ReaderOptions } from "../../server/acquisition/frame-reader.ts";
import { createLatentloopReader } from "../../server/acquisition/latentloop-reader.ts";
import { createOpenEphysReader } from "../../server/acquisition/open-ephys-reader.ts";
import { createRoster } from "../../server/acquisition/roster.ts";
import type { AcquisitionEvent } from "../../server/acquisition/spike-batch.ts";

const roster = createRoster([{ name: "a" }, { name: "b" }, { name: "c", electrode: "TT1", sortedId: 2 }]);
const plain: ReaderOptions = { roster, streams: [], sampleRate: null };

/** Events in short, batches as [unit, timeS, count] triples. */
function told(events: AcquisitionEvent[]): unknown[] {
  return events.map((event) => {
    if (event.type === "batch") return { untilS: event.untilS, spikes: triples(event) };
    if (event.type === "gap") return `gap ${event.missing}`;
    if (event.type === "rejected") return `${event.reason}: ${event.detail}`;
    if (event.type === "ttl") return { line: event.line, state: event.state, timeS: event.timeS };
    return event.type;
  });
}
const triples = ({ unit, timeS, count }: Extract<AcquisitionEvent, { type: "batch" }>) =>
  Array.from(unit, (index, i) => [index, timeS[i], count?.[i] ?? 1]);

describe("our own messages", () => {
  const spikes = (seq: number, untilS: number, pairs: [string, number][] = [], stream = "probe"): Uint8Array[] => {
    const units = [...new Set(pairs.map(([unit]) => unit))];
    const unit = Uint16Array.from(pairs, ([name]) => units.indexOf(name));
    const timeS = Float64Array.from(pairs, ([, time]) => time);
    return [encodeSpikeMessage({ v: 1, type: "spikes", stream, seq, clock: "x", untilS, units, unit, timeS })];
  };
  const read = (reader: FrameReader, frames: Uint8Array[]) => told(reader.read(frames, 0));

  it("W2, W3: counts become entries at the centres of their bins", () => {
    const reader = createLatentloopReader(plain);
    const message = { v: 1, type: "counts", stream: "probe", seq: 0, clock: "x", t0S: 10, binS: 0.5 } as const;
    const counts = Uint16Array.of(3, 0, 0, 2, 0, 0);
    const events = reader.read([encodeSpikeMessage({ ...message, units: ["b", "a", "z"], counts })], 7);
    // Bin 0 is [10, 10.5), centre 10.25: three of b. Bin 1 is [10.5, 11), centre 10.75: two of b.
    expect(told(events)).toEqual([
      {
        untilS: 11,
        spikes: [
          [1, 10.25, 3],
          [1, 10.75, 2],
        ],
      },
    ]);
    expect(events[0]).toMatchObject({ stream: "probe", arrivedServerMs: 7 });
    expect(reader.counts).toMatchObject({ messages: 1, spikes: 5 });
  });

  it("W7: spikes of unknown units are counted by name and told once, the others used", () => {
    const reader = createLatentloopReader(plain);
    const first = read(
      reader,
      spikes(0, 1, [
        ["z", 0.1],
        ["a", 0.2],
        ["z", 0.3],
        ["__proto__", 0.4],
      ]),
    );
    expect(first).toEqual([
      expect.stringMatching(/^unknown-unit: .*"z"/),
      expect.stringMatching(/^unknown-unit: .*"__proto__"/),
      { untilS: 1, spikes: [[0, 0.2, 1]] },
    ]);
    expect(read(reader, spikes(1, 2, [["z", 1.5]]))).toEqual([{ untilS: 2, spikes: [] }]);
    expect(reader.counts.unknownUnits.z).toBe(3);
    expect(Object.entries(reader.counts.unknownUnits)).toContainEqual(["__proto__", 1]);
    expect(reader.counts).toMatchObject({ spikes: 1, rejected: { "unknown-unit": 4 } });
  });

  it("W18 to W20, W23: gaps, late fillers and duplicates", () => {
    const reader = createLatentloopReader(plain);
    read(reader, spikes(0, 1));
    expect(read(reader, spikes(3, 4))).toEqual(["gap 2", { untilS: 4, spikes: [] }]);
    expect(reader.counts.lostMessages).toBe(2);
    // The filler's spike is late, but delivered; the stream's time does not go back.
    expect(read(reader, spikes(1, 2, [["a", 1.5]]))).toEqual(["reordered", { untilS: 4, spikes: [[0, 1.5, 1]] }]);
    expect(reader.counts).toMatchObject({ lostMessages: 1, reorderedMessages: 1, lateSpikes: 1, spikes: 1 });
    expect(read(reader, spikes(3, 4, [["a", 3]]))).toEqual(["duplicate: message 3 came again"]);
    expect(reader.counts).toMatchObject({ spikes: 1, rejected: { duplicate: 1 } });
  });

  it("W21: a sender that starts again begins a new time", () => {
    const reader = createLatentloopReader(plain);
    read(reader, spikes(0, 100));
    read(reader, spikes(1, 101));
    expect(read(reader, spikes(0, 1, [["b", 0.5]]))).toEqual(["restart", { untilS: 1, spikes: [[1, 0.5, 1]] }]);
    expect(reader.counts).toMatchObject({ restarts: 1, lateSpikes: 0, lostMessages: 0 });
  });

  it("W22: follows the stream it is told to, or the first one, each with its own numbers", () => {
    const first = createLatentloopReader(plain);
    read(first, spikes(0, 1, [], "one"));
    expect(read(first, spikes(50, 1, [], "two"))).toEqual([`stream: expected stream "one", got "two"`]);
    expect(read(first, spikes(1, 2, [], "one"))).toEqual([{ untilS: 2, spikes: [] }]);
    const second = createLatentloopReader({ ...plain, streams: [{ name: "two", sampleRate: null }] });
    expect(read(second, spikes(0, 1, [], "one"))).toHaveLength(1);
    expect(second.counts.rejected.stream).toBe(1);
  });

  it("W1, W18: what is rejected for its form shows as a gap in the next message", () => {
    const reader = createLatentloopReader(plain);
    read(reader, spikes(0, 1));
    expect(read(reader, spikes(1, 1.5, [["a", 2]]))).toEqual([expect.stringMatching(/^after-until/)]);
    expect(read(reader, [new Uint8Array(3), new Uint8Array(3)])).toEqual([
      "malformed: expected one frame of MessagePack, got 2 frames",
    ]);
    expect(read(reader, spikes(2, 2))).toEqual(["gap 1", { untilS: 2, spikes: [] }]);
    expect(reader.counts).toMatchObject({ messages: 4, rejected: { "after-until": 1, malformed: 1 } });
  });
});

describe("Open Ephys messages", () => {
  const RATE = 1000;
  const spike = (
    messageNum: number,
    sampleNum: number,
    electrode = "a",
    sortedId = 0,
    stream = "probe",
  ): OpenEphysMessage => ({
    kind: "spike",
    messageNum,
    stream,
    sourceNode: 1,
    electrode,
    sampleNum,
    sortedId,
    numChannels: 1,
    numSamples: 1,
    threshold: [0],
    payload: new Uint8Array(4),
  });
  const data = (messageNum: number, sampleNum: number, sampleRate = RATE, numSamples = 500): OpenEphysMessage => ({
    kind: "data",
    messageNum,
    stream: "probe",
    channelNum: 0,
    channelName: "CH1",
    sampleNum,
    numSamples,
    sampleRate,
    payload: new Uint8Array(4 * numSamples),
  });
  const ttl = (messageNum: number, sampleNum: number): OpenEphysMessage => ({
    kind: "event",
    messageNum,
    stream: "probe",
    sourceNode: 1,
    eventType: 3,
    sampleNum,
    ttl: { line: 2, state: true, word: 4n },
  });
  const read = (reader: FrameReader, message: OpenEphysMessage) => told(reader.read(encodeOpenEphys(message, 0), 0));

  it("W14, W15: spikes wait for the sample rate, and are told with the block that holds them", () => {
    const reader = createOpenEphysReader(plain);
    expect(read(reader, spike(1, 490))).toEqual([]);
    expect(read(reader, spike(2, 100, "b"))).toEqual([]);
    expect(read(reader, ttl(3, 200))).toEqual([]);
    // The block ends at 0.5 s; less 100 samples.
    expect(read(reader, data(4, 0))).toEqual([
      { line: 2, state: true, timeS: 0.2 },
      {
        untilS: 0.4,
        spikes: [
          [0, 0.49, 1],
          [1, 0.1, 1],
        ],
      },
    ]);
    // A spike that the detector kept back is not late; a second channel of the block says nothing new.
    expect(read(reader, data(5, 0))).toEqual([]);
    expect(read(reader, spike(6, 460))).toEqual([]);
    expect(read(reader, data(7, 500))).toEqual([{ untilS: 0.9, spikes: [[0, 0.46, 1]] }]);
    expect(reader.counts).toMatchObject({ messages: 7, spikes: 3, lateSpikes: 0, lostMessages: 0 });
  });

  it("T17: several streams of one plugin, numbered together, each on its own clock", () => {
    const reader = createOpenEphysReader({
      roster: createRoster([
        { name: "a", electrode: "E", stream: "A" },
        { name: "b", electrode: "E", stream: "B" },
      ]),
      streams: [
        { name: "A", sampleRate: null },
        { name: "B", sampleRate: 2000 },
      ],
      sampleRate: null,
    });
    const of = (stream: string, message: OpenEphysMessage): OpenEphysMessage => ({ ...message, stream });
    const take = (stream: string, message: OpenEphysMessage) => reader.read(encodeOpenEphys(of(stream, message), 0), 0);
    expect(read(reader, of("A", spike(1, 400, "E")))).toEqual([]);
    expect(read(reader, of("B", spike(2, 9000, "E")))).toEqual([{ untilS: 4.45, spikes: [[1, 4.5, 1]] }]);
    expect(read(reader, of("A", data(3, 500)))[0]).toMatchObject({ spikes: [[0, 0.4, 1]] });
    const [gap] = take("B", spike(6, 9900, "E"));
    expect(gap).toEqual({ type: "gap", stream: null, missing: 2, arrivedServerMs: 0 });
    // One probe's clock begins again while the plugin's numbers go on: only that stream is told.
    expect(take("B", spike(7, 40, "E"))).toContainEqual({ type: "restart", stream: "B", arrivedServerMs: 0 });
    expect(read(reader, of("A", data(8, 1000)))[0]).toMatchObject({ untilS: 1.4 });
    expect(take("A", spike(1, 3, "E"))).toContainEqual({ type: "restart", stream: null, arrivedServerMs: 0 });
    expect(read(reader, of("C", spike(2, 3, "E")))).toEqual([`stream: expected stream "A" or "B", got "C"`]);
  });

  it("W18, W22: a gap and a restart that a stream nobody follows reveals are the followed one's", () => {
    const reader = createOpenEphysReader({
      roster: createRoster([{ name: "a", electrode: "E", stream: "A" }]),
      streams: [{ name: "A", sampleRate: RATE }],
      sampleRate: null,
    });
    const take = (stream: string, message: OpenEphysMessage) =>
      reader.read(encodeOpenEphys({ ...message, stream }, 0), 0);
    take("A", data(1, 0));
    expect(take("LFP", data(3, 0))).toContainEqual({ type: "gap", stream: "A", missing: 1, arrivedServerMs: 0 });
    take("A", data(4, 1000));
    expect(take("LFP", data(1, 0))).toContainEqual({ type: "restart", stream: "A", arrivedServerMs: 0 });
  });

  it("W14: a given sample rate needs no data message, and data of another rate is rejected", () => {
    const reader = createOpenEphysReader({ ...plain, sampleRate: RATE });
    expect(read(reader, ttl(1, 200))[0]).toEqual({ line: 2, state: true, timeS: 0.2 });
    expect(read(reader, data(2, 0, 30_000))).toEqual(["sample-rate: expected a sample rate of 1000 Hz, got 30000 Hz"]);
  });

  it("W14: what never got a time is told at the end", () => {
    const reader = createOpenEphysReader(plain);
    read(reader, spike(1, 10));
    read(reader, spike(2, 20));
    expect(told(reader.flush(0))).toEqual([expect.stringMatching(/^sample-rate: .* 2 spikes and events have no time/)]);
    expect(reader.counts.rejected["sample-rate"]).toBe(2);
  });

  it("W16: without data messages the stream's time stays 50 ms behind its spikes", () => {
    const reader = createOpenEphysReader({ ...plain, sampleRate: RATE });
    expect(read(reader, spike(1, 2000))).toEqual([{ untilS: 1.95, spikes: [[0, 2, 1]] }]);
    // Another electrode's spike of the same block, earlier: not late.
    expect(read(reader, spike(2, 1980, "b"))).toEqual([]);
    expect(read(reader, spike(3, 3000))).toEqual([
      {
        untilS: 2.95,
        spikes: [
          [1, 1.98, 1],
          [0, 3, 1],
        ],
      },
    ]);
    expect(reader.counts.lateSpikes).toBe(0);
  });

  it("W21: sample numbers that wrap are a clock that begins again: told, nothing lost, time goes on from there", () => {
    const reader = createOpenEphysReader(plain);
    const last = 2 ** 32 - 500;
    read(reader, data(1, last - 500));
    expect(read(reader, spike(2, last - 50))).toEqual([]);
    expect(read(reader, data(3, last))).toMatchObject([{ spikes: [[0, (last - 50) / RATE, 1]] }]);
    expect(read(reader, spike(4, last + 450))).toEqual([]);
    expect(read(reader, data(5, 0))).toMatchObject([
      { spikes: [[0, (last + 450) / RATE, 1]] },
      "restart",
      { untilS: 0.4, spikes: [] },
    ]);
    expect(read(reader, spike(6, 450))).toEqual([]);
    expect(read(reader, data(7, 500))).toMatchObject([{ untilS: 0.9, spikes: [[0, 0.45, 1]] }]);
    expect(reader.counts).toMatchObject({ spikes: 3, restarts: 1, lostMessages: 0, lateSpikes: 0 });
  });

  it("W16: where data messages cease, time goes on with the spikes after a second", () => {
    const reader = createOpenEphysReader(plain);
    read(reader, data(1, 0));
    expect(read(reader, spike(2, 1400))).toEqual([]);
    expect(read(reader, spike(3, 1600))).toEqual([
      {
        untilS: 1.55,
        spikes: [
          [0, 1.4, 1],
          [0, 1.6, 1],
        ],
      },
    ]);
  });

  it("W13, W7: clusters that are no unit are counted by electrode and cluster", () => {
    const reader = createOpenEphysReader({ ...plain, sampleRate: RATE });
    expect(read(reader, spike(1, 1, "TT1", 5))[0]).toMatch(/^unknown-unit: .*"TT1#5"/);
    read(reader, spike(2, 2, "TT1", 5));
    expect(read(reader, spike(3, 3, "TT1", 2))).toMatchObject([{ spikes: [[2, 0.003, 1]] }]);
    expect(reader.counts).toMatchObject({ spikes: 1, unknownUnits: { "TT1#5": 2 }, rejected: { "unknown-unit": 2 } });
  });

  it("W18 to W21: numbers run through kinds and streams; a restart tells first what was kept", () => {
    const reader = createOpenEphysReader(plain);
    read(reader, data(1, 0));
    expect(read(reader, spike(2, 9_999_999, "a", 0, "other"))).toEqual([
      `stream: expected stream "probe", got "other"`,
    ]);
    expect(read(reader, spike(4, 510))).toEqual(["gap 1"]);
    expect(read(reader, spike(3, 505, "b"))).toEqual(["reordered"]);
    expect(read(reader, spike(3, 505, "b"))).toEqual(["duplicate: message 3 came again"]);
    expect(read(reader, spike(1, 20))).toEqual([
      {
        untilS: 0.4,
        spikes: [
          [0, 0.51, 1],
          [1, 0.505, 1],
        ],
      },
      "restart",
    ]);
    expect(read(reader, data(2, 0))).toEqual([{ untilS: 0.4, spikes: [[0, 0.02, 1]] }]);
    expect(reader.counts).toMatchObject({
      spikes: 3,
      lostMessages: 0,
      reorderedMessages: 1,
      restarts: 1,
      lateSpikes: 0,
    });
  });
});
