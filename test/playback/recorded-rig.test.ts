import { describe, expect, test } from "vitest";
import {
  encodeOpenEphys,
  type OpenEphysData,
  type OpenEphysMessage,
  type OpenEphysSpike,
} from "../../protocols/wire/open-ephys.ts";
import { encodeSpikeMessage } from "../../protocols/wire/spikes.ts";
import { createLatentloopReader } from "../../server/acquisition/latentloop-reader.ts";
import { createOpenEphysReader } from "../../server/acquisition/open-ephys-reader.ts";
import { createRoster } from "../../server/acquisition/roster.ts";
import type { AcquisitionEvent } from "../../server/acquisition/spike-batch.ts";
import { createRecordedRig } from "../../server/playback/recorded-rig.ts";

const units = ["a", "b"];
const roster = createRoster(units.map((name) => ({ name })));
const options = (...streams: string[]) => ({
  roster,
  streams: streams.map((name) => ({ name, sampleRate: null })),
  sampleRate: null,
});

/** What the reader tells of events that were journalled and sent again; each arrives when it did. */
function again(events: readonly AcquisitionEvent[], ...streams: string[]): AcquisitionEvent[] {
  const rig = createRecordedRig(units);
  const reader = createLatentloopReader(options(...streams));
  return events.flatMap((event) => {
    const message = rig.messageOf(event);
    return message ? reader.read([encodeSpikeMessage(message)], event.arrivedServerMs) : [];
  });
}

type Batch = Extract<AcquisitionEvent, { type: "batch" }>;
const batch = (untilS: number, spikes: [number, number][] = [], more: Partial<Batch> = {}): Batch => ({
  type: "batch",
  stream: "A",
  untilS,
  reachedS: untilS,
  unit: Uint16Array.from(spikes, ([unit]) => unit),
  timeS: Float64Array.from(spikes, ([, timeS]) => timeS),
  count: null,
  arrivedServerMs: 1000 * untilS + 1.5,
  ...more,
});
const ttl = (timeS: number): AcquisitionEvent => ({
  type: "ttl",
  stream: "A",
  line: 2,
  state: true,
  timeS,
  arrivedServerMs: 1000 * timeS + 1.25,
});

describe("J16 what a recording system said, once more", () => {
  test("batches, empty ones and edges come out as they were, bit for bit", () => {
    const events = [
      batch(0.1 + 0.2, [[1, 0.1]]),
      batch(0.4),
      ttl(0.45),
      batch(0.5, [
        [0, 0.45],
        [1, 1 / 3],
      ]),
    ];
    expect(again(events)).toEqual(events);
  });

  test("so do those of a system that lags behind its clock; a spike beyond that comes with the next one", () => {
    const lagging = [batch(0.9, [[0, 0.95]], { reachedS: 1 }), batch(1.9, [[1, 1.2]], { reachedS: 2 })];
    expect(again(lagging)).toEqual(lagging);
    const [first, second] = again([
      batch(0.9, [[0, 1.1]], { reachedS: 1 }),
      batch(1.9, [], { reachedS: 2 }),
    ]) as Batch[];
    expect([[...first.timeS], [...second.timeS]]).toEqual([[], [1.1]]);
  });

  test("several spikes of one entry are as many of one each", () => {
    const [told] = again([
      batch(
        1,
        [
          [0, 0.25],
          [1, 0.75],
        ],
        { count: Uint32Array.of(3, 1) },
      ),
    ]) as Batch[];
    expect([[...told.unit], [...told.timeS], told.count]).toEqual([[0, 0, 0, 1], [0.25, 0.25, 0.25, 0.75], null]);
  });

  test("gaps and restarts come before what revealed them; what came out of order stands where it came", () => {
    const events: AcquisitionEvent[] = [
      batch(1),
      { type: "gap", stream: "A", missing: 2, arrivedServerMs: 1101.5 },
      batch(1.1),
      batch(1.1, [[0, 1.05]], { reachedS: 1.06 }),
      { type: "restart", stream: "A", arrivedServerMs: 101.5 },
      batch(0.1, [[1, 0.05]]),
    ];
    expect(again(events)).toEqual(events);
  });

  test("what fills a gap is no restart, however far behind; what was missing is told, though it came before any message told of it", () => {
    const late: AcquisitionEvent = { type: "reordered", stream: "A", arrivedServerMs: 4801.5 };
    const gap = (missing: number, untilS: number): AcquisitionEvent => ({
      type: "gap",
      stream: "A",
      missing,
      arrivedServerMs: 1000 * untilS + 1.5,
    });
    const blocks = [
      batch(1.2),
      gap(2, 4.8),
      batch(4.8),
      late,
      batch(4.8, [[1, 3.5]], { reachedS: 3.6, arrivedServerMs: 4801.5 }),
      late,
      batch(4.8, [[0, 2.3]], { reachedS: 2.4, arrivedServerMs: 4801.5 }),
      batch(6),
      gap(1, 8.4),
      batch(8.4),
    ];
    expect(again(blocks)).toEqual(blocks);
    // A spike that was missing comes, and only then the block that both are told with.
    const [first, missed, told] = [batch(1), gap(1, 2), batch(2, [[0, 1.5]])];
    expect(again([first, missed, { ...late, arrivedServerMs: 1502 }, told])).toEqual([first, missed, told]);
  });

  test("what can't be told of one stream is told of each, and what was rejected comes no more", () => {
    const of = (stream: string, untilS: number) => batch(untilS, [], { stream });
    const told = again(
      [
        of("A", 1),
        of("B", 11),
        { type: "rejected", reason: "malformed", detail: "", arrivedServerMs: 1 },
        { type: "gap", stream: null, missing: 3, arrivedServerMs: 1100 },
        of("A", 1.1),
        of("B", 11.1),
      ],
      "A",
      "B",
    );
    expect(told.map((event) => (event.type === "batch" ? event.stream : event.type))).toEqual([
      "A",
      "B",
      "gap",
      "A",
      "gap",
      "B",
    ]);
  });

  test("an Open Ephys GUI's batches, whose spikes lie beyond their time, come out the same by our own format", () => {
    const reader = createOpenEphysReader(options());
    const from = { stream: "A", sourceNode: 100, payload: new Uint8Array(4) };
    const said: AcquisitionEvent[] = [];
    let messageNum = 1;
    const say = (message: Omit<OpenEphysSpike, "messageNum"> | Omit<OpenEphysData, "messageNum">, ms: number) =>
      said.push(...reader.read(encodeOpenEphys({ ...message, messageNum: messageNum++ } as OpenEphysMessage, 0), ms));
    const form = { sortedId: 0, numChannels: 1, numSamples: 1, threshold: [0] };
    for (let block = 0; block < 20; block++) {
      for (const peak of [13, 590])
        say(
          { kind: "spike", ...from, ...form, electrode: units[block % 2], sampleNum: block * 600 + peak },
          20 * block,
        );
      const channel = { channelNum: 0, channelName: "CH1", sampleRate: 30_000, payload: new Uint8Array(2400) };
      say({ kind: "data", ...from, ...channel, sampleNum: block * 600, numSamples: 600 }, 20 * block + 21.3);
    }
    expect(said.filter(({ type }) => type === "batch")).toHaveLength(20);
    expect(again(said)).toEqual(said);
  });
});
