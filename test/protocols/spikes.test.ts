import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { pack } from "../../protocols/wire/message.ts";
import {
  type CountsMessage,
  decodeSpikeMessage,
  encodeSpikeMessage,
  messageUntilS,
  type SpikeMessage,
  type SpikesMessage,
} from "../../protocols/wire/spikes.ts";

const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));

// Made by Python's msgpack.packb with struct.pack("<4H", 0, 1, 2, 300), and <3H, <3d.
const PYTHON_COUNTS = hex(
  "8aa17601a474797065a6636f756e7473a673747265616da570726f6265a373657107a5636c6f636ba6707974686f6ea374305302a462696e53cb3fe0000000000000a5756e69747392a161a162a56474797065a3753136a6636f756e7473c4080000010002002c01",
);
const PYTHON_SPIKES = hex(
  "89a17601a474797065a67370696b6573a673747265616da570726f6265a373657108a5636c6f636ba6707974686f6ea6756e74696c53cb400c000000000000a5756e69747392a161a162a4756e6974c406010000000100a574696d6553c4180000000000000a4000000000000008400000000000000c40",
);

const header = { v: 1 as const, stream: "probe", clock: "python", units: ["a", "b"] };
const counts: CountsMessage = {
  ...header,
  type: "counts",
  seq: 7,
  t0S: 2,
  binS: 0.5,
  counts: Uint16Array.of(0, 1, 2, 300),
};
const spikes: SpikesMessage = {
  ...header,
  type: "spikes",
  seq: 8,
  untilS: 3.5,
  unit: Uint16Array.of(1, 0, 1),
  timeS: Float64Array.of(3.25, 3, 3.5),
};

const decoded = (bytes: Uint8Array): SpikeMessage => {
  const result = decodeSpikeMessage(bytes);
  if (!result.ok) throw new Error(result.detail);
  return result.value;
};
const refused = (message: object): string => {
  const result = decodeSpikeMessage(pack(message));
  if (result.ok) throw new Error("expected a rejection");
  return `${result.reason}: ${result.detail}`;
};

// + 0, since MessagePack has no integer −0.
const seconds = fc.double({ min: -1e6, max: 1e6, noNaN: true }).map((value) => value + 0);
const names = fc.array(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 8 });
const anyHeader = {
  v: fc.constant(1 as const),
  stream: fc.string({ minLength: 1 }),
  seq: fc.nat(),
  clock: fc.string({ minLength: 1 }),
};
const anyCounts: fc.Arbitrary<SpikeMessage> = names.chain((units) =>
  fc.nat({ max: 6 }).chain((bins) =>
    fc.record({
      ...anyHeader,
      type: fc.constant("counts" as const),
      t0S: seconds,
      binS: fc.double({ min: 1e-6, max: 10, noNaN: true }),
      units: fc.constant(units),
      counts: fc.oneof(
        fc.uint16Array({ minLength: bins * units.length, maxLength: bins * units.length }),
        fc.uint32Array({ minLength: bins * units.length, maxLength: bins * units.length }),
      ),
    }),
  ),
);
const anySpikes: fc.Arbitrary<SpikeMessage> = names.chain((units) =>
  fc.array(fc.tuple(fc.nat({ max: units.length - 1 }), seconds), { maxLength: 20 }).chain((pairs) =>
    fc.record({
      ...anyHeader,
      type: fc.constant("spikes" as const),
      untilS: fc.constant(Math.max(0, ...pairs.map(([, timeS]) => timeS))),
      units: fc.constant(units),
      unit: fc.constant(Uint16Array.from(pairs, ([unit]) => unit)),
      timeS: fc.constant(Float64Array.from(pairs, ([, timeS]) => timeS)),
    }),
  ),
);

