/**
 * For a unit whose tuning is no sum of curves: the additive model and a smooth surface on two of its latents besides. The surface is
 * a tensor product of a few functions of each, all 0 at 0, so that it vanishes on both axes: the curves stay the traversals that they are.
 */
import { type Basis, blockStart, features } from "./basis.ts";
import { believedAt, priorMean, type UnitBelief } from "./belief.ts";
import { inverse, invertFactor } from "./cholesky.ts";
import { learnDispersion } from "./dispersion.ts";
import { scorePairs } from "./interactions.ts";
import { Z95 } from "./interval.ts";
import {
  climb,
  createLikelihood,
  createMode,
  formCurvature,
  type Likelihood,
  logEvidence,
  type Mode,
  type Prior,
  type TrialData,
} from "./laplace.ts";
import { expectedCount } from "./observation.ts";
import { curveGrid } from "./report.ts";
import { createScoreTests } from "./score-test.ts";

export interface PairFit {
  /** The two latents, in ascending order. */
  latents: [number, number];
  /** Log Bayes factor of "some two latents have a surface of their own, any two as likely" against the additive model, in nats. */
  logBayesFactor: number;
  /**
   * Rate in spikes/s over the two latents on `curveGrid` × `curveGrid` (first latent × second), the others at 0: posterior median
   * and 90 % interval.
   */
  rateHz: number[][];
  lowHz: number[][];
  highHz: number[][];
}

/** A surface is offered where the data are this many times likelier with it. */
const OFFERED_AT = 20;
/** Functions of each latent: the linear one and the first smooth ones. */
const MOST_FUNCTIONS = 4;
/** Pairs that are fitted: those with the largest score. */
const CANDIDATES = 3;
/** Standard deviations of the surface, in units of the product of the two latents' own; equally likely beforehand. */
const SCALES = [1, 2, 4, 8, 16];

/**
 * The surface on the two latents for which the evidence is highest; null where the Bayes factor is not above 20.
 *
 * @param belief the additive fit to the same trials
 * @param startPrecision the prior's precisions before any learning, length P
 * @param windowS response window, seconds
 */
export function offerPair(
  belief: UnitBelief,
  startPrecision: Float64Array,
  data: TrialData,
  counts: Float64Array,
  windowS: number,
): PairFit | null {
  const { basis, observation } = belief;
  if (basis.latents < 2) return null;
  const additive = createLikelihood(observation, data, counts, basis.size);
  const prior: Prior = { mean: priorMean(basis, observation), precision: belief.precision };
  const mode = createMode(belief.mean);
  climb(additive, prior, belief.dispersion, mode, 1e-10);
  formCurvature(additive, prior, mode);
  const without = logEvidence(additive, prior, belief.dispersion, mode);
  const pairs = scorePairs(basis, data, additive, createScoreTests(additive, prior, mode), mode.theta);
  const fits = pairs
    .slice(0, CANDIDATES)
    .map(({ latents }) => fitSurface(belief, startPrecision, data, counts, latents, mode.theta));
  const best = fits.reduce((a, b) => (b.logEvidence > a.logEvidence ? b : a));
  const logBayesFactor = best.logEvidence - without - Math.log(pairs.length);
  return logBayesFactor > Math.log(OFFERED_AT) ? { ...surfaceOf(belief, best, windowS), logBayesFactor } : null;
}

interface SurfaceFit {
  latents: [number, number];
  /** Averaged over SCALES. */
  logEvidence: number;
  /** Weights of the likeliest scale: the additive ones and the surface's; their covariance. */
  mean: Float64Array;
  covariance: Float64Array;
}

