/**
 * What is known of a unit, as a person asks for it, each figure with its 90 % interval. Intervals of rates are exact for the
 * Gaussian posterior (a rate rises with η); those of shares, alignment and axis come from draws of the weights.
 */
import type { Random } from "../random.ts";
import { quantile } from "../session/quantile.ts";
import { averageGradient, type Basis, blockStart, features, writeBlock } from "./basis.ts";
import { believedAt, type UnitBelief } from "./belief.ts";
import { dot, factor } from "./cholesky.ts";
import { type Interval, Z95 } from "./interval.ts";
import type { Misfit } from "./misfit.ts";
import { expectedCount, type Link, logRateSlope } from "./observation.ts";
import type { PairFit } from "./pair.ts";
import type { Codes, HeldOut } from "./rivals.ts";

/** Where curves are reported along a traversal, in latent units. */
export const curveGrid: readonly number[] = Array.from({ length: 13 }, (_, i) => -3 + i * 0.5);

/** One latent's curve along its traversal from the origin, on `curveGrid`. */
export interface Curve {
  /** Log rate relative to the origin, and its posterior standard deviation. */
  mean: number[];
  sd: number[];
  /** Rate in spikes/s (posterior median) with its 90 % interval. */
  rateHz: number[];
  lowHz: number[];
  highHz: number[];
}

export interface UnitReport {
  unit: string;
  /** Latent with the largest share of the tuning. */
  bestLatent: number;
  /**
   * p_d: share of the variance of η (log rate, with the exponential link) over faces z ~ N(0, I) that latent d explains, without what is
   * noise; sums to 1. Length D.
   */
  shares: number[];
  /** 90 % interval of each share. A share of exactly 0 or 1 is at its bound, where no interval can hold it as often as that: ask `codes`. */
  sharesInterval: { low: number[]; high: number[] };
  /** Rate at the origin of latent space, in spikes/s. */
  baselineHz: Interval;
  /** One a latent. */
  curves: Curve[];
  /** Which latents the unit codes, with probabilities; null where rivals were not kept. */
  codes: Codes | null;
  /** a = 1 − H(p)/log D: 1 where one latent carries all, 0 where all carry as much. */
  alignment: Interval;
  /** Preferred axis: unit vector of the average gradient of η over faces z ~ N(0, I), and the angle within which 90 % of draws lie. */
  axis: { direction: number[]; coneDeg: number };
  /** Face of the highest expected rate inside ±range, and the rate there in spikes/s. */
  peak: { latents: number[]; rateHz: Interval };
  /** From η to the expected count: the one that the unit's counts speak for, where the experiment leaves it open. */
  link: Link;
  /** φ: counts have variance λ + φ λ². */
  dispersion: number;
  /** Its 90 % interval; null before the first batch refit, and for Poisson counts. */
  dispersionInterval: { low: number; high: number } | null;
  /** Whether the unit counts when faces are chosen. */
  counts: boolean;
  /** Usable trials before it was sorted anew, which say nothing of it; null where it never was. */
  sortedAnewAfter: number | null;
  /** Variance of counts over their mean at the mean rate over faces z ~ N(0, I): 1 + φ λ. */
  fano: number;
  heldOut: HeldOut | null;
  misfit: Misfit | null;
  pair: PairFit | null;
  /** Why the unit could not be examined for a misfit; null where it was, or nobody asked. */
  unexamined: string | null;
}

/** What others know of a unit, and how it is to be reported. */
export interface ReportOptions {
  /** Response window, seconds. */
  windowS: number;
  /** Faces lie inside ±range, in latent units. */
  range: number;
  codes?: Codes | null;
  heldOut?: HeldOut | null;
  misfit?: Misfit | null;
  pair?: PairFit | null;
  dispersionInterval?: UnitReport["dispersionInterval"];
  counts?: boolean;
  sortedAnewAfter?: number | null;
}

const DRAWS = 200;
const degrees = 180 / Math.PI;

