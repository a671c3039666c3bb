/**
 * Whether a unit is outside the family of tuning that it is fitted with, from what the fit leaves of its counts. Four checks, each a
 * p-value that is uniform where the model holds; a warning where one is below LEVEL after correction for all four.
 */
import type { Random } from "../random.ts";
import { type Basis, blockStart, writeBlockSlope } from "./basis.ts";
import { priorMean, type UnitBelief } from "./belief.ts";
import { invertFactor } from "./cholesky.ts";
import { centred, latentValues, scorePairs } from "./interactions.ts";
import { climb, createLikelihood, createMode, formCurvature, type Likelihood, type TrialData } from "./laplace.ts";
import { chiSquareTail } from "./numerics.ts";
import { expectedCount, logRateSlope, type Observation } from "./observation.ts";
import { multiply } from "./packed-trials.ts";
import { sharesOf } from "./report.ts";
import { createScoreTests, type ScoreTests } from "./score-test.ts";

export type MisfitCheck = "drift" | "interactions" | "dispersion" | "shape";

/** Warns when a unit is outside the family of tuning that it is fitted with. */
export interface Misfit {
  /** p-value of each check. */
  pValues: Record<MisfitCheck, number>;
  /** The two latents whose product is left over most, if that is what the interactions are about. */
  pair: [number, number] | null;
  /** What is wrong and what to do, in a sentence; null where nothing is. */
  warning: string | null;
}

/** Of all units inside the family, at most this share is warned of. */
const LEVEL = 0.05;
/** Trials, and spikes, below which nothing is said: with fewer the prior of the rate speaks louder than the counts. */
const FEWEST_TRIALS = 50;
const FEWEST_SPIKES = 150;
/** Variance over mean, about what is foretold, below which counts are called regular. */
const REGULAR = 0.9;
const PIT_BINS = 13;

/**
 * @param belief of the unit, from all of `data`
 * @param counts one a trial; NaN where the unit has none
 * @param random for the randomised quantile residuals of counts: the same generator gives the same p-values
 * @param nameOf a latent's name for the warning
 */
export function misfitOf(
  belief: UnitBelief,
  data: TrialData,
  counts: Float64Array,
  random: Random,
  nameOf: (latent: number) => string = (latent) => `z${latent + 1}`,
): Misfit | null {
  const { basis, observation, dispersion, precision } = belief;
  const likelihood = createLikelihood(observation, data, counts, basis.size);
  const spikes = likelihood.counts.reduce((sum, count) => sum + count, 0);
  if (likelihood.trials.length < FEWEST_TRIALS || spikes < FEWEST_SPIKES) return null;
  const prior = { mean: priorMean(basis, observation), precision };
  const mode = createMode(belief.mean);
  climb(likelihood, prior, dispersion, mode, 1e-10);
  formCurvature(likelihood, prior, mode);
  const tests = createScoreTests(likelihood, prior, mode);
  const lower = new Float64Array(basis.size ** 2);
  invertFactor(mode.factored, basis.size, lower);
  const eta = new Float64Array(likelihood.trials.length);
  multiply(likelihood.packed, mode.theta, eta);
  const fit: Fit = { belief, data, likelihood, tests, eta, theta: mode.theta };
  const interactions = checkInteractions(fit);
  const shape = checkShape(fit);
  const scatter = checkDispersion(fit, lower, random);
  const pValues = {
    drift: checkDrift(fit),
    interactions: interactions.p,
    dispersion: scatter.p,
    shape: shape.p,
  };
  return {
    pValues,
    pair: interactions.pair,
    warning: warningOf(observation, pValues, interactions.pair, shape.latent, scatter.regular, nameOf),
  };
}

/** What the checks look at. `eta` has a value for each of the likelihood's trials. */
interface Fit {
  belief: UnitBelief;
  data: TrialData;
  likelihood: Likelihood;
  tests: ScoreTests;
  eta: Float64Array;
  theta: Float64Array;
}

const pOf = ({ statistic, df }: { statistic: number; df: number }): number => chiSquareTail(statistic, df);

/** p-value of the smallest of k independent ones (Šidák); an upper bound where they go together. */
const smallestOf = (p: number, k: number): number => -Math.expm1(k * Math.log1p(-p));

/**
 * Drift: slow waves over the session in the level (four half waves), in the depth of the tuning and in where the best latent's curve
 * lies (two each).
 */