function fitSurface(
  { basis, observation, precision, dispersion: additiveDispersion }: UnitBelief,
  startPrecision: Float64Array,
  data: TrialData,
  counts: Float64Array,
  latents: [number, number],
  theta: Float64Array,
): SurfaceFit {
  const functions = Math.min(basis.block, MOST_FUNCTIONS);
  const size = basis.size + functions ** 2;
  const x = new Float64Array(data.trials * size);
  for (let t = 0; t < data.trials; t++) {
    const row = x.subarray(t * size, (t + 1) * size);
    row.set(data.x.subarray(t * basis.size, (t + 1) * basis.size));
    writeProducts(basis, latents, functions, row);
  }
  const likelihood = createLikelihood(observation, { ...data, x }, counts, size);
  const mean = new Float64Array(size);
  mean.set(priorMean(basis, observation));
  const start = new Float64Array(size);
  start.set(theta);
  let dispersion = additiveDispersion;
  const fits = SCALES.map((scale) => {
    const prior: Prior = { mean, precision: new Float64Array(size) };
    prior.precision.set(precision);
    latents.forEach((latent, which) => {
      const at = blockStart(basis, latent);
      // What the additive fit learned of these two curves, it learned of averages over the other latent: too smooth, too flat.
      prior.precision.set(startPrecision.subarray(at, at + basis.block), at);
      for (let i = 0; i < functions; i++)
        for (let j = 0; j < functions; j++) {
          const own = startPrecision[at + (which === 0 ? i : j)];
          const k = basis.size + i * functions + j;
          prior.precision[k] = which === 0 ? own / scale ** 2 : prior.precision[k] * own;
        }
    });
    const mode = createMode(start);
    climb(likelihood, prior, dispersion, mode, 1e-4);
    if (dispersion > 0) {
      formCurvature(likelihood, prior, mode);
      dispersion = learnDispersion(likelihood, determinedBy(likelihood, prior, mode));
    }
    climb(likelihood, prior, dispersion, mode, 1e-10);
    formCurvature(likelihood, prior, mode);
    start.set(mode.theta);
    return { mode, evidence: logEvidence(likelihood, prior, dispersion, mode) };
  });
  const best = fits.reduce((a, b) => (b.evidence > a.evidence ? b : a));
  const average = fits.reduce((sum, { evidence }) => sum + Math.exp(evidence - best.evidence), 0) / SCALES.length;
  const lower = new Float64Array(size ** 2);
  invertFactor(best.mode.factored, size, lower);
  return {
    latents,
    logEvidence: best.evidence + Math.log(average),
    mean: best.mode.theta,
    covariance: inverse(lower, size),
  };
}

/** γ = P − Σ precision · variance: how many weights the data determine. */
function determinedBy(likelihood: Likelihood, { precision }: Prior, mode: Mode): number {
  const n = likelihood.size;
  const lower = new Float64Array(n * n);
  invertFactor(mode.factored, n, lower);
  let sum = n;
  for (let i = 0; i < n; i++) for (let k = i; k < n; k++) sum -= precision[i] * lower[k * n + i] ** 2;
  return sum;
}

/** Writes f_i(z_a) f_j(z_b) after the P features in `row`; f are the first features of a latent's block. */
function writeProducts(basis: Basis, [a, b]: [number, number], functions: number, row: Float64Array): void {
  const first = blockStart(basis, a);
  const second = blockStart(basis, b);
  for (let i = 0; i < functions; i++)
    for (let j = 0; j < functions; j++) row[basis.size + i * functions + j] = row[first + i] * row[second + j];
}

function surfaceOf({ basis, observation }: UnitBelief, { latents, mean, covariance }: SurfaceFit, windowS: number) {
  const size = mean.length;
  const functions = Math.sqrt(size - basis.size);
  const face = new Float64Array(basis.latents);
  const x = new Float64Array(size);
  const rate = (eta: number) => expectedCount(observation, eta) / windowS;
  const rateHz: number[][] = [];
  const lowHz: number[][] = [];
  const highHz: number[][] = [];
  for (const u of curveGrid) {
    const row: { rate: number; low: number; high: number }[] = curveGrid.map((v) => {
      face[latents[0]] = u;
      face[latents[1]] = v;
      x.set(features(basis, face));
      writeProducts(basis, latents, functions, x);
      const { mean: eta, variance } = believedAt({ mean, covariance }, x);
      const reach = Z95 * Math.sqrt(variance);
      return { rate: rate(eta), low: rate(eta - reach), high: rate(eta + reach) };
    });
    rateHz.push(row.map((point) => point.rate));
    lowHz.push(row.map((point) => point.low));
    highHz.push(row.map((point) => point.high));
  }
  return { latents, rateHz, lowHz, highHz };
}