/**
 * @param random draws of the weights come from it: the same generator gives the same report
 */
export function reportUnit(belief: UnitBelief, name: string, options: ReportOptions, random: Random): UnitReport {
  const { basis, observation, dispersion, mean } = belief;
  const { windowS, range } = options;
  const draws = drawWeights(belief, DRAWS, random);
  const explained = explainedWith(belief, draws);
  const shares = normalised(explained.estimate);
  const drawn = explained.drawsWithout(2).map(normalised);
  const perLatent = shares.map((share, d) =>
    intervalAbout(
      share,
      drawn.map((p) => p[d]),
    ),
  );
  const direction = axisOf(basis, mean);
  const angles = draws.map((weights) => {
    const cosine = axisOf(basis, weights).reduce((sum, v, d) => sum + v * direction[d], 0);
    return degrees * Math.acos(Math.min(Math.max(cosine, -1), 1));
  });
  const peak = peakOf(belief, range);
  const meanCount = meanOf(
    Array.from({ length: DRAWS }, () => {
      const face = Float64Array.from({ length: basis.latents }, () => random.normal());
      return expectedCount(observation, dot(features(basis, face), mean));
    }),
  );
  return {
    unit: name,
    bestLatent: shares.indexOf(Math.max(...shares)),
    shares,
    sharesInterval: { low: perLatent.map(({ low }) => low), high: perLatent.map(({ high }) => high) },
    baselineHz: rateAt(belief, features(basis, new Float64Array(basis.latents)), windowS),
    curves: Array.from({ length: basis.latents }, (_, d) => curveOf(belief, d, windowS)),
    codes: options.codes ?? null,
    alignment: intervalAbout(alignmentOf(shares), drawn.map(alignmentOf)),
    axis: { direction, coneDeg: quantile(angles, 0.9) },
    peak: { latents: peak, rateHz: rateAt(belief, features(basis, peak), windowS) },
    dispersion,
    dispersionInterval: options.dispersionInterval ?? null,
    counts: options.counts ?? true,
    sortedAnewAfter: options.sortedAnewAfter ?? null,
    link: observation.link,
    fano: 1 + dispersion * meanCount,
    heldOut: options.heldOut ?? null,
    misfit: options.misfit ?? null,
    pair: options.pair ?? null,
    unexamined: null,
  };
}

/**
 * Alignment of a population with the latents: Σ ρ_n a_n with ρ_n the unit's share of the variance that all units' tuning has together
 * (the completeness score of Eastwood & Williams 2018 with units for codes). What is not known of a unit makes it look tuned to every
 * latent where it is taken for tuning, and to few where it is taken for noise: the interval goes from the one to the other, and the
 * estimate lies half-way between their medians. Null without units.
 */
export function populationAlignment(beliefs: readonly UnitBelief[], random: Random): Interval | null {
  if (beliefs.length === 0) return null;
  const units = beliefs.map((belief, u) => explainedWith(belief, drawWeights(belief, DRAWS, random.split("unit", u))));
  const drawn = (noises: number) => {
    const each = units.map(({ drawsWithout }) => drawsWithout(noises));
    return Array.from({ length: DRAWS }, (_, k) => alignmentTogether(each.map((draws) => draws[k])));
  };
  const [asTuning, asNoise] = [drawn(0), drawn(2)];
  const estimate = (quantile(asTuning, 0.5) + quantile(asNoise, 0.5)) / 2;
  return {
    estimate,
    low: Math.min(quantile(asTuning, 0.05), estimate),
    high: Math.max(quantile(asNoise, 0.95), estimate),
  };
}

/** The population's alignment from what each latent explains of each unit, units × D. */
function alignmentTogether(explained: readonly number[][]): number {
  let total = 0;
  let sum = 0;
  for (const unit of explained) {
    const own = unit.reduce((a, b) => a + b, 0);
    total += own;
    sum += own * alignmentOf(normalised(unit));
  }
  return total > 0 ? sum / total : 0;
}

