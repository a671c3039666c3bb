/** Spikes about the onsets of the last trials, unit by unit, for rasters and response-time histograms. */
import type { SpikeBatch } from "../acquisition/spike-batch.ts";

/** From an onset, in ms. */
export const RASTER_FROM_MS = -100;
export const RASTER_TO_MS = 700;
/** Trials that are kept, and spikes about one: more than the last few are not looked at. */
const KEPT_TRIALS = 200;
const MOST_SPIKES = 20_000;

interface About {
  trial: number;
  unit: Uint16Array;
  ms: Float32Array;
}

export interface Raster {
  take(batch: SpikeBatch): void;
  /** A trial was closed whose onset lies at `onsetS` on the stream's clock. */
  closed(trial: number, onsetS: number): void;
  /** The sender began again: times before say nothing. */
  restarted(): void;
  of(unit: number): { trials: number; row: Uint16Array; ms: Float32Array };
}

export function createRaster(): Raster {
  let recent: SpikeBatch[] = [];
  let waiting: { trial: number; onsetS: number }[] = [];
  const kept: About[] = [];

  function gather({ trial, onsetS }: { trial: number; onsetS: number }): About {
    const unit: number[] = [];
    const ms: number[] = [];
    for (const batch of recent)
      for (let i = 0; i < batch.timeS.length && unit.length < MOST_SPIKES; i++) {
        const at = 1000 * (batch.timeS[i] - onsetS);
        if (at < RASTER_FROM_MS || at >= RASTER_TO_MS) continue;
        for (let k = batch.count ? Math.min(batch.count[i], 50) : 1; k > 0; k--) {
          unit.push(batch.unit[i]);
          ms.push(at);
        }
      }
    return { trial, unit: Uint16Array.from(unit), ms: Float32Array.from(ms) };
  }

  return {
    take(batch) {
      if (batch.unit.length > 0) recent.push(batch);
      const passed = waiting.filter(({ onsetS }) => onsetS + RASTER_TO_MS / 1000 <= batch.untilS);
      if (passed.length > 0) {
        kept.push(...passed.map(gather));
        kept.splice(0, kept.length - KEPT_TRIALS);
        waiting = waiting.filter((one) => !passed.includes(one));
      }
      // An onset is confirmed, and its window closed, long before this.
      if (recent.length > 0 && batch.untilS - recent[0].untilS > FORGOTTEN_S)
        recent = recent.filter(({ untilS }) => batch.untilS - untilS < FORGOTTEN_S / 2);
    },
    closed: (trial, onsetS) => void waiting.push({ trial, onsetS }),
    restarted() {
      recent = [];
      waiting = [];
    },
    of(unit) {
      const row: number[] = [];
      const ms: number[] = [];
      kept.forEach((about, r) => {
        for (let i = 0; i < about.unit.length; i++)
          if (about.unit[i] === unit) {
            row.push(r);
            ms.push(about.ms[i]);
          }
      });
      return { trials: kept.length, row: Uint16Array.from(row), ms: Float32Array.from(ms) };
    },
  };
}

const FORGOTTEN_S = 10;
