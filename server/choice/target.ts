import { type Basis, blockStart, writeBlock } from "../tuning/basis.ts";
import { dot, type Posterior } from "../tuning/posterior.ts";

/**
 * The target set: the faces at which the log rate should become known, as the second moment M = mean of x_t x_t' over a
 * traversal of every latent from the origin. Only one block of x_t is not zero, so M is an arrowhead of the shared moments
 * below and never stored whole.
 */
export interface Target {
  basis: Basis;
  /** Mean of a block over the traversal, length B. */
  first: Float64Array;
  /** Second moment of a block over the traversal, B × B. */
  second: Float64Array;
}

export function createTarget(basis: Basis, grid: readonly number[]): Target {
  const { block } = basis;
  const first = new Float64Array(block);
  const second = new Float64Array(block * block);
  const phi = new Float64Array(block);
  for (const value of grid) {
    writeBlock(basis, value, phi);
    for (let i = 0; i < block; i++) {
      first[i] += phi[i] / grid.length;
      for (let j = 0; j < block; j++) second[i * block + j] += (phi[i] * phi[j]) / grid.length;
    }
  }
  return { basis, first, second };
}

/** v = M y (both length P). */
export function applyTarget({ basis, first, second }: Target, y: Float64Array, v: Float64Array): Float64Array {
  const { block, latents } = basis;
  v[0] = y[0];
  for (let d = 0; d < latents; d++) {
    const at = blockStart(basis, d);
    v[0] += dot(first, 0, y, at, block) / latents;
    for (let i = 0; i < block; i++) v[at + i] = (first[i] * y[0] + dot(second, i * block, y, at, block)) / latents;
  }
  return v;
}

/** tr(C_u M): the posterior variance of a unit's log rate, averaged over the target set. */
export function targetVariance({ basis, first, second }: Target, posterior: Posterior, unit: number): number {
  const { block, latents, size } = basis;
  const { covariance } = posterior;
  const base = unit * size * size;
  let sum = covariance[base];
  for (let d = 0; d < latents; d++) {
    const at = blockStart(basis, d);
    sum += (2 * dot(first, 0, covariance, base + at, block)) / latents;
    for (let i = 0; i < block; i++)
      sum += dot(second, i * block, covariance, base + (at + i) * size + at, block) / latents;
  }
  return sum;
}
