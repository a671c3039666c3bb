import { type Basis, blockStart, writeBlock } from "../tuning/basis.ts";
import type { Kernels } from "../tuning/kernels/kernels.ts";
import { information } from "../tuning/observation.ts";
import type { Posterior } from "../tuning/posterior.ts";

/**
 * What should become known of each unit: η over the target set, a traversal of every latent from the origin. M = Σ_t w_t x_t x_t' with
 * Σ w = 1 is its weighted second moment; of that, the part of the overall level, x̄ x̄', counts only by LEVEL_WEIGHT: the shape of
 * the curves is what an experiment is after, and the level comes with every trial. Only one block of x_t is not zero, so M is an
 * arrowhead of the moments below and never stored whole.
 */
export interface Targets {
  basis: Basis;
  weighting: TargetWeighting;
  grid: readonly number[];
  /** φ on the grid: steps × B. */
  phi: Float64Array;
  /** x̄: S for each target, in kernel memory. One target for all units by `log-rate`, one a unit by `rate`. */
  level: Float64Array;
  /** Second moment of each latent's block: latents × B × B for each target, in kernel memory. */
  second: Float64Array;
}

/**
 * `log-rate`: every target face counts alike. `rate`: a face counts by the Fisher information that a count there has about η, so that the
 * error of √rate is what falls; it spends trials where the unit fires.
 */
export type TargetWeighting = "log-rate" | "rate";

/** 1: the level counts like any shape of the same variance; 0: not at all, and then rates are known up to a factor only. */
export const LEVEL_WEIGHT = 0.3;

export const targetNumbers = (basis: Basis, units: number): number =>
  units * (basis.size + 1 + basis.latents * basis.block ** 2 + 1);

export function createTargets(
  kernels: Kernels,
  basis: Basis,
  units: number,
  stride: number,
  grid: readonly number[],
  weighting: TargetWeighting,
): Targets {
  const targets = weighting === "rate" ? units : 1;
  const phi = new Float64Array(grid.length * basis.block);
  grid.forEach((value, t) => {
    writeBlock(basis, value, phi, t * basis.block);
  });
  return {
    basis,
    weighting,
    grid,
    phi,
    level: kernels.take(targets * stride),
    second: kernels.take(targets * basis.latents * basis.block ** 2),
  };
}

/** Which of the targets is a unit's. */
const targetOf = ({ weighting }: Targets, unit: number): number => (weighting === "rate" ? unit : 0);

/** Sets a unit's target by what is believed of it now. */
export function aim(targets: Targets, posterior: Posterior, unit: number): void {
  const { basis, weighting, grid, phi, level, second } = targets;
  const { block, latents } = basis;
  const { stride, mean, observation } = posterior;
  const target = targetOf(targets, unit);
  const own = level.subarray(target * stride, (target + 1) * stride);
  const moments = second.subarray(target * latents * block * block, (target + 1) * latents * block * block);
  own.fill(0);
  moments.fill(0);
  let total = 0;
  for (let d = 0; d < latents; d++) {
    const at = blockStart(basis, d);
    for (let t = 0; t < grid.length; t++) {
      let eta = mean[unit * stride];
      for (let i = 0; i < block; i++) eta += mean[unit * stride + at + i] * phi[t * block + i];
      const weight = weighting === "rate" ? information(observation, eta, 0) : 1;
      total += weight;
      for (let i = 0; i < block; i++) {
        const p = weight * phi[t * block + i];
        own[at + i] += p;
        for (let j = 0; j < block; j++) moments[(d * block + i) * block + j] += p * phi[t * block + j];
      }
    }
  }
  for (let i = 0; i < own.length; i++) own[i] /= total;
  for (let i = 0; i < moments.length; i++) moments[i] /= total;
  own[0] = 1;
}

/** v = M_u y, both vectors of length S in kernel memory. */
export function applyTarget(
  targets: Targets,
  { kernels, stride }: Posterior,
  unit: number,
  yAt: number,
  vAt: number,
): void {
  const { basis, level, second } = targets;
  const target = targetOf(targets, unit);
  kernels.applyTarget(
    level.byteOffset + 8 * target * stride,
    second.byteOffset + 8 * target * basis.latents * basis.block ** 2,
    LEVEL_WEIGHT,
    yAt,
    vAt,
    basis.latents,
    basis.block,
    stride,
  );
}
