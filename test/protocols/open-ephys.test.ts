import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  decodeOpenEphys,
  encodeOpenEphys,
  type OpenEphysData,
  type OpenEphysEvent,
  type OpenEphysMessage,
  type OpenEphysSpike,
} from "../../protocols/wire/open-ephys.ts";

const utf8 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "utf8"));
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("utf8");

const decoded = (frames: Uint8Array[]): OpenEphysMessage => {
  const result = decodeOpenEphys(frames);
  if (!result.ok) throw new Error(result.detail);
  return result.value;
};
const refused = (...frames: Uint8Array[]): string => {
  const result = decodeOpenEphys(frames);
  if (result.ok) throw new Error("expected a rejection");
  return `${result.reason}: ${result.detail}`;
};
const event = (json: string, ...payload: Uint8Array[]): Uint8Array[] => [utf8("EVENT\0"), utf8(json), ...payload];

// As the GUI writes them.
const DATA_JSON = `{"message_num":1,"type":"data","content":{"stream":"Rhythm Data","channel_num":0,"channel_name":"CH1","num_samples":2,"sample_num":123456,"sample_rate":30000.0},"data_size":8,"timestamp":1751900000000}`;
const TTL_JSON = `{"message_num":2,"type":"event","content":{"stream":"Rhythm Data","source_node":100,"type":3,"sample_num":123500},"data_size":10,"timestamp":1751900000001}`;
const SPIKE_JSON = `{"message_num":3,"type":"spike","spike":{"stream":"Rhythm Data","source_node":103,"electrode":"Electrode 1","sample_num":123510,"num_channels":1,"num_samples":2,"sorted_id":4,"threshold":[-50.0]},"timestamp":1751900000001}`;
// line 4, state 1, word 1 << 63
const TTL_PAYLOAD = Uint8Array.of(4, 1, 0, 0, 0, 0, 0, 0, 0, 128);

const data: OpenEphysData = {
  kind: "data",
  messageNum: 1,
  stream: "Rhythm Data",
  channelNum: 0,
  channelName: "CH1",
  sampleNum: 123_456,
  numSamples: 2,
  sampleRate: 30_000,
  payload: new Uint8Array(8),
};
const ttl: OpenEphysEvent = {
  kind: "event",
  messageNum: 2,
  stream: "Rhythm Data",
  sourceNode: 100,
  eventType: 3,
  sampleNum: 123_500,
  ttl: { line: 4, state: true, word: 1n << 63n },
};
const spike: OpenEphysSpike = {
  kind: "spike",
  messageNum: 3,
  stream: "Rhythm Data",
  sourceNode: 103,
  electrode: "Electrode 1",
  sampleNum: 123_510,
  sortedId: 4,
  numChannels: 1,
  numSamples: 2,
  threshold: [-50],
  payload: new Uint8Array(8),
};

const name = fc.string({ minLength: 1 });
const common = {
  messageNum: fc.option(fc.nat()),
  stream: fc.string(),
  sampleNum: fc.maxSafeNat(),
  sourceNode: fc.nat(),
};
const samples = fc.nat({ max: 8 });
const anyMessage: fc.Arbitrary<OpenEphysMessage> = fc.oneof(
  fc
    .record({
      ...common,
      kind: fc.constant("data" as const),
      channelNum: fc.nat(),
      channelName: name,
      sampleRate: fc.double({ min: 1, max: 1e5, noNaN: true }),
      payload: samples.map((n) => new Uint8Array(4 * n).fill(7)),
    })
    .map(({ sourceNode: _, ...one }) => ({ ...one, numSamples: one.payload.length / 4 })),
  fc.record({
    ...common,
    kind: fc.constant("event" as const),
    eventType: fc.constant(3),
    ttl: fc.option(
      fc.record({ line: fc.nat({ max: 255 }), state: fc.boolean(), word: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) }),
    ),
  }),
  fc.record({
    ...common,
    kind: fc.constant("spike" as const),
    electrode: name,
    sortedId: fc.nat(),
    numChannels: fc.constant(2),
    numSamples: fc.constant(3),
    threshold: fc.array(fc.integer({ min: -500, max: -20 })),
    payload: fc.uint8Array({ minLength: 24, maxLength: 24 }),
  }),
);

