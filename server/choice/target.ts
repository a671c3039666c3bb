import { type Basis, blockStart, writeBlock } from "../tuning/basis.ts";
import { dot, type Posterior, project } from "../tuning/posterior.ts";

/**
 * What should become known: the log rate over the target set, a traversal of every latent from the origin. M = Σ_t x_t x_t'/n is
 * its second moment; of that, the part of the overall level, x̄ x̄', counts only by LEVEL_WEIGHT: the shape of the curves is what an
 * experiment is after, and the level comes with every trial. Only one block of x_t is not zero, so M is an arrowhead of the
 * shared moments below and never stored whole.
 */
export interface Target {
  basis: Basis;
  /** Mean of a block over its latent's traversal, length B. */
  first: Float64Array;
  /** Second moment of a block over its latent's traversal, B × B. */
  second: Float64Array;
  /** x̄, length P. */
  level: Float64Array;
}

/** 1: the level counts like any shape of the same variance; 0: not at all, and then rates are known up to a factor only. */
export const LEVEL_WEIGHT = 0.3;

export function createTarget(basis: Basis, grid: readonly number[]): Target {
  const { block, latents } = basis;
  const first = new Float64Array(block);
  const second = new Float64Array(block * block);
  const level = new Float64Array(basis.size);
  const phi = new Float64Array(block);
  for (const value of grid) {
    writeBlock(basis, value, phi);
    for (let i = 0; i < block; i++) {
      first[i] += phi[i] / grid.length;
      for (let j = 0; j < block; j++) second[i * block + j] += (phi[i] * phi[j]) / grid.length;
    }
  }
  level[0] = 1;
  for (let d = 0; d < latents; d++)
    for (let i = 0; i < block; i++) level[blockStart(basis, d) + i] = first[i] / latents;
  return { basis, first, second, level };
}

/** v = M y (both length P). */
export function applyTarget({ basis, first, second, level }: Target, y: Float64Array, v: Float64Array): Float64Array {
  const { block, latents, size } = basis;
  const levelOfY = dot(level, 0, y, 0, size);
  const excess = (1 - LEVEL_WEIGHT) * levelOfY;
  v[0] = levelOfY - excess;
  for (let d = 0; d < latents; d++) {
    const at = blockStart(basis, d);
    for (let i = 0; i < block; i++)
      v[at + i] = (first[i] * (y[0] - excess) + dot(second, i * block, y, at, block)) / latents;
  }
  return v;
}

/** tr(C_u M): the posterior variance of a unit's log rate over the target set. */
export function targetVariance({ basis, first, second, level }: Target, posterior: Posterior, unit: number): number {
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
  const levelVariance = dot(level, 0, project(posterior, unit, level, new Float64Array(size)), 0, size);
  return sum - (1 - LEVEL_WEIGHT) * levelVariance;
}
