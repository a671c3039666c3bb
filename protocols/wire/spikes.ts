/**
 * Spikes sent to the server by a lab's own program: one ZeroMQ frame of MessagePack a message (SPEC.md, W1 to W8).
 * Times are seconds on the sender's clock (`neuralS`); arrays travel as little-endian bytes.
 */
import { z } from "zod";
import { bytesOf, type Decoded, pack, type Rejection, reject, unpackAs } from "./message.ts";

export const SPIKES_VERSION = 1;

const seconds = z.number().refine(Number.isFinite, "expected a finite time in seconds");
const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array, "expected bytes");
const names = z.array(z.string().min(1)).max(65_536);
const header = {
  v: z.literal(SPIKES_VERSION),
  stream: z.string().min(1),
  seq: z.number().int().nonnegative(),
  clock: z.string().min(1),
};

const wireMessage = z.discriminatedUnion("type", [
  z.object({
    ...header,
    type: z.literal("counts"),
    t0S: seconds,
    binS: seconds.positive(),
    units: names.min(1),
    dtype: z.enum(["u16", "u32"]),
    counts: bytes,
  }),
  z.object({
    ...header,
    type: z.literal("spikes"),
    untilS: seconds,
    reachedS: seconds.optional(),
    units: names,
    unit: bytes,
    timeS: bytes,
  }),
  /** An edge on a digital line (a photodiode, a sync pulse); lines count from 0. */
  z.object({
    ...header,
    type: z.literal("ttl"),
    line: z.number().int().nonnegative().max(255),
    state: z.boolean(),
    timeS: seconds,
  }),
]);
type WireMessage = z.infer<typeof wireMessage>;
type WireCounts = Extract<WireMessage, { type: "counts" }>;
type WireSpikes = Extract<WireMessage, { type: "spikes" }>;

/** Spikes per bin. `counts[bin * units.length + unit]`; bin b covers [t0S + b binS, t0S + (b + 1) binS). */
export type CountsMessage = Omit<WireCounts, "dtype" | "counts"> & { counts: Uint16Array | Uint32Array };
/**
 * Single spikes, in any order: `units[unit[i]]` fired at `timeS[i]`, none later than `reachedS`: how far the sender's clock had come, `untilS`
 * where it is left out.
 */
export type SpikesMessage = Omit<WireSpikes, "unit" | "timeS"> & { unit: Uint16Array; timeS: Float64Array };
export type TtlMessage = Extract<WireMessage, { type: "ttl" }>;
export type SpikeMessage = CountsMessage | SpikesMessage | TtlMessage;

export type SpikeRejectReason = "malformed" | "version" | "length" | "non-finite" | "unit-index" | "after-until";

/** The stream's time after this message: no spike before it is still to come. */
export const messageUntilS = (message: CountsMessage | SpikesMessage): number =>
  message.type === "spikes"
    ? message.untilS
    : message.t0S + (message.counts.length / message.units.length) * message.binS;

/** How far the sender's clock had come when it sent this message. */
export const messageReachedS = (message: CountsMessage | SpikesMessage): number =>
  (message.type === "spikes" ? message.reachedS : undefined) ?? messageUntilS(message);

export function encodeSpikeMessage(message: SpikeMessage): Uint8Array {
  if (message.type === "counts") {
    const dtype = message.counts instanceof Uint16Array ? "u16" : "u32";
    return pack({ ...message, dtype, counts: bytesOf(message.counts) } satisfies WireCounts);
  }
  if (message.type === "ttl") return pack(message satisfies WireMessage);
  return pack({ ...message, unit: bytesOf(message.unit), timeS: bytesOf(message.timeS) } satisfies WireSpikes);
}

/** Decodes one frame; the arrays may be views into `frame`. Never throws. */
export function decodeSpikeMessage(frame: Uint8Array): Decoded<SpikeMessage, SpikeRejectReason> {
  const wire = unpackAs(wireMessage, SPIKES_VERSION, frame);
  if (!wire.ok) return wire;
  switch (wire.value.type) {
    case "counts":
      return decodeCounts(wire.value);
    case "spikes":
      return decodeSpikes(wire.value);
    case "ttl":
      return { ok: true, value: wire.value };
  }
}

function decodeCounts({ dtype, ...wire }: WireCounts): Decoded<CountsMessage, SpikeRejectReason> {
  const rowBytes = wire.units.length * (dtype === "u16" ? 2 : 4);
  if (wire.counts.byteLength % rowBytes !== 0)
    return reject(
      "length",
      `counts: expected whole bins of ${rowBytes} bytes (${wire.units.length} units of ${dtype}), got ${wire.counts.byteLength} bytes`,
    );
  const counts = dtype === "u16" ? elements(Uint16Array, wire.counts) : elements(Uint32Array, wire.counts);
  const value = { ...wire, counts };
  if (!Number.isFinite(messageUntilS(value)))
    return reject("non-finite", `t0S + bins · binS: expected a finite time in seconds, got ${messageUntilS(value)}`);
  return { ok: true, value };
}

function decodeSpikes(wire: WireSpikes): Decoded<SpikesMessage, SpikeRejectReason> {
  if (wire.unit.byteLength % 2 !== 0) return reject("length", `unit: expected u16s, got ${wire.unit.byteLength} bytes`);
  const unit = elements(Uint16Array, wire.unit);
  if (wire.timeS.byteLength !== 8 * unit.length)
    return reject(
      "length",
      `timeS: expected ${8 * unit.length} bytes (one f64 for each of ${unit.length} spikes), got ${wire.timeS.byteLength}`,
    );
  const timeS = elements(Float64Array, wire.timeS);
  return findFault(wire, unit, timeS) ?? { ok: true, value: { ...wire, unit, timeS } };
}

function findFault(
  { units, untilS, reachedS }: WireSpikes,
  unit: Uint16Array,
  timeS: Float64Array,
): Rejection<SpikeRejectReason> | null {
  const most = reachedS ?? untilS;
  const field = reachedS === undefined ? "untilS" : "reachedS";
  if (untilS > most) return reject("after-until", `untilS: expected at most reachedS ${most}, got ${untilS}`);
  for (let i = 0; i < unit.length; i++) {
    if (unit[i] >= units.length)
      return reject("unit-index", `unit[${i}]: expected an index below ${units.length}, got ${unit[i]}`);
    if (!Number.isFinite(timeS[i]))
      return reject("non-finite", `timeS[${i}]: expected a finite time in seconds, got ${timeS[i]}`);
    if (timeS[i] > most)
      return reject("after-until", `timeS[${i}]: expected at most ${field} ${most}, got ${timeS[i]}`);
  }
  return null;
}

interface ElementArray<T> {
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): T;
  BYTES_PER_ELEMENT: number;
}

/** A view where the bytes happen to be aligned (MessagePack promises nothing), a copy where not. */
function elements<T>(type: ElementArray<T>, source: Uint8Array): T {
  const aligned = source.byteOffset % type.BYTES_PER_ELEMENT === 0 ? source : new Uint8Array(source);
  return new type(aligned.buffer, aligned.byteOffset, source.byteLength / type.BYTES_PER_ELEMENT);
}