describe("W1, W2, W4: messages", () => {
  it("reads what Python's msgpack and struct wrote", () => {
    expect(decoded(PYTHON_COUNTS)).toEqual(counts);
    expect(decoded(PYTHON_SPIKES)).toEqual(spikes);
  });

  it("whatever is encoded comes back the same, at any byte offset", () => {
    const anyMessage = fc.oneof(anyCounts, anySpikes);
    fc.assert(
      fc.property(anyMessage, fc.nat({ max: 7 }), (message, offset) => {
        const bytes = encodeSpikeMessage(message);
        const moved = new Uint8Array(bytes.length + offset);
        moved.set(bytes, offset);
        expect(decoded(moved.subarray(offset))).toEqual(message);
      }),
    );
  });

  it("no bytes make it throw: messages with bytes changed, cut or added give a message or a rejection", () => {
    const mutation = fc.tuple(fc.nat(), fc.nat({ max: 255 }));
    fc.assert(
      fc.property(fc.oneof(anyCounts, anySpikes), fc.array(mutation), fc.nat(), (message, mutations, cut) => {
        const bytes = new Uint8Array(encodeSpikeMessage(message));
        for (const [at, value] of mutations) bytes[at % bytes.length] = value;
        const result = decodeSpikeMessage(bytes.subarray(0, cut % (bytes.length + 1)));
        if (!result.ok) expect(result.detail).not.toBe("");
      }),
      { numRuns: 2000 },
    );
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void decodeSpikeMessage(bytes)));
  });

  it("W2: counts are complete up to the end of their last bin; W4: spikes up to untilS", () => {
    // 2 s + 2 bins · 0.5 s
    expect(messageUntilS(counts)).toBe(3);
    expect(messageUntilS({ ...counts, counts: new Uint16Array() })).toBe(2);
    expect(messageUntilS(spikes)).toBe(3.5);
  });

  it("W1: passes over unknown fields, and names what is wrong", () => {
    const wire = { ...counts, dtype: "u16", counts: new Uint8Array(8) };
    expect(decoded(pack({ ...wire, comment: "hello" }))).toMatchObject({ seq: 7 });
    expect(refused({ ...wire, v: 2 })).toBe("version: expected version 1, got 2");
    expect(refused({ ...wire, stream: undefined })).toMatch(/^malformed: stream: expected string/);
    expect(refused({ ...wire, seq: -1 })).toMatch(/^malformed: seq/);
    expect(refused({ ...wire, binS: 0 })).toMatch(/^malformed: binS/);
    expect(refused({ ...wire, t0S: Number.NaN })).toMatch(/^malformed: t0S/);
    expect(refused({ ...wire, units: [] })).toMatch(/^malformed: units/);
    expect(refused({ ...wire, dtype: "f64" })).toMatch(/^malformed: dtype/);
    expect(refused({ ...wire, counts: [1, 2] })).toMatch(/^malformed: counts: expected bytes/);
    expect(refused({ ...wire, type: "volts" })).toMatch(/^malformed: type/);
    expect(refused([1, 2])).toMatch(/^malformed/);
  });
});

describe("W5, W6: lengths, times and indices", () => {
  const wireCounts = { ...counts, dtype: "u16", counts: new Uint8Array(8) };
  const bytesOf = (array: Uint16Array | Float64Array) => new Uint8Array(array.buffer);
  const wireSpikes = (unit: number[], timeS: number[]) => ({
    ...spikes,
    unit: bytesOf(Uint16Array.from(unit)),
    timeS: bytesOf(Float64Array.from(timeS)),
  });

  it("W5: bytes that are not whole bins or not one time a spike", () => {
    expect(refused({ ...wireCounts, counts: new Uint8Array(6) })).toBe(
      "length: counts: expected whole bins of 4 bytes (2 units of u16), got 6 bytes",
    );
    expect(refused({ ...wireCounts, dtype: "u32", counts: new Uint8Array(12) })).toMatch(/^length/);
    expect(refused({ ...wireSpikes([0], [1]), unit: new Uint8Array(3) })).toMatch(/^length: unit/);
    expect(refused(wireSpikes([0, 1], [1]))).toMatch(/^length: timeS: expected 16 bytes .* got 8$/);
  });

  it("W6: times that are not finite or after untilS, and indices beyond the units", () => {
    expect(refused(wireSpikes([0, 0], [1, Number.NaN]))).toMatch(/^non-finite: timeS\[1\]/);
    expect(refused(wireSpikes([0], [Number.NEGATIVE_INFINITY]))).toMatch(/^non-finite/);
    expect(refused(wireSpikes([0], [3.6]))).toBe("after-until: timeS[0]: expected at most untilS 3.5, got 3.6");
    expect(refused(wireSpikes([2], [1]))).toBe("unit-index: unit[0]: expected an index below 2, got 2");
  });
});
