import type { FittedUnit, Simulation } from "../../protocols/experiment.ts";
import type { Random } from "../../server/random.ts";
import { type RecordedUnit, recordedUnits } from "../study/recorded/data.ts";
import type { Tuning } from "./families.ts";

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

const drawn = <T>(units: readonly T[], random: Random): T => units[random.int(units.length)];

/** The line through the points, level beyond the first and the last. */
export function interpolate(at: readonly number[], values: readonly number[], x: number): number {
  const next = at.findIndex((place) => place > x);
  if (next === 0) return values[0];
  if (next < 0) return values[values.length - 1];
  const along = (x - at[next - 1]) / (at[next] - at[next - 1]);
  return values[next - 1] + along * (values[next] - values[next - 1]);
}

/**
 * One latent, over which the rate runs as that of a real unit, drawn at random, with the scatter of its counts: of 159 V1 and V2 units over
 * disparity (sim/study/recorded/SOURCES.md), or of those that were `given`. No refractory period, since the scatter has it in already.
 *
 * @throws Error where a path is given, whose file should have been read by now
 */
export function recordedTuning(latents: number, random: Random, given: Simulation["recordedFrom"]): Tuning {
  if (typeof given === "string") throw new Error(`recordedFrom: expected the units of ${given}, it was not read`);
  const { at, meanHz, dispersion } = given ? drawn(given, random) : fitUnit(drawn(recordedUnits("disparity"), random));
  const d = random.int(latents);
  return {
    tunedTo: [d],
    rateHz: (z) => interpolate(at, meanHz, z[d]),
    refractoryMs: 0,
    ...(dispersion > 0 && { gainNoise: { variance: dispersion, correlation: 0 } }),
  };
}
