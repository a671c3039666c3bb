/**
 * What `latentloop dashboard` tells the page of sessions, and what that asks for: MessagePack in binary WebSocket frames at `/lobby`
 * (SPEC.md, D7 and D8). Experiments and sessions go by the names of the server's own lists, never by paths.
 */
import { z } from "zod";
import { type Decoded, unpackAs } from "./message.ts";

export const LOBBY_VERSION = 1;
export const LOBBY_PATH = "/lobby";
/** In a dashboard's address: the session that it shows, and the port at which the list of sessions is served. */
export const SESSION_FIELD = "session";
export const LIST_FIELD = "sessions";
/** The server won't open what a page asks for: trying again is of no use. The reason has been told as `bye`. */
export const CLOSED_FOR_GOOD = 4404;

export const rigFormats = ["latentloop", "open-ephys"] as const;
export const displayKinds = ["headless", "browser"] as const;

const whole = z.number("expected a whole number").int("expected a whole number");
const base = { v: z.literal(LOBBY_VERSION), id: z.number().int().nonnegative() };

const lobbyRequest = z.discriminatedUnion("op", [
  /** A dry run: the loop as it runs live, with the simulated rig. */
  z.strictObject({
    ...base,
    op: z.literal("start"),
    /** As it is listed. */
    experiment: z.string().max(300),
    trials: whole.min(1, "expected at least 1").max(1_000_000, "expected at most 1000000"),
    seed: whole.nonnegative("expected at least 0"),
    rigFormat: z.enum(rigFormats),
    display: z.enum(displayKinds),
    /** It waits for an operator's start. */
    hold: z.boolean(),
  }),
  /** Ends the dry run, with its summary. */
  z.strictObject({ ...base, op: z.literal("end") }),
]);
export type LobbyRequest = z.infer<typeof lobbyRequest>;
export type DryRunRequest = Extract<LobbyRequest, { op: "start" }>;
export const decodeLobbyRequest = (data: Uint8Array): Decoded<LobbyRequest, "malformed" | "version"> =>
  unpackAs(lobbyRequest, LOBBY_VERSION, data);

export interface ListedExperiment {
  /** Its file's name, after its folder where it is not one that ships. */
  id: string;
  ships: boolean;
  name: string;
  description: string;
  trials: number;
  seed: number;
  /** Why it can't be run with a simulated rig; null where it can. */
  wrong: string | null;
}

export interface ListedSession {
  /** Its folder's name. */
  name: string;
  experiment: string;
  startedMs: number;
  /** Null while it runs. */
  trials: number | null;
  planned: number;
  state: "running" | "ended" | "broken" | "unreadable";
  /** How it ended, or what can be done. */
  words: string;
  simulated: boolean;
  /** Where its own dashboard is, while it runs; null where that is not known. */
  port: number | null;
}

/** The dry run that was started last from a page. */
export interface DryRun {
  experiment: string;
  phase: "starting" | "running" | "ended" | "failed";
  /** Of its pages; null until they are there, and once they are gone. */
  port: number | null;
  /** Its folder's name. */
  session: string | null;
  hasDisplay: boolean;
  /** Why it failed, in a sentence. */
  failure: string | null;
}

export type LobbyMessage =
  | {
      op: "lobby";
      v: typeof LOBBY_VERSION;
      folder: string;
      experiments: ListedExperiment[];
      sessions: ListedSession[];
      run: DryRun | null;
    }
  /** `started`: its dashboard is there. */
  | { op: "started" | "done"; id: number }
  /** `id` null where the request could not be read. */
  | { op: "refused"; id: number | null; reason: string };