/** What each latent explains of a unit, as `reportUnit` has it, and as shares. */
export function explainedShares(belief: UnitBelief): { shares: number[]; explained: number[] } {
  const { estimate } = explainedWith(belief, []);
  return { shares: normalised(estimate), explained: estimate };
}

/**
 * Variance that each latent explains, w'V w, as an estimate without the part that is noise, and over draws of the weights: what is
 * not known of w adds tr(V C) to the square of its mean, and a draw adds as much again (the bias-corrected bootstrap, Efron 1987), so
 * that draws without noise are those less twice it.
 */
function explainedWith({ basis, mean, covariance }: UnitBelief, draws: readonly Float64Array[]) {
  const { block, size } = basis;
  const moments = blockCovariance(basis);
  const noise = Array.from({ length: basis.latents }, (_, d) => {
    const at = blockStart(basis, d);
    let sum = 0;
    for (let i = 0; i < block; i++)
      for (let j = 0; j < block; j++) sum += moments[i * block + j] * covariance[(at + i) * size + at + j];
    return sum;
  });
  const without = (times: number) => (v: number, d: number) => Math.max(v - times * noise[d], 0);
  return {
    estimate: explainedBy(basis, mean).map(without(1)),
    /** Less so many times what is noise in the estimate. */
    drawsWithout: (noises: number) => draws.map((weights) => explainedBy(basis, weights).map(without(noises))),
  };
}

/** Shares of the curves that `weights` make, and the largest: the cheap part of a report. */
export function sharesOf(basis: Basis, weights: ArrayLike<number>): { bestLatent: number; shares: number[] } {
  const shares = normalised(explainedBy(basis, weights));
  return { bestLatent: shares.indexOf(Math.max(...shares)), shares };
}

/** Variance of each latent's curve over z_d ~ N(0, 1): w_d'V w_d. Length D. */
function explainedBy(basis: Basis, weights: ArrayLike<number>): number[] {
  const { block } = basis;
  const covariance = blockCovariance(basis);
  return Array.from({ length: basis.latents }, (_, d) => {
    const at = blockStart(basis, d);
    let sum = 0;
    for (let i = 0; i < block; i++)
      for (let j = 0; j < block; j++) sum += weights[at + i] * covariance[i * block + j] * weights[at + j];
    return Math.max(sum, 0);
  });
}

const covarianceOfBasis = new WeakMap<Basis, Float64Array>();

/**
 * Covariance of a block's features over z ~ N(0, 1), B × B. By the trapezoidal rule on [−6, 6], exact to rounding for what is smooth
 * and dies off as a Gaussian.
 */
function blockCovariance(basis: Basis): Float64Array {
  const known = covarianceOfBasis.get(basis);
  if (known) return known;
  const { block } = basis;
  const covariance = new Float64Array(block * block);
  const first = new Float64Array(block);
  const phi = new Float64Array(block);
  const step = 0.125;
  for (let z = -6; z <= 6; z += step) {
    const w = (step * Math.exp(-0.5 * z * z)) / Math.sqrt(2 * Math.PI);
    writeBlock(basis, z, phi);
    for (let i = 0; i < block; i++) {
      first[i] += w * phi[i];
      for (let j = 0; j < block; j++) covariance[i * block + j] += w * phi[i] * phi[j];
    }
  }
  for (let i = 0; i < block; i++) for (let j = 0; j < block; j++) covariance[i * block + j] -= first[i] * first[j];
  covarianceOfBasis.set(basis, covariance);
  return covariance;
}

/** The preferred axis: unit vector of the average gradient; zeros where there is none. Length D. */
function axisOf(basis: Basis, weights: ArrayLike<number>): number[] {
  const gradient = averageGradient(basis, weights);
  const norm = Math.hypot(...gradient);
  return Array.from(gradient, (v) => (norm > 0 ? v / norm : 0));
}

