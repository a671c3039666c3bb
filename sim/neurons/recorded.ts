import type { Random } from "../../server/random.ts";
import { type RecordedUnit, recordedUnits } from "../study/recorded/data.ts";
import type { Tuning } from "./families.ts";

/** What a recorded unit's counts say of it. */
export interface FittedUnit {
  /** Places along the stimulus's axis, in latent units and in order, and the mean rate at each, in spikes/s. */
  at: number[];
  meanHz: number[];
  /** φ of its counts' variance μ + φ μ². */
  dispersion: number;
}

/** A rate that no stimulus goes below: half a spike in ten seconds, so that log rates exist. */
const LEAST_HZ = 0.05;

/**
 * Rates and scatter of a recorded unit by moments: φ = Σ (n − 1)(s² − m) / Σ (n − 1)(m² − s²/n) over its stimuli, with n trials of mean m
 * and variance s² each, both sides without bias; 0 where counts scatter less than Poisson ones.
 */
export function fitUnit({ stimuli, windowMs }: RecordedUnit): FittedUnit {
  let excess = 0;
  let square = 0;
  const points = stimuli.map(({ latents, counts }) => {
    const n = counts.length;
    const mean = counts.reduce((a, b) => a + b, 0) / n;
    const squares = counts.reduce((sum, count) => sum + (count - mean) ** 2, 0);
    if (n > 1) {
      excess += squares - (n - 1) * mean;
      square += (n - 1) * mean ** 2 - squares / n;
    }
    return { at: latents[0], hz: Math.max(LEAST_HZ, (1000 * mean) / windowMs) };
  });
  points.sort((a, b) => a.at - b.at);
  return {
    at: points.map(({ at }) => at),
    meanHz: points.map(({ hz }) => hz),
    dispersion: square > 0 ? Math.max(0, excess / square) : 0,
  };
}

/** The line through the points, level beyond the first and the last. */
function interpolate(at: readonly number[], values: readonly number[], x: number): number {
  const next = at.findIndex((place) => place > x);
  if (next === 0) return values[0];
  if (next < 0) return values[values.length - 1];
  const along = (x - at[next - 1]) / (at[next] - at[next - 1]);
  return values[next - 1] + along * (values[next] - values[next - 1]);
}

/**
 * One latent, over which the rate runs as that of a real V1 or V2 unit over disparity, one of 159 drawn at random (sim/study/recorded/SOURCES.md),
 * with the scatter of its counts. No refractory period, since the scatter has it in already.
 */
export function recordedTuning(latents: number, random: Random): Tuning {
  const units = recordedUnits("disparity");
  const { at, meanHz, dispersion } = fitUnit(units[random.int(units.length)]);
  const d = random.int(latents);
  return {
    tunedTo: [d],
    rateHz: (z) => interpolate(at, meanHz, z[d]),
    refractoryMs: 0,
    ...(dispersion > 0 && { gainNoise: { variance: dispersion, correlation: 0 } }),
  };
}
