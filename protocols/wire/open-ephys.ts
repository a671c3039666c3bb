/**
 * Messages of the Open Ephys GUI's ZMQ Interface (SPEC.md, W10 to W12): envelope, JSON header, payload; little-endian.
 * Sample numbers count from the stream's own beginning; `sampleRate` is in Hz. Header keys are read in their present and
 * their older spellings, a missing key has its null value here, and an unknown one is passed over.
 */
import { z } from "zod";
import { type Decoded, describeIssues, type Rejection, reject } from "./message.ts";

/** Message number: counts data, events and spikes together from 1 at each start of acquisition; null where not sent. */
type MessageNumber = number | null;

/** One block of one continuous channel. */
export interface OpenEphysData {
  kind: "data";
  messageNum: MessageNumber;
  stream: string;
  channelNum: number;
  channelName: string;
  /** First sample of the block. */
  sampleNum: number;
  numSamples: number;
  sampleRate: number;
  /** float32[numSamples]; its byte offset need not be aligned. */
  payload: Uint8Array;
}

/** An event; `ttl` is null where it is not a TTL event. */
export interface OpenEphysEvent {
  kind: "event";
  messageNum: MessageNumber;
  stream: string;
  sourceNode: number;
  eventType: number;
  sampleNum: number;
  ttl: { line: number; state: boolean; word: bigint } | null;
}

export interface OpenEphysSpike {
  kind: "spike";
  messageNum: MessageNumber;
  stream: string;
  sourceNode: number;
  electrode: string;
  /** Sample of the peak. */
  sampleNum: number;
  /** Cluster on its electrode; 0 = unsorted. */
  sortedId: number;
  numChannels: number;
  numSamples: number;
  threshold: number[];
  /** float32[numChannels][numSamples]; its byte offset need not be aligned. */
  payload: Uint8Array;
}

export type OpenEphysMessage = OpenEphysData | OpenEphysEvent | OpenEphysSpike;

/** Event types of the GUI (`EventChannel::Type`) as they stand in the header. */
export const TTL_EVENT = 3;
const TTL_BYTES = 10;

const count = z.number().int().nonnegative();
const messageNumbers = { message_num: count.optional(), message_no: count.optional() };

const dataHeader = z.object({
  ...messageNumbers,
  type: z.literal("data"),
  content: z.object({
    stream: z.string().default(""),
    channel_num: count.default(0),
    channel_name: z.string().default(""),
    num_samples: count.optional(),
    n_samples: count.optional(),
    sample_num: count,
    sample_rate: z.number().positive().refine(Number.isFinite, "expected a finite sample rate in Hz"),
  }),
});

const eventHeader = z.object({
  ...messageNumbers,
  type: z.literal("event"),
  content: z.object({
    stream: z.string().default(""),
    source_node: count.default(0),
    type: z.number().int().default(TTL_EVENT),
    sample_num: count,
  }),
});

const spike = z.object({
  stream: z.string().default(""),
  source_node: count.default(0),
  electrode: z.string().optional(),
  electrode_id: z.union([z.string(), count]).optional(),
  sample_num: count,
  num_channels: count.optional(),
  n_channels: count.optional(),
  num_samples: count.optional(),
  n_samples: count.optional(),
  sorted_id: count.default(0),
  threshold: z.array(z.number()).default([]),
});
const spikeHeader = z.object({ ...messageNumbers, type: z.literal("spike"), spike });

const header = z.discriminatedUnion("type", [dataHeader, eventHeader, spikeHeader]);
type Header = z.infer<typeof header>;
type HeaderOf<Type extends Header["type"]> = Extract<Header, { type: Type }>;

export type OpenEphysRejectReason = "malformed" | "length";
type DecodedMessage = Decoded<OpenEphysMessage, OpenEphysRejectReason>;

