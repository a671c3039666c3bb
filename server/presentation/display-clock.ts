/** Estimates the display's clock against the server's from pings: pure. */
export interface ClockSample {
  /** The display's `performance.now()` when it answered. */
  displayMs: number;
  /** Server minus display, in ms, if the answer was given half way through the round trip. */
  offsetMs: number;
  roundTripMs: number;
}
/** Newest last. */
export type DisplayClock = readonly ClockSample[];

/** Exchanges remembered: half a minute at one a second. */
const WINDOW = 30;
/** Bound on how fast two quartz clocks drift apart: 100 parts per million. */
const DRIFT = 1e-4;

export const initDisplayClock: DisplayClock = [];

/**
 * `t0ServerMs` ping sent, `displayMs` answered, `t1ServerMs` answer received. Exchanges that contradict the new one are
 * forgotten: one of the clocks was set, or its computer slept.
 */
export function stepDisplayClock(
  clock: DisplayClock,
  { t0ServerMs, displayMs, t1ServerMs }: { t0ServerMs: number; displayMs: number; t1ServerMs: number },
): DisplayClock {
  const sample = {
    displayMs,
    offsetMs: (t0ServerMs + t1ServerMs) / 2 - displayMs,
    roundTripMs: t1ServerMs - t0ServerMs,
  };
  return [...clock.slice(1 - WINDOW).filter((old) => agree(old, sample)), sample];
}

const boundMs = (sample: ClockSample, displayMs: number): number =>
  sample.roundTripMs / 2 + DRIFT * Math.abs(displayMs - sample.displayMs);

/** Rounding of times in milliseconds since 1970. */
const ROUNDING_MS = 1e-3;

const agree = (old: ClockSample, fresh: ClockSample): boolean =>
  Math.abs(old.offsetMs - fresh.offsetMs) <= boundMs(old, fresh.displayMs) + fresh.roundTripMs / 2 + ROUNDING_MS;

/**
 * A display time on the server's clock by the exchange that pins it best: half its round trip, which bounds the error
 * however unequal the ways there and back were, plus what the clocks may have drifted since.
 * Throws where there has been no exchange.
 */
export function toServerMs(clock: DisplayClock, displayMs: number): { serverMs: number; uncertaintyMs: number } {
  let best: ClockSample | undefined;
  let uncertaintyMs = Number.POSITIVE_INFINITY;
  for (const sample of clock) {
    const bound = boundMs(sample, displayMs);
    if (bound <= uncertaintyMs) [best, uncertaintyMs] = [sample, bound];
  }
  if (best === undefined) throw new RangeError("expected at least one exchange with the display, got none");
  return { serverMs: displayMs + best.offsetMs, uncertaintyMs };
}
