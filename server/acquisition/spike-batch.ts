/**
 * What the recording system said in one message, in the one form the rest of the server knows.
 * `unit[i]` indexes the session's roster; `timeS[i]` is on the stream's own clock (`neuralS`).
 */
export interface SpikeBatch {
  stream: string;
  /** The stream's time after this message: no spike at or before it is still to come. */
  untilS: number;
  unit: Uint16Array;
  timeS: Float64Array;
  /** Spikes per entry; null where each entry is one spike. */
  count: Uint32Array | null;
  /** Server clock (milliseconds since the Unix epoch) at which the message arrived. */
  arrivedMs: number;
}

/** Everything that acquisition tells, in order of arrival. A gap or restart comes before the batch that revealed it. */
export type AcquisitionEvent =
  | ({ type: "batch" } & SpikeBatch)
  /** `missing` messages never came (they may still arrive out of order, and are then counted as `reordered`). */
  | { type: "gap"; stream: string; missing: number; arrivedMs: number }
  /** The sender started again: sequence or clock went back to its beginning. */
  | { type: "restart"; stream: string; arrivedMs: number }
  | { type: "rejected"; reason: RejectReason; detail: string; arrivedMs: number };

export type RejectReason =
  | "malformed"
  | "version"
  | "length"
  | "non-finite"
  | "duplicate"
  | "reordered"
  | "stream"
  | "unknown-unit";

/** Running totals since the session began; `lostMessages` are gaps that were never filled. */
export interface AcquisitionCounts {
  messages: number;
  spikes: number;
  lostMessages: number;
  restarts: number;
  rejected: Record<RejectReason, number>;
}