function checkDrift(fit: Fit): number {
  const { belief, likelihood, tests, eta, theta, data } = fit;
  const wave = (halves: number) =>
    Float64Array.from(likelihood.trials, (t) => Math.cos((Math.PI * halves * (t + 0.5)) / data.trials));
  const times = (a: Float64Array, b: Float64Array) => a.map((v, k) => v * b[k]);
  const depth = centred(eta);
  const { bestLatent } = sharesOf(belief.basis, theta);
  const gradient = latentValues(belief.basis, data, likelihood, bestLatent).map((z) =>
    slopeOf(belief.basis, theta, bestLatent, z),
  );
  return pOf(
    tests.test([
      ...[1, 2, 3, 4].map(wave),
      ...[1, 2].map((halves) => times(wave(halves), depth)),
      ...[1, 2].map((halves) => times(wave(halves), gradient)),
    ]),
  );
}

/** dg_d/dz of a latent's curve at z. */
function slopeOf(basis: Basis, theta: Float64Array, latent: number, z: number): number {
  const slopes = new Float64Array(basis.block);
  writeBlockSlope(basis, z, slopes);
  const at = blockStart(basis, latent);
  return slopes.reduce((sum, v, j) => sum + v * theta[at + j], 0);
}

/** Interactions: the product of any two latents, or the distance of the whole face from the average one; half the level for each. */
function checkInteractions({ belief: { basis }, data, likelihood, tests, theta }: Fit) {
  if (basis.latents < 2) return { p: 1, pair: null };
  const pairs = scorePairs(basis, data, likelihood, tests, theta);
  const together = smallestOf(chiSquareTail(pairs[0].statistic, 1), pairs.length);
  const all = Array.from({ length: basis.latents }, (_, d) => latentValues(basis, data, likelihood, d));
  const norm = all[0].map((_, k) => Math.sqrt(all.reduce((sum, z) => sum + z[k] ** 2, 0)));
  const far = pOf(tests.test([norm]));
  return { p: smallestOf(Math.min(together, far), 2), pair: far < together ? null : pairs[0].latents };
}

/** Shape: structure of a latent's curve finer than its functions, or a link that bends the whole (Tukey's test for non-additivity, 1949). */
function checkShape(fit: Fit): { p: number; latent: number | null } {
  const { data, likelihood, tests, eta, belief } = fit;
  const { basis } = belief;
  let best = pOf(tests.test([centred(eta).map((v) => v * v)]));
  let latent: number | null = null;
  for (let d = 0; d < basis.latents; d++) {
    const values = latentValues(basis, data, likelihood, d);
    const finer = [0, 1, 2, 3].map((j) =>
      values.map((z) => Math.sin((Math.PI * (basis.block + j) * (z + basis.halfWidth)) / (2 * basis.halfWidth))),
    );
    const p = pOf(tests.test(finer));
    if (p < best) {
      best = p;
      latent = d;
    }
  }
  return { p: smallestOf(best, basis.latents + 1), latent };
}

/**
 * Counts: their places in the distribution that is foretold for them, randomised within each count's step (Dunn & Smyth 1996), should be
 * uniform; zeros should be as many, and squared deviations as large, as foretold. Each trial is foretold without itself, to first order.
 */