/** Decodes the frames of one message; payloads are views into the last frame. Never throws. */
export function decodeOpenEphys(frames: readonly Uint8Array[]): DecodedMessage {
  if (frames.length !== 2 && frames.length !== 3)
    return reject("malformed", `expected 2 or 3 frames, got ${frames.length}`);
  const json = parseHeader(frames[1]);
  if (!json.ok) return json;
  const parsed = header.safeParse(json.value);
  if (!parsed.success) return reject("malformed", describeIssues(parsed.error, json.value));
  const payload = frames[2] ?? new Uint8Array();
  return decodePayload(parsed.data, payload);
}

function decodePayload(head: Header, payload: Uint8Array): DecodedMessage {
  switch (head.type) {
    case "data":
      return decodeData(head, payload);
    case "event":
      return decodeEvent(head, payload);
    case "spike":
      return decodeSpike(head, payload);
  }
}

function decodeData(head: HeaderOf<"data">, payload: Uint8Array): DecodedMessage {
  const { content } = head;
  const numSamples = content.num_samples ?? content.n_samples ?? payload.byteLength / 4;
  if (payload.byteLength !== 4 * numSamples) return wrongLength("data", 4 * numSamples, payload);
  return {
    ok: true,
    value: {
      kind: "data",
      messageNum: messageNumber(head),
      stream: content.stream,
      channelNum: content.channel_num,
      channelName: content.channel_name,
      sampleNum: content.sample_num,
      numSamples,
      sampleRate: content.sample_rate,
      payload,
    },
  };
}

function decodeEvent(head: HeaderOf<"event">, payload: Uint8Array): DecodedMessage {
  const { content } = head;
  const isTtl = content.type === TTL_EVENT && payload.byteLength > 0;
  if (isTtl && payload.byteLength !== TTL_BYTES) return wrongLength("TTL event", TTL_BYTES, payload);
  return {
    ok: true,
    value: {
      kind: "event",
      messageNum: messageNumber(head),
      stream: content.stream,
      sourceNode: content.source_node,
      eventType: content.type,
      sampleNum: content.sample_num,
      ttl: isTtl ? { line: payload[0], state: payload[1] !== 0, word: view(payload).getBigUint64(2, true) } : null,
    },
  };
}

function decodeSpike(head: HeaderOf<"spike">, payload: Uint8Array): DecodedMessage {
  const { spike } = head;
  const electrode = spike.electrode ?? spike.electrode_id;
  if (electrode === undefined) return reject("malformed", "spike.electrode: expected string, found nothing");
  const numChannels = spike.num_channels ?? spike.n_channels ?? 1;
  const numSamples = spike.num_samples ?? spike.n_samples ?? payload.byteLength / (4 * numChannels);
  if (payload.byteLength !== 4 * numChannels * numSamples)
    return wrongLength("spike", 4 * numChannels * numSamples, payload);
  return {
    ok: true,
    value: {
      kind: "spike",
      messageNum: messageNumber(head),
      stream: spike.stream,
      sourceNode: spike.source_node,
      electrode: `${electrode}`,
      sampleNum: spike.sample_num,
      sortedId: spike.sorted_id,
      numChannels,
      numSamples,
      threshold: spike.threshold,
      payload,
    },
  };
}

const messageNumber = (head: Header): MessageNumber => head.message_num ?? head.message_no ?? null;

const wrongLength = (what: string, expected: number, payload: Uint8Array): Rejection<"length"> =>
  reject("length", `${what} payload: expected ${expected} bytes, got ${payload.byteLength}`);

const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const utf8 = new TextDecoder();

function parseHeader(bytes: Uint8Array): Decoded<unknown, "malformed"> {
  const text = utf8.decode(bytes);
  try {
    return { ok: true, value: JSON.parse(text) };
  } catch (error) {
    return (
      parseTruncated(text) ??
      reject("malformed", `header: expected JSON, got ${excerpt(text)}: ${(error as Error).message}`)
    );
  }
}

