import type { Roster } from "./roster.ts";
import type { AcquisitionCounts, AcquisitionEvent } from "./spike-batch.ts";

export interface ReaderOptions {
  roster: Roster;
  /** The stream to follow; null: the first one seen. */
  stream: string | null;
  /** Hz; null: learned from the stream. Only Open Ephys messages need it. */
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
