import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { decodeWatchRequest } from "../../protocols/wire/dashboard.ts";
import { decodeDisplayMessage, decodeServerMessage } from "../../protocols/wire/display.ts";
import { decodeGateMessage } from "../../protocols/wire/gate.ts";
import { pack } from "../../protocols/wire/message.ts";
import { encodeOpenEphys } from "../../protocols/wire/open-ephys.ts";
import { decodeOperatorCommand } from "../../protocols/wire/operator.ts";
import { encodeSpikeMessage } from "../../protocols/wire/spikes.ts";
import { createLatentloopReader } from "../../server/acquisition/latentloop-reader.ts";
import { createOpenEphysReader } from "../../server/acquisition/open-ephys-reader.ts";
import { createRoster } from "../../server/acquisition/roster.ts";
import { createTrodesReader } from "../../server/acquisition/trodes/reader.ts";
import { type Random, random } from "../../server/random.ts";
import { frameRecord } from "../../server/session/journal.ts";
import { readJournal } from "../../server/session/journal-reader.ts";
import { add, openCoverage, overlap, takeAway } from "./coverage.ts";
import { isLong } from "./long.ts";

const roster = createRoster([{ name: "a" }, { name: "b", electrode: "E", sortedId: 1 }]);
const utf8 = (text: string) => new TextEncoder().encode(text);

/** Messages as they are when all is well, by who reads them; each a list of frames. */
const sound: Record<string, Uint8Array[][]> = {
  spikes: [
    [
      encodeSpikeMessage({
        ...{ v: 1, type: "spikes", stream: "s", seq: 3, clock: "c", untilS: 2, units: ["a", "b"] },
        ...{ unit: Uint16Array.of(0, 1, 1), timeS: Float64Array.of(1, 1.5, 2) },
      }),
    ],
    [
      encodeSpikeMessage({
        ...{ v: 1, type: "counts", stream: "s", seq: 4, clock: "c", t0S: 2, binS: 0.1, units: ["a", "b"] },
        counts: Uint16Array.of(1, 0, 2, 0),
      }),
    ],
  ],
  "open-ephys": [
    encodeOpenEphys(
      {
        ...{ kind: "spike", messageNum: 1, stream: "s", sourceNode: 1, electrode: "E", sampleNum: 5, sortedId: 1 },
        ...{ numChannels: 1, numSamples: 2, threshold: [1], payload: new Uint8Array(8) },
      },
      0,
    ),
    encodeOpenEphys(
      {
        ...{ kind: "data", messageNum: 2, stream: "s", channelNum: 0, channelName: "C", sampleNum: 0, numSamples: 4 },
        ...{ sampleRate: 30_000, payload: new Uint8Array(16) },
      },
      0,
    ),
    encodeOpenEphys(
      {
        ...{ kind: "event", messageNum: 3, stream: "s", sourceNode: 1, eventType: 3, sampleNum: 9 },
        ttl: { line: 1, state: true, word: 2n },
      },
      0,
    ),
  ],
  trodes: [
    [utf8("source.spikes"), pack({ localTimestamp: 9, nTrodeId: 3, cluster: 1 })],
    [utf8("source.digital"), pack({ localTimestamp: 9, digitalData: [Uint8Array.of(1, 2)] })],
  ],
  operator: [
    [pack({ v: 1, id: 4, op: "pause" })],
    [pack({ v: 1, id: 5, op: "change", change: { objective: "peak", weights: { a: 2 } } })],
  ],
  dashboard: [[pack({ v: 1, op: "look", unit: "a" })]],
  gate: [[pack({ v: 1, type: "gate", open: true, timeS: 1, clock: "c", why: "fixation" })]],
  display: [
    [pack({ op: "ready", face: 3 })],
    [pack({ op: "hidden", presentation: 2, frame: 9, displayMs: 4.5, frames: 12, plannedFrames: 12 })],
  ],
};

/** Whoever reads them; each gives at most a few things for one message, and throws nothing. */
const readers: Record<string, () => (frames: Uint8Array[]) => unknown> = {
  spikes: () => {
    const reader = createLatentloopReader({ roster, streams: [], sampleRate: null });
    return (frames) => reader.read(frames, 0);
  },
  "open-ephys": () => {
    const reader = createOpenEphysReader({ roster, streams: [], sampleRate: null });
    return (frames) => reader.read(frames, 0);
  },
  trodes: () => {
    const reader = createTrodesReader(roster, 30_000);
    return ([, body = new Uint8Array(0)]) => reader.read([utf8("source.spikes"), body], 0);
  },
  operator: () => (frames) => decodeOperatorCommand(frames[0] ?? new Uint8Array(0)),
  dashboard: () => (frames) => decodeWatchRequest(frames[0] ?? new Uint8Array(0)),
  gate: () => (frames) => decodeGateMessage(frames[0] ?? new Uint8Array(0)),
  display: () => (frames) => [
    decodeDisplayMessage(frames[0] ?? new Uint8Array(0)),
    decodeServerMessage(frames[0] ?? new Uint8Array(0)),
  ],
};

