/**
 * What the server tells dashboards and what they ask for: MessagePack in binary WebSocket frames at `/watch` (SPEC.md, rules D). Commands go
 * to the operator's socket (operator.ts). Arrays of numbers are little-endian bytes, their type at the end of the key.
 *
 * A page says `seen` for each `now`; the next one is sent only then, so that a slow page gets fewer and never older ones.
 */
import { z } from "zod";
import type { TrialFlag } from "./events.ts";
import { type Decoded, unpackAs } from "./message.ts";

export const DASHBOARD_VERSION = 1;
export const WATCH_PATH = "/watch";

const watchRequest = z.discriminatedUnion("op", [
  /** The page has drawn that `now` message. */
  z.object({ v: z.literal(DASHBOARD_VERSION), op: z.literal("seen"), n: z.number().int().nonnegative() }),
  /** The unit that is looked at in detail; null: none. */
  z.object({ v: z.literal(DASHBOARD_VERSION), op: z.literal("look"), unit: z.string().nullable() }),
  /** Past sessions: how many trials are to be known. */
  z.object({ v: z.literal(DASHBOARD_VERSION), op: z.literal("at"), trials: z.number().int().nonnegative() }),
]);
export type WatchRequest = z.infer<typeof watchRequest>;
export const decodeWatchRequest = (data: Uint8Array): Decoded<WatchRequest, "malformed" | "version"> =>
  unpackAs(watchRequest, DASHBOARD_VERSION, data);

export interface DashboardInterval {
  estimate: number;
  low: number;
  high: number;
}

export interface DashboardUnit {
  name: string;
  /** How the recording system's units are mapped to it. */
  mapping: string;
}

/** What does not change during a session. */
export interface SessionInfo {
  name: string;
  description: string;
  folder: string;
  experiment: unknown;
  units: DashboardUnit[];
  latents: string[];
  image: { width: number; height: number };
  /** Where curves are given, in latent units. */
  grid: number[];
  /** Faces lie inside ±range. */
  range: number;
  objectives: string[];
  startedServerMs: number;
  model: string;
  backend: string;
  simulated: boolean;
  /** A session that has ended, opened to be read. */
  past: boolean;
}

/** What an operator may change between trials. */
export interface Tunables {
  objective: string;
  /** Weights of units in choices, one each. */
  weights: Record<string, number>;
  window: { latencyMs: number; windowMs: number };
  constraints: { minDistance: number; recentFaces: number; balance: number; balanceFaces: number };
}

export interface ChosenFace {
  face: number;
  latentsF64: Uint8Array;
  reason: {
    objective: string;
    value: number | null;
    runnerUp: { latents: number[]; value: number } | null;
    moved: { latent: number; from: number; to: number } | null;
    candidates: number;
    special: string | null;
  };
}

export interface Picture {
  width: number;
  height: number;
  /** RGBA, row-major. */
  pixels: Uint8Array;
}

/** A face that was read back from one trial's counts by units that had not learned from it. */
export interface ReadFace {
  trial: number;
  face: number;
  latentsF64: Uint8Array;
  /** As they were shown. */
  shownF64: Uint8Array;
  /** 1 − cosine of the angle between the latents read and those shown. */
  distance: number;
  /** Units that it was read from, of all that the session has. */
  cells: number;
  units: number;
  picture: Picture | null;
}

/** What is wrong, in a sentence, and what to do about it. */
export interface Alert {
  level: "stop" | "warning";
  text: string;
  todo: string;
}

export interface LogLine {
  n: number;
  serverMs: number;
  kind: LogKind;
  text: string;
}
export const logKinds = ["session", "operator", "note", "display", "spikes", "gate", "choice", "problem"] as const;
export type LogKind = (typeof logKinds)[number];

export interface LatencyRow {
  step: string;
  words: string;
  n: number;
  p50: number;
  p99: number;
}

export interface Health {
  latency: LatencyRow[];
  spikesPerS: number;
  messagesPerS: number;
  lostMessages: number;
  reorderedMessages: number;
  lateSpikes: number;
  restarts: number;
  rejected: Record<string, number>;
  /** Of the server's event loop over the last seconds, in ms. */
  loopDelayMs: { p50: number; p99: number } | null;
  droppedFrames: number;
  deadlineMisses: number;
  abortedPresentations: number;
  /** How far an onset may be off on the server's clock, and a window on the recording system's. */
  displayUncertaintyMs: number | null;
  streamUncertaintyMs: number | null;
  /** The recording system's clock less the server's, in s, and what placed the last window on it. */
  streamOffsetS: number | null;
  alignedBy: string | null;
  diskFreeBytes: number | null;
  memoryBytes: number;
  backend: string;
  watchers: number;
}

