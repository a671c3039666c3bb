import { type Basis, blockStart, writeBlock } from "./basis.ts";
import type { UnitBelief } from "./belief.ts";
import { expectedCount } from "./observation.ts";

/** Where curves are reported along a traversal, in latent units. */
export const curveGrid: readonly number[] = Array.from({ length: 13 }, (_, i) => -3 + i * 0.5);

export interface UnitReport {
  unit: string;
  /** Latent with the largest share of the tuning. */
  bestLatent: number;
  /** p_d: share of the variance of log rate over faces z ~ N(0, I) that latent d explains; sums to 1. Length D. */
  shares: number[];
  /** Expected rate at the origin of latent space, in spikes/s, with its 90 % interval. */
  baselineHz: { estimate: number; low: number; high: number };
  /** g_d on `curveGrid`, log rate relative to the origin: latents × grid, with the posterior standard deviation. */
  curves: { mean: number[]; sd: number[] }[];
}

/** Shares of the mean curves, and the largest: the cheap part of a report. */
export function sharesOf(basis: Basis, weights: ArrayLike<number>): { bestLatent: number; shares: number[] } {
  const { block } = basis;
  const phi = new Float64Array(block);
  const explained = Array.from({ length: basis.latents }, (_, d) => {
    const at = blockStart(basis, d);
    return curveVariance(
      curveGrid.map((value) => {
        writeBlock(basis, value, phi);
        return phi.reduce((sum, p, i) => sum + p * weights[at + i], 0);
      }),
    );
  });
  const total = explained.reduce((a, b) => a + b, 0);
  const shares = explained.map((v) => (total > 0 ? v / total : 1 / basis.latents));
  return { bestLatent: shares.indexOf(Math.max(...shares)), shares };
}

/** What is known of a unit. @param windowS response window, seconds */
export function reportUnit(belief: UnitBelief, name: string, windowS: number): UnitReport {
  const { basis, mean, covariance, observation } = belief;
  const { size, block } = basis;
  const phi = new Float64Array(block);
  const curves = Array.from({ length: basis.latents }, (_, d) => {
    const at = blockStart(basis, d);
    const curve: { mean: number[]; sd: number[] } = { mean: [], sd: [] };
    for (const value of curveGrid) {
      writeBlock(basis, value, phi);
      let variance = 0;
      let m = 0;
      for (let i = 0; i < block; i++) {
        m += phi[i] * mean[at + i];
        for (let j = 0; j < block; j++) variance += phi[i] * phi[j] * covariance[(at + i) * size + at + j];
      }
      curve.mean.push(m);
      curve.sd.push(Math.sqrt(Math.max(variance, 0)));
    }
    return curve;
  });
  const sd = Math.sqrt(covariance[0]);
  const rate = (eta: number) => expectedCount(observation, eta) / windowS;
  return {
    unit: name,
    ...sharesOf(basis, mean),
    baselineHz: { estimate: rate(mean[0]), low: rate(mean[0] - 1.645 * sd), high: rate(mean[0] + 1.645 * sd) },
    curves,
  };
}

/** Variance of a curve given on `curveGrid` under a standard normal latent. */
function curveVariance(curve: readonly number[]): number {
  let weight = 0;
  let first = 0;
  let second = 0;
  curve.forEach((value, i) => {
    const w = Math.exp(-0.5 * curveGrid[i] ** 2);
    weight += w;
    first += w * value;
    second += w * value * value;
  });
  return second / weight - (first / weight) ** 2;
}