/** One to four changes: bytes set, flipped, cut, doubled or put in; frames lost, doubled or exchanged; or nothing but noise. */
function mutated(frames: readonly Uint8Array[], r: Random): Uint8Array[] {
  let out = frames.map((frame) => Buffer.from(frame));
  for (let changes = 1 + r.int(4); changes > 0; changes--) {
    const f = r.int(Math.max(1, out.length));
    const frame = out[f] ?? Buffer.alloc(0);
    const at = r.int(frame.length + 1);
    const byte = Buffer.from([r.int(256)]);
    const some = Buffer.from(Array.from({ length: r.int(12) }, () => r.int(256)));
    switch (r.int(8)) {
      case 0:
        if (at < frame.length) frame[at] = byte[0];
        break;
      case 1:
        if (at < frame.length) frame[at] ^= 1 << r.int(8);
        break;
      case 2:
        out[f] = frame.subarray(0, at);
        break;
      case 3:
        out[f] = Buffer.concat([frame.subarray(0, at), some, frame.subarray(at)]);
        break;
      case 4:
        out[f] = Buffer.concat([frame, frame]);
        break;
      case 5:
        out.splice(f, 1);
        break;
      case 6:
        out = [...out, out[f] ?? some];
        break;
      default:
        out[f] = some;
    }
  }
  return out;
}

/** Bytes of memory that a reader may come to hold over all of it. */
const MOST_HELD = 200 * 2 ** 20;
const messages = isLong ? 200_000 : 3_000;
/** Coverage is asked for after so many messages; where it has grown, they are read once more, one at a time. */
const BATCH = 250;

describe(`J9 ${messages} broken messages to each reader, those that reach new code broken further: no crash, no endless loop, no memory without bound`, () => {
  test.each(Object.keys(sound))(
    "%s",
    async (kind) => {
      const coverage = await openCoverage(["/server/", "/protocols/", "/msgpackr/", "/zod/"]);
      const read = readers[kind]();
      for (const frames of sound[kind]) expect(() => read(frames)).not.toThrow();
      const seen = await coverage.ran();
      const corpus = [...sound[kind]];
      const r = random("fuzz").split(kind);
      const before = process.memoryUsage().heapUsed;
      for (let from = 0; from < messages; from += BATCH) {
        const batch = Array.from({ length: BATCH }, (_, i) => mutated(corpus[r.int(corpus.length)], r.split(from + i)));
        for (const frames of batch) readOrTell(read, frames);
        const fresh = await coverage.ran();
        if (!takeAway(fresh, seen)) continue;
        const again = readers[kind]();
        await coverage.ran();
        for (const frames of batch) {
          again(frames);
          const reached = await coverage.ran();
          if (!overlap(reached, fresh)) continue;
          corpus.push(frames);
          add(seen, reached);
          if (!takeAway(fresh, seen)) break;
        }
        add(seen, fresh);
      }
      coverage.dispose();
      expect(corpus.length).toBeGreaterThan(sound[kind].length);
      expect(process.memoryUsage().heapUsed - before).toBeLessThan(MOST_HELD);
    },
    600_000,
  );
});

function readOrTell(read: (frames: Uint8Array[]) => unknown, frames: Uint8Array[]): void {
  try {
    read(frames);
  } catch (error) {
    throw new Error(`frames ${frames.map((frame) => Buffer.from(frame).toString("hex")).join(" ")}`, { cause: error });
  }
}

const folder = mkdtempSync(join(tmpdir(), "latentloop-fuzz-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("J9 a journal with any byte changed or cut is read up to there, and says where it ends", async () => {
  const records = Array.from({ length: 20 }, (_, n) =>
    frameRecord(pack({ n, serverMs: n, kind: "mark", text: "m".repeat(n) })),
  );
  const whole = Buffer.concat([Buffer.from("LLJRNL01"), ...records]);
  const ends = [8];
  for (const { length } of records) ends.push(ends[ends.length - 1] + length);
  const r = random("journal fuzz");
  for (let i = 0; i < (isLong ? 5000 : 150); i++) {
    const bytes = Buffer.from(whole);
    const at = 8 + r.int(bytes.length - 8);
    const isCut = r.int(2) === 0;
    bytes[at] ^= 1 + r.int(255);
    writeFileSync(join(folder, "journal.llj"), isCut ? whole.subarray(0, at) : bytes);
    const { records: read, end } = await readJournal(folder);
    const whole20 = ends.findIndex((byte) => byte > at) - 1;
    expect(read.map(({ n }) => n)).toEqual(Array.from({ length: whole20 }, (_, n) => n));
    if (!isCut || !ends.includes(at)) expect(end.torn).not.toBeNull();
  }
}, 600_000);