/** The face inside ±range at which the mean curves are highest: each latent by itself, to 0.05. */
function peakOf({ basis, mean }: UnitBelief, range: number): number[] {
  const phi = new Float64Array(basis.block);
  const steps = Math.ceil(range / 0.05);
  return Array.from({ length: basis.latents }, (_, d) => {
    let best = 0;
    let height = 0;
    for (let i = -steps; i <= steps; i++) {
      const value = (range * i) / steps;
      writeBlock(basis, value, phi);
      const here = dot(phi, mean.subarray(blockStart(basis, d)));
      if (here > height) {
        height = here;
        best = value;
      }
    }
    return best;
  });
}

/** Rate of a face with features x, in spikes/s. */
function rateAt(belief: UnitBelief, x: Float64Array, windowS: number): Interval {
  const { mean, variance } = believedAt(belief, x);
  const reach = Z95 * Math.sqrt(variance);
  const rate = (eta: number) => expectedCount(belief.observation, eta) / windowS;
  return { estimate: rate(mean), low: rate(mean - reach), high: rate(mean + reach) };
}

function curveOf(belief: UnitBelief, latent: number, windowS: number): Curve {
  const { basis, observation } = belief;
  const curve: Curve = { mean: [], sd: [], rateHz: [], lowHz: [], highHz: [] };
  const face = new Float64Array(basis.latents);
  const [bias] = belief.mean;
  for (const value of curveGrid) {
    face[latent] = value;
    const x = features(basis, face);
    const eta = believedAt(belief, x).mean;
    const { estimate, low, high } = rateAt(belief, x, windowS);
    curve.rateHz.push(estimate);
    curve.lowHz.push(low);
    curve.highHz.push(high);
    curve.mean.push(Math.log(expectedCount(observation, eta) / expectedCount(observation, bias)));
    // The gradient of log λ(η) − log λ(bias) in the weights; only the bias is in both.
    const gradient = x.map((v) => v * logRateSlope(observation, eta));
    gradient[0] -= logRateSlope(observation, bias);
    curve.sd.push(Math.sqrt(believedAt(belief, gradient).variance));
  }
  return curve;
}

/** Draws of the weights, μ + L e with C = L L'. */
export function drawWeights({ basis, mean, covariance }: UnitBelief, draws: number, random: Random): Float64Array[] {
  const n = basis.size;
  const l = covariance.slice();
  // Rounding over thousands of updates may take the smallest eigenvalues below zero: a trace of the diagonal is added until not.
  for (let jitter = 1e-12; !factor(l, n); jitter *= 10) {
    if (jitter > 1e-3) throw new Error("covariance of a unit: expected a positive definite matrix");
    l.set(covariance);
    for (let i = 0; i < n; i++) l[i * n + i] *= 1 + jitter;
  }
  const e = new Float64Array(n);
  return Array.from({ length: draws }, () => {
    const out = mean.slice();
    for (let i = 0; i < n; i++) e[i] = random.normal();
    for (let i = 0; i < n; i++) for (let j = 0; j <= i; j++) out[i] += l[i * n + j] * e[j];
    return out;
  });
}

/** 1 − H(p)/log D; 1 for a single latent. */
export function alignmentOf(shares: readonly number[]): number {
  if (shares.length < 2) return 1;
  let entropy = 0;
  for (const p of shares) if (p > 0) entropy -= p * Math.log(p);
  // Rounding takes even shares below 0.
  return Math.max(1 - entropy / Math.log(shares.length), 0);
}

const normalised = (values: readonly number[]): number[] => {
  const total = values.reduce((a, b) => a + b, 0);
  return values.map((v) => (total > 0 ? v / total : 1 / values.length));
};

const meanOf = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

/** 90 % of the draws, and the estimate in any case: near a bound it may lie outside. */
const intervalAbout = (estimate: number, draws: readonly number[]): Interval => ({
  estimate,
  low: Math.min(quantile(draws, 0.05), estimate),
  high: Math.max(quantile(draws, 0.95), estimate),
});