describe("W10: messages of the GUI", () => {
  it("data, TTL event and spike as the GUI writes them", () => {
    expect(decoded([utf8("DATA\0"), utf8(DATA_JSON), new Uint8Array(8)])).toEqual(data);
    expect(decoded(event(TTL_JSON, TTL_PAYLOAD))).toEqual(ttl);
    expect(decoded(event(SPIKE_JSON, new Uint8Array(8)))).toEqual(spike);
  });

  it("our rig writes them the same", () => {
    const golden = (json: string) => json.replace("30000.0", "30000").replace("-50.0", "-50");
    const written = (message: OpenEphysMessage, timestampMs: number) => encodeOpenEphys(message, timestampMs).map(text);
    expect(written(data, 1751900000000).slice(0, 2)).toEqual(["DATA\0", golden(DATA_JSON)]);
    expect(written(ttl, 1751900000001).slice(0, 2)).toEqual(["EVENT\0", golden(TTL_JSON)]);
    expect(written(spike, 1751900000001).slice(0, 2)).toEqual(["EVENT\0", golden(SPIKE_JSON)]);
    expect(encodeOpenEphys(ttl, 0)[2]).toEqual(TTL_PAYLOAD);
  });

  it("whatever is encoded comes back the same, with the payload at any byte offset", () => {
    fc.assert(
      fc.property(anyMessage, fc.nat({ max: 7 }), (message, offset) => {
        const frames = encodeOpenEphys(message, 0).map((frame) => {
          const moved = new Uint8Array(frame.length + offset);
          moved.set(frame, offset);
          return moved.subarray(offset);
        });
        expect(decoded(frames)).toEqual(message);
      }),
    );
  });

  it("the keys of before 2022, missing keys and unknown ones", () => {
    const old = `{"message_no":9,"type":"spike","spike":{"electrode_id":"TT1","sample_num":5,"n_channels":1,"n_samples":2,"colour":"red"}}`;
    expect(decoded(event(old, new Uint8Array(8)))).toEqual({
      ...spike,
      messageNum: 9,
      stream: "",
      sourceNode: 0,
      electrode: "TT1",
      sampleNum: 5,
      sortedId: 0,
      threshold: [],
    });
    const numbered = `{"type":"spike","spike":{"electrode_id":3,"sample_num":5}}`;
    expect(decoded(event(numbered, new Uint8Array(8)))).toMatchObject({
      electrode: "3",
      messageNum: null,
      numSamples: 2,
    });
    const bare = `{"message_no":1,"type":"data","content":{"n_samples":1,"sample_num":0,"sample_rate":1000}}`;
    expect(decoded([utf8("DATA\0"), utf8(bare), new Uint8Array(4)])).toMatchObject({ numSamples: 1, channelName: "" });
  });

  it("names what is wrong", () => {
    expect(refused(utf8("DATA\0"))).toBe("malformed: expected 2 or 3 frames, got 1");
    expect(refused(...event("hello"))).toMatch(/^malformed: header: expected JSON, got hello/);
    expect(refused(...event(`{"type":"hum"}`))).toMatch(/^malformed: type/);
    expect(refused(...event(`{"type":"spike","spike":{"sample_num":5}}`))).toMatch(/^malformed: spike.electrode/);
    expect(refused(...event(`{"type":"event","content":{"sample_num":-5}}`))).toMatch(/^malformed: content.sample_num/);
  });
});

describe("W11: a header whose tail is cut", () => {
  /** The GUI sends as many bytes as the header has characters. */
  const cut = (json: string): Uint8Array => utf8(json).subarray(0, json.length);

  it.each(["Électrode 1", "电极 1", "é".repeat(12)])("electrode %s", (electrode) => {
    const json = SPIKE_JSON.replace("Electrode 1", electrode);
    expect(decoded([utf8("EVENT\0"), cut(json), new Uint8Array(8)])).toEqual({ ...spike, electrode });
  });

  it("is rejected where what is left does not say enough", () => {
    expect(refused(...event(SPIKE_JSON.slice(0, 60), new Uint8Array(8)))).toMatch(/^malformed/);
  });
});

describe("W12: payloads", () => {
  it("must be as long as the header says", () => {
    expect(refused(utf8("DATA\0"), utf8(DATA_JSON), new Uint8Array(7))).toBe(
      "length: data payload: expected 8 bytes, got 7",
    );
    expect(refused(...event(SPIKE_JSON))).toBe("length: spike payload: expected 8 bytes, got 0");
    expect(refused(...event(TTL_JSON, TTL_PAYLOAD.subarray(1)))).toBe(
      "length: TTL event payload: expected 10 bytes, got 9",
    );
  });

  it("an event may come without one", () => {
    expect(decoded(event(TTL_JSON.replace(`"data_size":10`, `"data_size":0`)))).toEqual({ ...ttl, ttl: null });
  });
});

describe("W11: no bytes make the decoder throw", () => {
  it("messages with bytes changed, cut, frames dropped or added give a message or a rejection with a reason", () => {
    const mutation = fc.tuple(fc.nat({ max: 2 }), fc.nat(), fc.nat({ max: 255 }));
    fc.assert(
      fc.property(anyMessage, fc.array(mutation), fc.nat(), fc.nat({ max: 4 }), (message, mutations, cut, count) => {
        const frames = encodeOpenEphys(message, 0).map((frame) => new Uint8Array(frame));
        for (const [frame, at, value] of mutations)
          if (frames[frame]?.length) frames[frame][at % frames[frame].length] = value;
        const longest = frames[1];
        frames[1] = longest.subarray(0, longest.length - (cut % 30));
        const result = decodeOpenEphys([...frames, new Uint8Array(3)].slice(0, count));
        if (!result.ok) expect(["malformed", "length"]).toContain(result.reason);
      }),
      { numRuns: 3000 },
    );
  });

  it("values of the wrong types in a header are rejected", () => {
    const value = fc.jsonValue();
    fc.assert(
      fc.property(fc.constantFrom("data", "event", "spike"), value, value, (type, content, spikeValue) => {
        const header = utf8(JSON.stringify({ type, content, spike: spikeValue }));
        decodeOpenEphys([utf8("EVENT\0"), header, new Uint8Array(10)]);
      }),
    );
  });
});
