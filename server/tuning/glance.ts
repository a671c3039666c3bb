/** What is known of a unit at a glance, without draws: cheap enough for hundreds of units a few times a second. */
import { blockStart, writeBlock } from "./basis.ts";
import type { UnitBelief } from "./belief.ts";
import { type Interval, Z95 } from "./interval.ts";
import { expectedCount } from "./observation.ts";
import { alignmentOf, curveGrid, explainedShares } from "./report.ts";

export interface Glance {
  bestLatent: number;
  /** As in a report. Length D. */
  shares: number[];
  alignment: number;
  baselineHz: Interval;
  /** Variance of η that each latent explains, without what is noise. Length D. */
  explained: number[];
}

/**
 * The same figures as `reportUnit` gives, those that need no draws.
 *
 * @param windowS response window, in seconds
 * @param curves written at `at`: D × (rate, low, high) × the points of `curveGrid`, in spikes/s
 */
export function glanceAt(belief: UnitBelief, windowS: number, curves: Float32Array, at: number): Glance {
  const { basis, mean, covariance, observation } = belief;
  const { block, size, latents } = basis;
  const points = curveGrid.length;
  const rate = (eta: number) => expectedCount(observation, eta) / windowS;
  const phi = new Float64Array(block);
  for (let p = 0; p < points; p++) {
    writeBlock(basis, curveGrid[p], phi);
    for (let d = 0; d < latents; d++) {
      const start = blockStart(basis, d);
      let eta = mean[0];
      let variance = covariance[0];
      for (let i = 0; i < block; i++) {
        eta += phi[i] * mean[start + i];
        const row = (start + i) * size;
        let product = 2 * covariance[row];
        for (let j = 0; j < block; j++) product += covariance[row + start + j] * phi[j];
        variance += phi[i] * product;
      }
      const reach = Z95 * Math.sqrt(Math.max(variance, 0));
      const to = at + 3 * d * points + p;
      curves[to] = rate(eta);
      curves[to + points] = rate(eta - reach);
      curves[to + 2 * points] = rate(eta + reach);
    }
  }
  const { shares, explained } = explainedShares(belief);
  const reach = Z95 * Math.sqrt(Math.max(covariance[0], 0));
  return {
    bestLatent: shares.indexOf(Math.max(...shares)),
    shares,
    alignment: alignmentOf(shares),
    baselineHz: { estimate: rate(mean[0]), low: rate(mean[0] - reach), high: rate(mean[0] + reach) },
    explained,
  };
}
