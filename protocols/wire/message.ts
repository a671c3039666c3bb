import { Packr, Unpackr } from "msgpackr";
import type { z } from "zod";

const packr = new Packr({ useRecords: false, variableMapSize: true });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: "number" });

/** Why a message was turned away: one word for the counter, one sentence for the log. */
export interface Rejection<Reason extends string = string> {
  ok: false;
  reason: Reason;
  detail: string;
}
export type Decoded<T, Reason extends string = string> = { ok: true; value: T } | Rejection<Reason>;

export const reject = <Reason extends string>(reason: Reason, detail: string): Rejection<Reason> => ({
  ok: false,
  reason,
  detail,
});

/** Packs any plain value as MessagePack. */
export const pack = (value: unknown): Uint8Array => packr.pack(value);

/** An array's bytes, not copied. */
export const bytesOf = (array: ArrayBufferView): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

/** Unpacks MessagePack bytes; never throws. */
export function unpack(bytes: Uint8Array): Decoded<unknown, "malformed"> {
  try {
    return { ok: true, value: unpackr.unpack(bytes) };
  } catch (error) {
    return reject("malformed", `expected a MessagePack value, got ${bytes.length} bytes: ${(error as Error).message}`);
  }
}

/** For files that people write: an unknown key is told with those that are known at its place. */
export const namingKeys: z.core.ParseContext<z.core.$ZodIssue> = {
  error({ code, keys, inst }) {
    if (code !== "unrecognized_keys") return undefined;
    const { shape } = (inst as z.core.$ZodObject)._zod.def;
    return `Unrecognized key: ${keys.map((key) => `"${key}"`).join(", ")} (known: ${Object.keys(shape).join(", ")})`;
  },
};

/** Says for each issue of a failed parse: which field (or the `whole`), what was expected, what was found. */
export function describeIssues(error: z.ZodError, input: unknown, whole = "message"): string {
  return error.issues.map((issue) => describeIssue(issue, input, whole)).join("; ");
}

function describeIssue(issue: z.core.$ZodIssue, input: unknown, whole: string): string {
  let found: unknown = input;
  for (const key of issue.path) found = (found as Record<PropertyKey, unknown> | undefined)?.[key];
  const field = issue.path.length > 0 ? issue.path.join(".") : whole;
  const extra = issue.code === "unrecognized_keys" ? "" : `, found ${describe(found)}`;
  return `${field}: ${issue.message.replace(/, received .*$/, "").replace(/^(Invalid input|Too small|Too big): /, "")}${extra}`;
}

function describe(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "number") return Number.isNaN(value) ? "no number" : `${value}`;
  if (ArrayBuffer.isView(value)) return `${value.byteLength} bytes`;
  // A map or list from the wire may hold what JSON has no words for.
  const text = JSON.stringify(value, (_, item) => (typeof item === "bigint" ? `${item}` : item)) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

/** Unpacks and validates against a schema; a `v` of another version is told apart from a malformed message. */
export function unpackAs<T>(
  schema: z.ZodType<T>,
  version: number,
  bytes: Uint8Array,
): Decoded<T, "malformed" | "version"> {
  const raw = unpack(bytes);
  if (!raw.ok) return raw;
  const v = (raw.value as { v?: unknown } | null)?.v;
  if (typeof v === "number" && v !== version) return reject("version", `expected version ${version}, got ${v}`);
  const parsed = schema.safeParse(raw.value);
  return parsed.success
    ? { ok: true, value: parsed.data }
    : reject("malformed", describeIssues(parsed.error, raw.value));
}