export interface PastPlace {
  /** Trials that had closed. */
  at: number;
  /** Of all of the session. */
  trials: number;
  /** As far as the journal has been made again; every so many-th trial of these can be gone to, and the last. */
  known: number;
  stride: number;
  isRead: boolean;
}

export interface NowMessage {
  op: "now";
  n: number;
  serverMs: number;
  state: "waiting" | "running" | "paused" | "ended";
  /** Where in a past session this is; null in one that runs. */
  past: PastPlace | null;
  gateClosed: string | null;
  displayConnected: boolean;
  alerts: Alert[];
  trials: { closed: number; usable: number; planned: number };
  perMin: number;
  elapsedMs: number | null;
  /** Time to go by the stop rule that will come first, and which that is. */
  etaMs: number | null;
  endsBy: string;
  flags: Partial<Record<TrialFlag, number>>;
  /** The face on the screen; null while there is none. */
  onScreen: ChosenFace | null;
  next: ChosenFace[];
  readBack: ReadFace | null;
  health: Health;
  tunables: Tunables;
  /** What undo would take back, in words. */
  undo: string | null;
  excluded: string[];
  /** A change that waits for the next trial. */
  pending: number;
  stability: StabilityCheck[];
  // Only what this page has not been sent before:
  faces: (Picture & { face: number })[];
  log: LogLine[];
  series: SeriesPoint[];
}

/** A fixed set of faces, shown again: how the units' responses compare with those to the first showing. */
export interface StabilityCheck {
  check: number;
  /** Trials of it that can be used, of how many faces. */
  trials: number;
  faces: number;
  /** Pearson's r of √count over faces and units with the first check, and the ratio of all spikes; null for the first. */
  correlation: number | null;
  ratio: number | null;
}

/** Points of plots over trials. */
export interface SeriesPoint {
  n: number;
  trial: number;
  kind: "distance" | "alignment" | "perMin" | "toReady";
  value: number;
  low?: number;
  high?: number;
}

/** What is known of all units: U units, D latents, P points of a curve. */
export interface EstimatesMessage {
  op: "estimates";
  /** Usable trials that it knows. */
  trials: number;
  units: number;
  latents: number;
  points: number;
  /** Rate in spikes/s along each latent's traversal and its 90 % interval: U × D × (rate, low, high) × P. */
  curvesF32: Uint8Array;
  /** Share of the tuning that each latent carries, U × D. */
  sharesF32: Uint8Array;
  bestLatent: number[];
  /** Probability that the unit codes its best latent alone; several; that it is not tuned. */
  codesBest: number[];
  several: number[];
  none: number[];
  alignment: number[];
  baselineHz: DashboardInterval[];
  /** Trials that each unit has learned from. */
  learned: number[];
  warnings: (string | null)[];
  population: DashboardInterval | null;
}

export interface UnitMessage {
  op: "unit";
  unit: string;
  trials: number;
  bestLatent: number;
  shares: number[];
  sharesInterval: { low: number[]; high: number[] };
  baselineHz: DashboardInterval;
  alignment: DashboardInterval;
  axis: { direction: number[]; coneDeg: number };
  peak: { latents: number[]; rateHz: DashboardInterval };
  fano: number;
  codes: { latents: number[]; one: number; several: number; none: number } | null;
  /** How well counts were foretold, each before it was seen: nats a trial above a constant rate. */
  heldOut: { trials: number; gain: { additive: DashboardInterval; linear: DashboardInterval } } | null;
  /** p-value of each check, and what is wrong in a sentence; null where nothing is said yet. */
  misfit: { pValues: Record<string, number>; warning: string | null } | null;
  /** Faces shown (n × D) and the rate counted for each, in spikes/s. */
  facesF32: Uint8Array;
  ratesF32: Uint8Array;
  /** Faces from −3 to 3 along the preferred axis. */
  strip: { t: number; rateHz: DashboardInterval; picture: Picture | null }[];
  peakPicture: Picture | null;
  /** Spikes about the onsets of the last trials: `rowU16` the trial (newest last), `msF32` the time from its onset. */
  raster: { trials: number; fromMs: number; toMs: number; rowU16: Uint8Array; msF32: Uint8Array };
}

export interface HelloMessage {
  op: "hello";
  v: typeof DASHBOARD_VERSION;
  session: SessionInfo;
}

export interface GoodbyeMessage {
  op: "bye";
  reason: string;
}

export type DashboardMessage = HelloMessage | NowMessage | EstimatesMessage | UnitMessage | GoodbyeMessage;
