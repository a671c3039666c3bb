/**
 * What the recording system said since the batch before, in the one form the rest of the server knows.
 * `unit[i]` indexes the session's roster; `timeS[i]` is on the stream's own clock (`neuralS`), in no promised order.
 */
export interface SpikeBatch {
  stream: string;
  /**
   * The stream's time after this batch: no spike before it is still to come, except those of messages that come out of
   * order after a gap (they are counted as `lateSpikes`). Spikes of this batch may lie after it.
   */
  untilS: number;
  /** How far the stream had come when the message was sent, as far as it tells: what `arrivedServerMs` is to be compared with. */
  reachedS: number;
  unit: Uint16Array;
  timeS: Float64Array;
  /** Spikes per entry; null where each entry is one spike. */
  count: Uint32Array | null;
  /** Server clock (milliseconds since the Unix epoch) at which the message arrived that completed the batch. */
  arrivedServerMs: number;
}

/**
 * Everything that acquisition tells, in order of arrival. A gap or restart comes before the batch that revealed it; its `stream` is null
 * where a sender numbers several streams together, so that it may be any of them.
 */
export type AcquisitionEvent =
  | ({ type: "batch" } & SpikeBatch)
  /** An edge on a digital input of the recording system (a photodiode, a sync pulse). Lines count from 0. */
  | { type: "ttl"; stream: string; line: number; state: boolean; timeS: number; arrivedServerMs: number }
  /** `missing` messages never came (they may still arrive out of order, and are then told as `reordered`). */
  | { type: "gap"; stream: string | null; missing: number; arrivedServerMs: number }
  /** A message that a gap before had called missing has come after all. */
  | { type: "reordered"; stream: string | null; arrivedServerMs: number }
  /** The sender started again: sequence or clock went back. */
  | { type: "restart"; stream: string | null; arrivedServerMs: number }
  /** The connection to a sender came up or went down. */
  | { type: "link"; up: boolean; arrivedServerMs: number }
  /** The recording system answers this client's heartbeats, or does not (Open Ephys only). */
  | { type: "heartbeat"; answered: boolean; arrivedServerMs: number }
  | { type: "rejected"; reason: RejectReason; detail: string; arrivedServerMs: number };

const rejectReasons = [
  "malformed",
  "version",
  "length",
  "non-finite",
  "unit-index",
  "after-until",
  "duplicate",
  "stream",
  "sample-rate",
  "unknown-unit",
] as const;
export type RejectReason = (typeof rejectReasons)[number];

/** Running totals since the session began. */
export interface AcquisitionCounts {
  messages: number;
  /** Spikes of the roster's units, told in batches. */
  spikes: number;
  /** Gaps that were never filled. A rejected message has no number, so it is one of them too. */
  lostMessages: number;
  reorderedMessages: number;
  /** Spikes before the `untilS` of an earlier batch; they are told all the same. */
  lateSpikes: number;
  restarts: number;
  /** Messages; for `unknown-unit` spikes, since the rest of their message is used. */
  rejected: Record<RejectReason, number>;
  /** Spikes by the name of a unit that the roster does not have. */
  unknownUnits: Record<string, number>;
}

export const noCounts = (): AcquisitionCounts => ({
  messages: 0,
  spikes: 0,
  lostMessages: 0,
  reorderedMessages: 0,
  lateSpikes: 0,
  restarts: 0,
  rejected: Object.fromEntries(rejectReasons.map((reason) => [reason, 0])) as Record<RejectReason, number>,
  // Without a prototype, so that any name is only a name.
  unknownUnits: Object.create(null) as Record<string, number>,
});

/** The totals of two senders. */
export function addCounts(a: AcquisitionCounts, b: AcquisitionCounts): AcquisitionCounts {
  const sum = structuredClone(a);
  addTo(sum.unknownUnits, b.unknownUnits);
  addTo(sum.rejected, b.rejected);
  for (const key of ["messages", "spikes", "lostMessages", "reorderedMessages", "lateSpikes", "restarts"] as const)
    sum[key] += b[key];
  return sum;
}

function addTo(tally: Record<string, number>, more: Record<string, number>): void {
  for (const [name, n] of Object.entries(more)) tally[name] = (tally[name] ?? 0) + n;
}
