import type { Roster } from "./roster.ts";
import type { AcquisitionCounts, AcquisitionEvent } from "./spike-batch.ts";

export interface ReaderOptions {
  roster: Roster;
  /** The streams to follow; none: the first one seen. */
  streams: readonly FollowedStream[];
  /** Hz, of a stream that is not named; null: learned from the stream. Only Open Ephys messages need it. */
  sampleRate: number | null;
}

export interface FollowedStream {
  name: string;
  /** Hz; null: learned from the stream. */
  sampleRate: number | null;
}

/** Turns received messages into events. Keeps state, but touches neither clock nor socket. */
export interface FrameReader {
  readonly counts: AcquisitionCounts;
  /** `frames`: those of one message; `arrivedServerMs`: server clock. Never throws. */
  read(frames: readonly Uint8Array[], arrivedServerMs: number): AcquisitionEvent[];
  /** Gives what is still held back, at the end of the session. */
  flush(arrivedServerMs: number): AcquisitionEvent[];
}

/** Why a message of a stream that nobody follows is rejected. */
export const strangerWords = (followed: readonly string[], got: string): string =>
  `expected stream ${followed.map((name) => `"${name}"`).join(" or ")}, got "${got}"`;
