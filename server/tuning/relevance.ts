import { blockStart } from "./basis.ts";
import type { Posterior } from "./posterior.ts";

/**
 * How strongly the precisions are held near where they started: a Gamma(shape, shape/precision) hyperprior on each group.
 * Small enough that a hundred trials decide, large enough that the first ten do not switch a latent off.
 */
const HYPERPRIOR_SHAPE = 0.5;
const LARGEST_RATIO = 1e3;
const SMALLEST_RATIO = 1 / 50;

/**
 * One step of automatic relevance determination for a unit: for each latent one precision scale for the linear weight and
 * one for the smooth part (MacKay 1992, eq. 3.11, with a Gamma hyperprior): τ ← (γ + 2a) / (w'Rw + 2b), γ = n − τ tr(R C).
 * The posterior is then changed to what it would be under the new prior, exactly for its Gaussian likelihood terms: each
 * change δ of a weight's precision is a pseudo-observation of 0 with precision δ.
 *
 * @param start the prior's precisions before any learning, length P
 */
export function learnRelevance(posterior: Posterior, unit: number, start: Float64Array): void {
  const { basis, mean, covariance, precision } = posterior;
  const { size, block } = basis;
  const target = precision.slice(unit * size, (unit + 1) * size);
  for (let d = 0; d < basis.latents; d++) {
    const at = blockStart(basis, d);
    for (const [from, to] of [
      [at, at + 1],
      [at + 1, at + block],
    ] as const) {
      let gamma = 0;
      let energy = 0;
      for (let i = from; i < to; i++) {
        gamma += 1 - precision[unit * size + i] * covariance[(unit * size + i) * size + i];
        energy += start[i] * mean[unit * size + i] ** 2;
      }
      const ratio = (Math.max(gamma, 0) + 2 * HYPERPRIOR_SHAPE) / (energy + 2 * HYPERPRIOR_SHAPE);
      const kept = Math.min(Math.max(ratio, SMALLEST_RATIO), LARGEST_RATIO);
      for (let i = from; i < to; i++) target[i] = start[i] * kept;
    }
  }
  for (let i = 0; i < size; i++) changePrecision(posterior, unit, i, target[i]);
}

function changePrecision({ basis, mean, covariance, precision }: Posterior, unit: number, i: number, to: number): void {
  const { size } = basis;
  const delta = to - precision[unit * size + i];
  if (delta === 0) return;
  precision[unit * size + i] = to;
  const column = covariance.slice((unit * size + i) * size, (unit * size + i + 1) * size);
  const kappa = delta / (1 + delta * column[i]);
  const step = kappa * mean[unit * size + i];
  for (let j = 0; j < size; j++) {
    const scaled = kappa * column[j];
    mean[unit * size + j] -= step * column[j];
    const row = (unit * size + j) * size;
    for (let k = 0; k < size; k++) covariance[row + k] -= scaled * column[k];
  }
}
