/**
 * Commands of an operator and their answers: MessagePack in binary WebSocket frames (SPEC.md, O1 and O2). Every command is
 * answered: done, or refused with the reason.
 */
import { z } from "zod";
import { sessionStates } from "./events.ts";
import { type Decoded, pack, unpackAs } from "./message.ts";

export const OPERATOR_VERSION = 1;
export const OPERATOR_PATH = "/operator";

/** `id` is the operator's own number for the command; the answer carries it back. */
const base = { v: z.literal(OPERATOR_VERSION), id: z.number().int().nonnegative() };

/**
 * pause: no further face is asked for. skip: the face on the screen is taken off, and its trial teaches nothing. abort: ends the session;
 * what was recorded is kept.
 */
export const operatorOps = ["pause", "resume", "abort", "skip"] as const;
export type OperatorOp = (typeof operatorOps)[number];

/**
 * exclude: the unit no longer counts in choices; its tuning is still learned. include: it counts again. reset: it was sorted anew, and
 * nothing learned before this trial is about it.
 */
export const unitOps = ["exclude", "include", "reset"] as const;
export type UnitOp = (typeof unitOps)[number];
export interface UnitOrder {
  op: UnitOp;
  unit: string;
}

/** What may be changed between trials; what is left out stays. Validated as the experiment file is (experiment.ts). */
const change = z.strictObject({
  objective: z.string().optional(),
  /** Of units, by name. */
  weights: z.record(z.string(), z.number().nonnegative()).optional(),
  window: z.strictObject({ latencyMs: z.number(), windowMs: z.number() }).optional(),
  constraints: z.record(z.string(), z.number()).optional(),
});
export type Change = z.infer<typeof change>;

const operatorCommand = z.discriminatedUnion("op", [
  z.object({ ...base, op: z.enum(operatorOps) }),
  z.object({ ...base, op: z.enum(unitOps), unit: z.string().min(1) }),
  /** A note, journalled with its time. */
  z.object({
    ...base,
    op: z.literal("mark"),
    text: z.string().trim().min(1, "expected some words").max(2000, "expected at most 2000 characters"),
  }),
  z.object({ ...base, op: z.literal("change"), change }),
  /** Takes the last change back. */
  z.object({ ...base, op: z.literal("undo") }),
  /** Shows a fixed set of faces next, the same at every check. */
  z.object({ ...base, op: z.literal("stability"), faces: z.number().int().min(2).max(64) }),
]);
export type OperatorCommand = z.infer<typeof operatorCommand>;

const operatorAnswer = z.discriminatedUnion("op", [
  /** `state` is the session's after the command. */
  z.object({ ...base, op: z.literal("done"), state: z.enum(sessionStates) }),
  /** `id` null where the command could not be read. */
  z.object({ ...base, id: base.id.nullable(), op: z.literal("refused"), reason: z.string() }),
]);
export type OperatorAnswer = z.infer<typeof operatorAnswer>;

export const encodeOperatorCommand = (command: OperatorCommand): Uint8Array => pack(command);
export const encodeOperatorAnswer = (answer: OperatorAnswer): Uint8Array => pack(answer);
export const decodeOperatorCommand = (data: Uint8Array): Decoded<OperatorCommand, "malformed" | "version"> =>
  unpackAs(operatorCommand, OPERATOR_VERSION, data);
export const decodeOperatorAnswer = (data: Uint8Array): Decoded<OperatorAnswer, "malformed" | "version"> =>
  unpackAs(operatorAnswer, OPERATOR_VERSION, data);
