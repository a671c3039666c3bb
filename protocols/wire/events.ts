/**
 * What the server publishes for any program that wants to follow a session: ZeroMQ PUB, two frames a message, the topic in
 * UTF-8 and a MessagePack map (SPEC.md, rules W). The simulated rig knows nothing else of the server.
 */
import { z } from "zod";
import { type Decoded, pack, reject, unpackAs } from "./message.ts";

export const EVENTS_VERSION = 1;

const base = { v: z.literal(EVENTS_VERSION), session: z.string() };
const index = z.number().int().nonnegative();

const trialFlags = [
  "complete",
  "late",
  "gap",
  "droppedFrame",
  "aborted",
  "unaligned",
  "gateBroken",
  "interrupted",
  "skipped",
] as const;
export type TrialFlag = (typeof trialFlags)[number];

/**
 * Why a trial is `unaligned`. By photodiode: there is no edge where its onset is expected, or more than one, or it is not known where edges
 * are expected. By software, or where the photodiode says nothing: its place is less certain than `alignment.maxUncertaintyMs`.
 */
const unalignedReasons = ["missing", "ambiguous", "no-lock", "uncertain"] as const;
export type UnalignedReason = (typeof unalignedReasons)[number];

export const sessionStates = ["waiting", "running", "paused", "ended"] as const;
export type SessionState = (typeof sessionStates)[number];

const publicEvent = z.discriminatedUnion("type", [
  /** Sent at every change and once a second, so that a late subscriber learns of the session. */
  z.object({
    ...base,
    type: z.literal("state"),
    state: z.enum(sessionStates),
    trial: index,
    trials: index,
    serverMs: z.number(),
  }),
  /** A face is on the screen. `onset.serverMs` is milliseconds since the Unix epoch on the server's clock. */
  z.object({
    ...base,
    type: z.literal("presentation"),
    presentation: index,
    face: index,
    latents: z.array(z.number()),
    /** Latents that the model's encoder reads back from the face; left out where it does not. */
    realised: z.array(z.number()).optional(),
    onset: z.object({ serverMs: z.number(), uncertaintyMs: z.number() }),
    onMs: z.number(),
    lateFrames: index,
    dropped: index,
    /** The photodiode's patch from this onset on: white or not. */
    patch: z.boolean(),
  }),
  /** A response window was closed: spikes counted per unit, in the order of `units`. */
  z.object({
    ...base,
    type: z.literal("trial"),
    trial: index,
    presentation: index,
    latents: z.array(z.number()),
    stream: z.string(),
    /** Null where the sender restarted before the onset could be placed on its clock. */
    window: z
      .object({
        startS: z.number(),
        endS: z.number(),
        uncertaintyMs: z.number(),
        by: z.enum(["software", "photodiode"]),
      })
      .nullable(),
    units: z.array(z.string()),
    counts: z.array(index),
    flags: z.array(z.enum(trialFlags)),
    /** Only where it is. */
    unaligned: z.enum(unalignedReasons).optional(),
  }),
  /** Faces may be shown from now on, or not. */
  z.object({ ...base, type: z.literal("gate"), open: z.boolean(), why: z.string(), serverMs: z.number() }),
  /** The subject has earned it: so many trials, as the experiment file says, were complete. `rewards` counts from 1. */
  z.object({ ...base, type: z.literal("reward"), rewards: index, trial: index, serverMs: z.number() }),
]);
export type PublicEvent = z.infer<typeof publicEvent>;

/** [topic, body]; the topic is the event's type. */
export const encodePublicEvent = (event: PublicEvent): [string, Uint8Array] => [event.type, pack(event)];

export function decodePublicEvent(
  frames: readonly Uint8Array[],
): Decoded<PublicEvent, "malformed" | "version" | "length"> {
  if (frames.length !== 2) return reject("length", `expected 2 frames (topic, body), got ${frames.length}`);
  return unpackAs(publicEvent, EVENTS_VERSION, frames[1]);
}
