import { type Basis, blockStart } from "../tuning/basis.ts";
import { dot, type Posterior, project } from "../tuning/posterior.ts";
import { applyTarget, type Target, targetVariance } from "./target.ts";

/**
 * What `variance` needs of every unit's covariance: how far an observation reaches into the target set. Held beside the
 * posterior and kept up by one extra product a trial; from scratch it costs a dozen.
 */
export interface Reach {
  target: Target;
  /** G_d = (C M C)_dd: units × latents × B × B. */
  blocks: Float64Array;
  /** tr(C M) of each unit: its posterior variance of log rate averaged over the target set. */
  total: Float64Array;
}

export function createReach(target: Target, posterior: Posterior): Reach {
  const { block, latents } = target.basis;
  const reach: Reach = {
    target,
    blocks: new Float64Array(posterior.units * latents * block * block),
    total: new Float64Array(posterior.units),
  };
  for (let u = 0; u < posterior.units; u++) computeReach(reach, posterior, u);
  return reach;
}

/** From scratch, for a unit whose covariance changed in more than one direction. */
export function computeReach({ target, blocks, total }: Reach, posterior: Posterior, unit: number): void {
  const { block, latents, size } = target.basis;
  const { covariance } = posterior;
  const v = new Float64Array(size);
  total[unit] = targetVariance(target, posterior, unit);
  for (let d = 0; d < latents; d++) {
    const at = blockStart(target.basis, d);
    const out = (unit * latents + d) * block * block;
    for (let j = 0; j < block; j++) {
      const column = (unit * size + at + j) * size;
      applyTarget(target, covariance.subarray(column, column + size), v);
      for (let i = 0; i <= j; i++) {
        const value = dot(covariance, (unit * size + at + i) * size, v, 0, size);
        blocks[out + i * block + j] = value;
        blocks[out + j * block + i] = value;
      }
    }
  }
}

/**
 * Keeps up with C ← C − κ y y', to be called before C changes: with w = C M y and q = y'My,
 * C M C ← C M C − κ (y w' + w y') + κ² q y y', and tr(C M) ← tr(C M) − κ q.
 */
export function createReachKeeper(
  basis: Basis,
): (reach: Reach, posterior: Posterior, unit: number, y: Float64Array, kappa: number) => void {
  const { block, latents, size } = basis;
  const my = new Float64Array(size);
  const w = new Float64Array(size);
  return ({ target, blocks, total }, posterior, unit, y, kappa) => {
    applyTarget(target, y, my);
    project(posterior, unit, my, w);
    const q = dot(y, 0, my, 0, size);
    total[unit] -= kappa * q;
    let out = unit * latents * block * block;
    for (let d = 0; d < latents; d++) {
      const at = blockStart(basis, d);
      for (let i = 0; i < block; i++) {
        const yi = y[at + i];
        const a = kappa * (kappa * q * yi - w[at + i]);
        const b = kappa * yi;
        for (let j = 0; j < block; j++) blocks[out++] += a * y[at + j] - b * w[at + j];
      }
    }
  };
}

export function copyReach(source: Reach, into: Reach): void {
  into.blocks.set(source.blocks);
  into.total.set(source.total);
}
