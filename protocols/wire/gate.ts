/**
 * What an eye tracker or a behaviour program tells the session: whether faces may be shown (SPEC.md, rules G). One ZeroMQ
 * frame of MessagePack a message.
 */
import { z } from "zod";
import { type Decoded, pack, unpackAs } from "./message.ts";

export const GATE_VERSION = 1;

const gateMessage = z.object({
  v: z.literal(GATE_VERSION),
  type: z.literal("gate"),
  open: z.boolean(),
  /** Seconds on the sender's clock, which `clock` names: kept in the journal. */
  timeS: z.number().refine(Number.isFinite, "expected a finite time in seconds"),
  clock: z.string().min(1),
  /** In words, for the journal and the terminal. */
  why: z.string(),
});
export type GateMessage = z.infer<typeof gateMessage>;

export const encodeGateMessage = (message: GateMessage): Uint8Array => pack(message);
export const decodeGateMessage = (frame: Uint8Array): Decoded<GateMessage, "malformed" | "version"> =>
  unpackAs(gateMessage, GATE_VERSION, frame);
