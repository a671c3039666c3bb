/** Commands of an operator and their answers. Every command is answered: done, or refused with the reason. */
import { z } from "zod";
import { sessionStates } from "./events.ts";

export const OPERATOR_VERSION = 1;

const base = { v: z.literal(OPERATOR_VERSION), id: z.number().int().nonnegative() };

export const operatorCommand = z.discriminatedUnion("op", [
  z.object({ ...base, op: z.literal("pause") }),
  z.object({ ...base, op: z.literal("resume") }),
  /** Ends the session; what was recorded is kept. */
  z.object({ ...base, op: z.literal("abort"), why: z.string().default("operator") }),
]);
export type OperatorCommand = z.infer<typeof operatorCommand>;

export const operatorAnswer = z.discriminatedUnion("op", [
  z.object({ ...base, op: z.literal("done"), state: z.enum(sessionStates) }),
  z.object({ ...base, op: z.literal("refused"), reason: z.string() }),
]);
export type OperatorAnswer = z.infer<typeof operatorAnswer>;
