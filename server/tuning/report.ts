import { blockStart, writeBlock } from "./basis.ts";
import { dot, type Posterior } from "./posterior.ts";

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

/**
 * What is known of a unit. Shares are of the variance over z_d ~ N(0, 1) of each latent's posterior mean curve, by quadrature on
 * the curve grid.
 *
 * @param unit index in the posterior
 * @param windowS response window, seconds
 */
export function reportUnit(posterior: Posterior, unit: number, name: string, windowS: number): UnitReport {
  const { basis, mean, covariance } = posterior;
  const { size, block } = basis;
  const phi = new Float64Array(block);
  const curves = Array.from({ length: basis.latents }, (_, d) => {
    const at = blockStart(basis, d);
    const curve: { mean: number[]; sd: number[] } = { mean: [], sd: [] };
    for (const value of curveGrid) {
      writeBlock(basis, value, phi);
      let variance = 0;
      for (let i = 0; i < block; i++)
        variance += phi[i] * dot(covariance, (unit * size + at + i) * size + at, phi, 0, block);
      curve.mean.push(dot(mean, unit * size + at, phi, 0, block));
      curve.sd.push(Math.sqrt(Math.max(variance, 0)));
    }
    return curve;
  });
  const explained = curves.map((curve) => curveVariance(curve.mean));
  const total = explained.reduce((a, b) => a + b, 0);
  const shares = explained.map((v) => (total > 0 ? v / total : 1 / basis.latents));
  const bias = mean[unit * size];
  const sd = Math.sqrt(covariance[unit * size * size]);
  const rate = (logCount: number) => Math.exp(logCount) / windowS;
  return {
    unit: name,
    bestLatent: shares.indexOf(Math.max(...shares)),
    shares,
    baselineHz: { estimate: rate(bias), low: rate(bias - 1.645 * sd), high: rate(bias + 1.645 * sd) },
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