/**
 * The GUI counts a header's length in characters but sends UTF-8, so each character beyond ASCII cuts a byte or more off its
 * end. What is cut is the close of the object and the last keys, which nothing here needs.
 */
function parseTruncated(text: string): Decoded<unknown, "malformed"> | null {
  let end = text.length;
  for (let attempt = 0; attempt < MAX_KEYS_CUT; attempt++) {
    const closed = parseOrNull(closeJson(text.slice(0, end)));
    if (closed !== null) return { ok: true, value: closed };
    end = text.lastIndexOf(",", end - 1);
    if (end <= 0) return null;
  }
  return null;
}
const MAX_KEYS_CUT = 3;

function parseOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Appends the brackets that are still open. */
function closeJson(text: string): string {
  const open: string[] = [];
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (character === "\\" && inString) i++;
    else if (character === '"') inString = !inString;
    else if (inString) continue;
    else if (character === "{") open.push("}");
    else if (character === "[") open.push("]");
    else if (character === "}" || character === "]") open.pop();
  }
  return `${text}${open.reverse().join("")}`;
}

const excerpt = (text: string): string => (text.length > 60 ? `${text.slice(0, 57)}...` : text);

const ascii = new TextEncoder();
const DATA_ENVELOPE = ascii.encode("DATA\0");
const EVENT_ENVELOPE = ascii.encode("EVENT\0");

/**
 * The frames that the GUI would send. `timestampMs` is wall-clock time of sending (milliseconds since the Unix epoch), which
 * receivers must not take for the time of recording.
 */
export function encodeOpenEphys(message: OpenEphysMessage, timestampMs: number): Uint8Array[] {
  switch (message.kind) {
    case "data":
      return frames(DATA_ENVELOPE, encodeDataHeader(message, timestampMs), message.payload);
    case "event":
      return frames(EVENT_ENVELOPE, encodeEventHeader(message, timestampMs), encodeTtl(message));
    case "spike":
      return frames(EVENT_ENVELOPE, encodeSpikeHeader(message, timestampMs), message.payload);
  }
}

const frames = (envelope: Uint8Array, head: unknown, payload: Uint8Array | null): Uint8Array[] =>
  payload === null
    ? [envelope, Buffer.from(JSON.stringify(head))]
    : [envelope, Buffer.from(JSON.stringify(head)), payload];

const encodeDataHeader = (message: OpenEphysData, timestamp: number) => ({
  message_num: message.messageNum ?? undefined,
  type: "data",
  content: {
    stream: message.stream,
    channel_num: message.channelNum,
    channel_name: message.channelName,
    num_samples: message.numSamples,
    sample_num: message.sampleNum,
    sample_rate: message.sampleRate,
  },
  data_size: message.payload.byteLength,
  timestamp,
});

const encodeEventHeader = (message: OpenEphysEvent, timestamp: number) => ({
  message_num: message.messageNum ?? undefined,
  type: "event",
  content: {
    stream: message.stream,
    source_node: message.sourceNode,
    type: message.eventType,
    sample_num: message.sampleNum,
  },
  data_size: message.ttl === null ? 0 : TTL_BYTES,
  timestamp,
});

const encodeSpikeHeader = (message: OpenEphysSpike, timestamp: number) => ({
  message_num: message.messageNum ?? undefined,
  type: "spike",
  spike: {
    stream: message.stream,
    source_node: message.sourceNode,
    electrode: message.electrode,
    sample_num: message.sampleNum,
    num_channels: message.numChannels,
    num_samples: message.numSamples,
    sorted_id: message.sortedId,
    threshold: message.threshold,
  },
  timestamp,
});

function encodeTtl({ ttl }: OpenEphysEvent): Uint8Array | null {
  if (ttl === null) return null;
  const payload = new Uint8Array(TTL_BYTES);
  payload[0] = ttl.line;
  payload[1] = ttl.state ? 1 : 0;
  view(payload).setBigUint64(2, ttl.word, true);
  return payload;
}
