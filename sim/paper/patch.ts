import type { Random } from "../../server/random.ts";
import { softplus } from "../../server/tuning/numerics.ts";

/** What the cells of a simulated face patch code: one factor each, a random mixture of all factors, or a random axis of the pixels. */
export const codings = ["single factors", "mixtures", "random axes"] as const;
export type Coding = (typeof codings)[number];

/** Seconds of spikes behind a count: four repeats of a response window of 0.2 s. */
const countedS = 0.8;

/**
 * Spike counts of cells, [cell][face]: Poisson, each cell's rate a ramp along its own direction, as in Chang & Tsao (2017).
 *
 * @param variables what the cells code, standardised, variable v of face i at [v][i]: factors, or principal components for random axes
 */
export function simulatePatch(
  coding: Coding,
  cells: number,
  variables: readonly Float64Array[],
  random: Random,
): Float64Array[] {
  const faces = variables[0].length;
  return Array.from({ length: cells }, (_, cell) => {
    const own = random.split(coding, cell);
    const direction = coding === "single factors" ? oneHot(variables.length, cell) : unitVector(variables.length, own);
    const sign = own.uniform() < 0.5 ? -1 : 1;
    const gain = 8 + 6 * own.uniform();
    return Float64Array.from({ length: faces }, (_, i) => {
      let along = 0;
      for (let v = 0; v < variables.length; v++) along += direction[v] * variables[v][i];
      return poisson((2 + gain * softplus(1.2 * sign * along)) * countedS, own);
    });
  });
}

/** Every factor has as many cells as any other, give or take one. */
const oneHot = (length: number, cell: number) => Float64Array.from({ length }, (_, v) => Number(v === cell % length));

export function unitVector(length: number, random: Random): Float64Array {
  const vector = Float64Array.from({ length }, () => random.normal());
  const norm = Math.hypot(...vector);
  return vector.map((value) => value / norm);
}

/** Knuth's product of uniforms; means here are below a hundred, whose exponential is far from underflow. */
function poisson(mean: number, random: Random): number {
  const limit = Math.exp(-mean);
  let count = 0;
  for (let product = random.uniform(); product > limit; product *= random.uniform()) count++;
  return count;
}