function checkDispersion({ belief, data, likelihood, eta }: Fit, lower: Float64Array, random: Random) {
  const { basis, observation, dispersion } = belief;
  const { size } = basis;
  const bins = new Float64Array(PIT_BINS);
  let zeros = 0;
  let zerosExpected = 0;
  let zerosVariance = 0;
  let squares = 0;
  let foretold = 0;
  let excess = 0;
  let excessVariance = 0;
  likelihood.trials.forEach((t, k) => {
    const x = data.x.subarray(t * size, (t + 1) * size);
    const gain = Math.exp(data.offset[t]);
    // Variance of η, and both as they are without this trial: the mode with it is its mean without it plus s² times its score.
    const variance = quadraticOfFactor(lower, x);
    const without = variance / Math.max(1 - likelihood.curvature[k] * variance, 0.05);
    const m = eta[k] - without * likelihood.residual[k];
    const relative = logRateSlope(observation, m);
    const spread = Math.expm1(without * relative * relative);
    const mean = gain * expectedCount(observation, m) * Math.sqrt(1 + spread);
    const scatter = dispersion + spread * (1 + dispersion);
    const countVariance = mean + scatter * mean * mean;
    squares += (likelihood.counts[k] - mean) ** 2;
    foretold += mean;
    excess += (likelihood.counts[k] - mean) ** 2 / countVariance - 1;
    // Of a squared standardised count: 2 plus the excess kurtosis of a negative binomial.
    excessVariance += 2 + 6 * scatter + 1 / countVariance;
    const places = negativeBinomialPlaces(mean, scatter, likelihood.counts[k]);
    const u = places.below + random.uniform() * places.at;
    bins[Math.min(Math.floor(u * PIT_BINS), PIT_BINS - 1)]++;
    zeros += Number(likelihood.counts[k] === 0);
    zerosExpected += places.zero;
    zerosVariance += places.zero * (1 - places.zero);
  });
  const expected = likelihood.trials.length / PIT_BINS;
  const uniform = chiSquareTail(
    bins.reduce((sum, v) => sum + (v - expected) ** 2 / expected, 0),
    PIT_BINS - 1,
  );
  const empty = zerosVariance > 0 ? chiSquareTail((zeros - zerosExpected) ** 2 / zerosVariance, 1) : 1;
  const scattered = chiSquareTail(excess ** 2 / excessVariance, 1);
  // `regular`: counts scatter less than a Poisson process of the same rates, below which φ can't go.
  return { p: smallestOf(Math.min(uniform, empty, scattered), 3), regular: squares < REGULAR * foretold };
}

/** |M x|² = x'A⁻¹x from M = L⁻¹, A = L L'. */
function quadraticOfFactor(m: Float64Array, x: Float64Array): number {
  const n = x.length;
  let sum = 0;
  for (let i = 0; i < n; i++) {
    let row = 0;
    for (let j = 0; j <= i; j++) row += m[i * n + j] * x[j];
    sum += row * row;
  }
  return sum;
}

/** P(R < r), P(R = r) and P(R = 0) of a count with mean λ and variance λ + φ λ², φ > 0. */
function negativeBinomialPlaces(mean: number, dispersion: number, count: number) {
  const shape = 1 / dispersion;
  const logRatio = Math.log((dispersion * mean) / (1 + dispersion * mean));
  let log = -shape * Math.log1p(dispersion * mean);
  const zero = Math.exp(log);
  let below = 0;
  for (let r = 0; r < count; r++) {
    below += Math.exp(log);
    log += Math.log((r + shape) / (r + 1)) + logRatio;
  }
  return { below, at: Math.exp(log), zero };
}

function warningOf(
  { counts }: Observation,
  pValues: Record<MisfitCheck, number>,
  pair: [number, number] | null,
  fineLatent: number | null,
  regular: boolean,
  nameOf: (latent: number) => string,
): string | null {
  const [check, p] = (Object.entries(pValues) as [MisfitCheck, number][]).reduce((a, b) => (b[1] < a[1] ? b : a));
  if (p >= LEVEL / Object.keys(pValues).length) return null;
  const shown = p < 1e-4 ? "p < 0.0001" : `p = ${p.toPrecision(2)}`;
  switch (check) {
    case "drift":
      return `the unit's answers changed over the session (${shown}): check its isolation, and give recent trials more weight (tuning.memoryTrials)`;
    case "interactions":
      return pair
        ? `how it answers to ${nameOf(pair[0])} depends on ${nameOf(pair[1])} (${shown}): its curves are averages over the other latent; look at the two together`
        : `its answers depend on how far a face is from the average one, in whatever direction (${shown}), as with divisive normalisation: compare curves only among faces of the same distance`;
    case "dispersion":
      return counts === "poisson"
        ? `its counts scatter otherwise than a Poisson process (${shown}), its intervals are not to be trusted: try tuning.counts negative-binomial`
        : regular
          ? `its counts scatter less than those of a Poisson process (${shown}), more regularly than the model allows: its intervals are wider than they need be`
          : `its counts scatter as the model does not allow (${shown}), by silences or bursts: check for missed or merged spikes before trusting its intervals`;
    case "shape":
      return fineLatent === null
        ? `its rate does not follow the sum of its curves (${shown}), it saturates or has a threshold: try tuning.link softplus`
        : `its curve over ${nameOf(fineLatent)} is finer than the model can follow (${shown}): give it more functions or a shorter length scale (tuning.functions, tuning.lengthScale)`;
  }
}
