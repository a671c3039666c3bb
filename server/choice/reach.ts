import { type Basis, blockStart } from "../tuning/basis.ts";
import { rowStart } from "../tuning/kernels/kernels.ts";
import { covarianceAt, covarianceOf, type Posterior, strideOf } from "../tuning/posterior.ts";
import { applyTarget, type Targets } from "./target.ts";

/**
 * What `variance` needs of every unit's covariance: how far an observation reaches into the target set. Held beside the
 * posterior and kept up by one extra product a trial; from scratch it costs a dozen.
 */
export interface Reach {
  targets: Targets;
  /** G_d = (C M C)_dd: units × latents × B × B, in kernel memory. */
  blocks: Float64Array;
  /** tr(C M) of each unit: its posterior variance of η averaged over the target set. */
  total: Float64Array;
  /** Vectors of length S to work with: M y and C M y. */
  my: Float64Array;
  w: Float64Array;
  /** C as a square, P × S. */
  square: Float64Array;
}

export const reachNumbers = (basis: Basis, units: number): number =>
  units * basis.latents * basis.block ** 2 + (2 + basis.size) * strideOf(basis) + 8;

export function createReach(targets: Targets, posterior: Posterior): Reach {
  const { block, latents, size } = targets.basis;
  const { kernels, stride, units } = posterior;
  const reach: Reach = {
    targets,
    blocks: kernels.take(units * latents * block * block),
    total: new Float64Array(units),
    my: kernels.take(stride),
    w: kernels.take(stride),
    square: kernels.take(size * stride),
  };
  for (let u = 0; u < units; u++) computeReach(reach, posterior, u);
  return reach;
}

/** From scratch, for a unit whose covariance or target changed otherwise than by `keepReach`. */
export function computeReach({ targets, blocks, total, my, square }: Reach, posterior: Posterior, unit: number): void {
  const { block, latents, size } = targets.basis;
  const { kernels, stride } = posterior;
  const packed = covarianceOf(posterior, unit);
  for (let i = 0, row = 0; i < size; row = rowStart(++i))
    for (let j = 0; j <= i; j++) square[i * stride + j] = square[j * stride + i] = packed[row + j];
  const columnAt = (i: number) => square.byteOffset + 8 * i * stride;
  applyTarget(targets, posterior, unit, columnAt(0), my.byteOffset);
  total[unit] = my[0];
  for (let d = 0; d < latents; d++) {
    const at = blockStart(targets.basis, d);
    const out = (unit * latents + d) * block * block;
    for (let j = 0; j < block; j++) {
      applyTarget(targets, posterior, unit, columnAt(at + j), my.byteOffset);
      total[unit] += my[at + j];
      for (let i = 0; i <= j; i++) {
        const value = kernels.dot(columnAt(at + i), my.byteOffset, stride);
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
export function keepReach(reach: Reach, posterior: Posterior, unit: number, yAt: number, kappa: number): void {
  const { targets, blocks, total, my, w } = reach;
  const { kernels, basis, stride } = posterior;
  applyTarget(targets, posterior, unit, yAt, my.byteOffset);
  kernels.project(covarianceAt(posterior, unit), my.byteOffset, w.byteOffset, basis.size, stride);
  const n = basis.latents * basis.block ** 2;
  const y = new Float64Array(my.buffer, yAt, stride);
  total[unit] -= updateBlocks(reach, posterior, y, kappa, blocks, unit * n);
}

/** The blocks' part of `keepReach`, with M y and C M y in `reach.my` and `reach.w`; gives the drop of tr(C M), κ q. */
export function updateBlocks(
  { my, w }: Reach,
  { kernels, basis, stride }: Posterior,
  y: Float64Array,
  kappa: number,
  blocks: Float64Array,
  at: number,
): number {
  const { block, latents } = basis;
  const q = kernels.dot(y.byteOffset, my.byteOffset, stride);
  let out = at;
  for (let d = 0; d < latents; d++) {
    const from = blockStart(basis, d);
    for (let i = from; i < from + block; i++) {
      const a = kappa * (kappa * q * y[i] - w[i]);
      const b = kappa * y[i];
      for (let j = from; j < from + block; j++) blocks[out++] += a * y[j] - b * w[j];
    }
  }
  return kappa * q;
}
