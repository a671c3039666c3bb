/**
 * Where a stream's time stands on the server's clock, from arrivals alone (SPEC.md, T6). A message that arrives at
 * `arrivedServerMs` carries stream time up to `untilS`. Their difference is the clocks' offset plus the message's delay,
 * which is never negative, so the smallest difference seen lately is the closest to the truth. Pure.
 */
export interface StreamClock {
  /** The quickest message of each tenth of a second, oldest first. */
  readonly quickest: readonly Sample[];
}
interface Sample {
  readonly slot: number;
  readonly serverMs: number;
  /** arrivedServerMs − 1000 · untilS */
  readonly offsetMs: number;
}

export interface NeuralTime {
  neuralS: number;
  /** The true time lies within neuralS ± uncertaintyMs. */
  uncertaintyMs: number;
  /** The same interval as it is, not about `neuralS`. */
  earliestS: number;
  latestS: number;
}

const SLOT_MS = 100;
/** Long enough to meet a quick message under load, short enough to follow a clock that was set back. */
const REMEMBERED_MS = 15_000;
/** Slots that a clock set back would show in: the running one may hold a slow message only. */
const NEWEST_SLOTS = 2;
/** Slots that tell how much delays vary. */
const JUDGED_BY = 10;
/** Bound on how fast two quartz clocks drift apart: 100 parts per million. */
export const MAX_DRIFT = 1e-4;

export const initStreamClock = (): StreamClock => ({ quickest: [] });

export function stepStreamClock({ quickest }: StreamClock, untilS: number, arrivedServerMs: number): StreamClock {
  const slot = Math.floor(arrivedServerMs / SLOT_MS);
  const sample = { slot, serverMs: arrivedServerMs, offsetMs: arrivedServerMs - 1000 * untilS };
  const last = quickest.at(-1);
  if (last?.slot === slot) {
    return sample.offsetMs < last.offsetMs ? { quickest: [...quickest.slice(0, -1), sample] } : { quickest };
  }
  const kept = quickest.findIndex(({ serverMs }) => serverMs > arrivedServerMs - REMEMBERED_MS);
  return { quickest: [...(kept < 0 ? [] : quickest.slice(kept)), sample] };
}

/** Server time less stream time of the quickest message that is remembered, in ms; null before the stream was heard. */
export const leastOffsetMs = ({ quickest }: StreamClock): number | null =>
  quickest.length > 0 ? Math.min(...quickest.map(({ offsetMs }) => offsetMs)) : null;

/**
 * Whether a message says that the stream's clock has jumped ahead: it came sooner after its samples than the quickest message of
 * the last 15 s, by more than drift and delays explain, `transportMs` and as much as the quickest of each tenth of the last second differed.
 */
export function hasJumpedAhead(
  { quickest }: StreamClock,
  reachedS: number,
  arrivedServerMs: number,
  transportMs: number,
): boolean {
  if (quickest.length < JUDGED_BY) return false;
  const offsetMs = arrivedServerMs - 1000 * reachedS;
  const lately = quickest.slice(-JUDGED_BY).map((sample) => sample.offsetMs);
  const spreadMs = Math.max(...lately) - Math.min(...lately);
  return quickest.every((sample) => {
    const driftMs = MAX_DRIFT * Math.abs(arrivedServerMs - sample.serverMs);
    return offsetMs < sample.offsetMs - transportMs - spreadMs - driftMs;
  });
}

/**
 * A server time on the stream's clock; null before the stream was heard.
 *
 * The interval holds if one message of the last 15 s took no longer than `transportMs`, and the clocks drift by less than
 * 100 ppm. A clock that was set back, or a queue that has built up (which look alike for as long as either lasts), widens it
 * by as much as the newest messages lag.
 *
 * @param transportMs longest that the quickest message takes from its samples to its arrival
 */
export function toNeural({ quickest }: StreamClock, serverMs: number, transportMs: number): NeuralTime | null {
  if (quickest.length === 0) return null;
  const fromSlot = quickest[quickest.length - 1].slot - NEWEST_SLOTS;
  let offsetMs = 0;
  let most = Number.POSITIVE_INFINITY;
  let least = Number.POSITIVE_INFINITY;
  let newest = Number.POSITIVE_INFINITY;
  for (const sample of quickest) {
    const driftMs = MAX_DRIFT * Math.abs(serverMs - sample.serverMs);
    if (sample.offsetMs + driftMs < most) {
      most = sample.offsetMs + driftMs;
      offsetMs = sample.offsetMs;
    }
    least = Math.min(least, sample.offsetMs - driftMs);
    if (sample.slot > fromSlot) newest = Math.min(newest, sample.offsetMs + driftMs);
  }
  const estimateMs = serverMs - offsetMs + transportMs / 2;
  const earliestMs = serverMs - Math.max(newest, most);
  const latestMs = serverMs - least + transportMs;
  return {
    neuralS: estimateMs / 1000,
    uncertaintyMs: Math.max(latestMs - estimateMs, estimateMs - earliestMs),
    earliestS: earliestMs / 1000,
    latestS: latestMs / 1000,
  };
}
