import { expectedCount, information, type Observation } from "../tuning/observation.ts";
import type { Moments, Outlook } from "./outlook.ts";

/** Seven-point Gauss–Hermite nodes and weights for N(0, 1) (probabilists' form). */
const HERMITE: readonly (readonly [number, number])[] = [
  [-3.750439717725742, 0.0005482688559722185],
  [-2.366759410734541, 0.0307571239675865],
  [-1.1544053947399682, 0.2401231786050126],
  [0, 0.4571428571428573],
  [1.1544053947399682, 0.2401231786050126],
  [2.366759410734541, 0.0307571239675865],
  [3.750439717725742, 0.0005482688559722185],
];

/** What a candidate is worth for one unit, from what is expected of η there. */
export interface Scoring {
  /**
   * Adds `weight` times the unit's value of every face on the traversals through a base to the outlook's `worth`, and returns that of
   * the base itself.
   */
  add(unit: number, weight: number, moments: Moments, base: Float64Array): number;
}

/** A scoring whose value at a face depends on the three moments there and on nothing else. */
const ofMoments = (
  { worth }: Outlook,
  value: (unit: number, m: number, s2: number, reach: number) => number,
): Scoring => ({
  add(unit, weight, { base, m, s2, reach }) {
    for (let k = 0; k < m.length; k++) worth[k] += weight * value(unit, m[k], s2[k], reach[k]);
    return weight * value(unit, base.m, base.s2, base.reach);
  },
});

/**
 * Expected information in nats of one count about its η ~ N(m, s²): ½ E[log(1 + s² J(ρ))], by seven-point Gauss–Hermite quadrature.
 * Within 2 % of the exact mutual information where checked (Poisson, m = log 3, s² = 1: 0.738 of 0.748).
 */
export function informationGain(observation: Observation, dispersion: number, m: number, s2: number): number {
  const s = Math.sqrt(s2);
  let sum = 0;
  for (const [node, weight] of HERMITE)
    sum += weight * Math.log1p(s2 * information(observation, m + s * node, dispersion));
  return 0.5 * sum;
}

export function informationScoring(outlook: Outlook): Scoring {
  const { observations, dispersion } = outlook.posterior;
  return ofMoments(outlook, (u, m, s2) => informationGain(observations[u], dispersion[u], m, s2));
}

/**
 * Expected drop of a unit's target variance as a share of it, x'CMCx · J/(1 + s² J)/tr(C M): no unit dominates by being less known
 * or more variable than the others.
 */
export function varianceScoring({ posterior, total, worth }: Outlook): Scoring {
  const { kernels, observations, dispersion } = posterior;
  return {
    add(unit, weight, { base, m, s2, reach }) {
      const { link, priorCount } = observations[unit];
      const share = weight / total[unit];
      kernels.addWorth(
        link === "softplus",
        m.byteOffset,
        s2.byteOffset,
        reach.byteOffset,
        share,
        dispersion[unit],
        priorCount,
        worth.byteOffset,
        m.length,
      );
      const expected = information(observations[unit], base.m, dispersion[unit]);
      return (share * base.reach * expected) / (1 + base.s2 * expected);
    },
  };
}

/**
 * Upper confidence bound on the expected count, λ(m + bonus · s), as a multiple of what the unit fires to the face at the origin.
 *
 * @param bonus how many standard deviations of η count as hope
 */
export function upperBoundScoring(outlook: Outlook, bonus: number): Scoring {
  const { observations, mean, stride } = outlook.posterior;
  return ofMoments(
    outlook,
    (u, m, s2) =>
      expectedCount(observations[u], m + bonus * Math.sqrt(Math.max(s2, 0))) /
      expectedCount(observations[u], mean[u * stride]),
  );
}
