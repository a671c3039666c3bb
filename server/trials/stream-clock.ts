/**
 * Where a stream's time stands on the server's clock, from arrivals alone (`alignment: software`). A message that arrives at
 * `arrivedServerMs` carries stream time up to `untilS`; transport only ever adds delay, so the smallest difference seen lately is
 * the closest to the truth. The spread of the per-second minima is carried as the uncertainty.
 */
export interface StreamClock {
  /** Smallest arrivedServerMs − 1000·untilS in each of the last seconds, oldest first. */
  minima: readonly { second: number; offsetMs: number }[];
}

/** Long enough to meet a quick message under load, short enough that 50 ppm of drift stays under a millisecond. */
const rememberedSeconds = 15;

export const initStreamClock = (): StreamClock => ({ minima: [] });

export function stepStreamClock({ minima }: StreamClock, untilS: number, arrivedServerMs: number): StreamClock {
  const second = Math.floor(arrivedServerMs / 1000);
  const offsetMs = arrivedServerMs - 1000 * untilS;
  const last = minima.at(-1);
  if (last?.second === second) {
    return offsetMs < last.offsetMs ? { minima: [...minima.slice(0, -1), { second, offsetMs }] } : { minima };
  }
  const kept = minima.filter((m) => m.second > second - rememberedSeconds);
  return { minima: [...kept, { second, offsetMs }] };
}

/** A server time on the stream's clock, with the uncertainty of the conversion; null before the stream was heard. */
export function toNeural(clock: StreamClock, serverMs: number): { neuralS: number; uncertaintyMs: number } | null {
  if (clock.minima.length === 0) return null;
  const offsets = clock.minima.map((m) => m.offsetMs);
  const least = Math.min(...offsets);
  return { neuralS: (serverMs - least) / 1000, uncertaintyMs: Math.max(...offsets) - least };
}
