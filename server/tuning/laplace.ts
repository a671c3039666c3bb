/**
 * The Laplace approximation of a unit's posterior on all its trials at once, for a given Gaussian prior and dispersion:
 * the mode by Newton's method, the curvature there, the evidence. batch.ts learns prior and dispersion around it.
 */
import { factor, logDeterminant, solve } from "./cholesky.ts";
import { logistic, softplus } from "./numerics.ts";
import { logLikelihoodConstant, type Observation } from "./observation.ts";
import { combine, multiply, type PackedTrials, packTrials, weightedGram } from "./packed-trials.ts";

/** What was shown; one row a trial, in the order of the session. Shared by all units. */
export interface TrialData {
  /** Features, trials × P. */
  x: Float64Array;
  /** Log gain of each trial: added to η with the exponential link, log of a factor on the expected count with softplus. */
  offset: Float64Array;
  /** 0 to 1: how much of a trial counts (forgetting); 1 is all of it. */
  weight: Float64Array;
  trials: number;
}

/**
 * A unit's likelihood with buffers of its own. `evaluate` fills the per-trial values at θ; `gradient` and `hessian` sum them up.
 */
export interface Likelihood {
  size: number;
  /** Trials that count for this unit: those with a count and a weight above 0. */
  trials: Int32Array;
  packed: PackedTrials;
  /** At the last θ: expected counts; weight · d log p/dη, and the variance that it has where the model holds; minus its slope over η. */
  expected: Float64Array;
  residual: Float64Array;
  residualVariance: Float64Array;
  curvature: Float64Array;
  /** Counts and weights of `rows`. */
  counts: Float64Array;
  weight: Float64Array;
  /** Σ weight · (log p(r | η) − its part that does not depend on η), at θ. */
  evaluate(theta: Float64Array, dispersion: number): number;
  /** Gradient of the last evaluation with respect to θ. Length P. */
  gradient(out: Float64Array): void;
  /** X'WX of the last evaluation, lower triangle of n × n. */
  hessian(out: Float64Array): void;
  /** Σ weight · the part of log p(r | η) that `evaluate` leaves out. */
  constant(dispersion: number): number;
}

/**
 * @param counts one a trial; NaN where the unit has none
 * @param size P, the width of `data.x`
 */
export function createLikelihood(
  observation: Observation,
  data: TrialData,
  counts: Float64Array,
  size: number,
): Likelihood {
  const { x, trials } = data;
  for (const [what, length, expectedLength] of [
    ["counts", counts.length, trials],
    ["offsets", data.offset.length, trials],
    ["weights", data.weight.length, trials],
    ["features", x.length, trials * size],
  ] as const)
    if (length < expectedLength) throw new RangeError(`fit: expected ${expectedLength} ${what}, got ${length}`);
  const used: number[] = [];
  for (let t = 0; t < trials; t++) if (counts[t] >= 0 && data.weight[t] > 0) used.push(t);
  const n = used.length;
  const packed = packTrials(x, size, used);
  const count = Float64Array.from(used, (t) => counts[t]);
  const offset = Float64Array.from(used, (t) => data.offset[t]);
  const weight = Float64Array.from(used, (t) => data.weight[t]);
  const eta = new Float64Array(n);
  const expected = new Float64Array(n);
  const residual = new Float64Array(n);
  const residualVariance = new Float64Array(n);
  const curvature = new Float64Array(n);
  const weightOfCount = new Map<number, number>();
  for (let k = 0; k < n; k++) weightOfCount.set(count[k], (weightOfCount.get(count[k]) ?? 0) + weight[k]);

  return {
    size,
    trials: Int32Array.from(used),
    counts: count,
    weight,
    packed,
    expected,
    residual,
    residualVariance,
    curvature,
    evaluate(theta, dispersion) {
      multiply(packed, theta, eta);
      return observation.link === "exponential" ? exponential(dispersion) : rectified(dispersion);
    },
    gradient(out) {
      combine(packed, residual, out);
    },
    hessian(out) {
      weightedGram(packed, curvature, out);
    },
    constant(dispersion) {
      let sum = 0;
      for (const [r, w] of weightOfCount) sum += w * logLikelihoodConstant(dispersion, r);
      return sum;
    },
  };

  /** Poisson and negative binomial with λ = e^η: concave, so the curvature is the observed one. */
  function exponential(dispersion: number): number {
    let value = 0;
    for (let k = 0; k < n; k++) {
      const r = count[k];
      const w = weight[k];
      const logMean = eta[k] + offset[k];
      const mean = Math.exp(logMean);
      expected[k] = mean;
      if (dispersion > 0) {
        const shrink = 1 / (1 + dispersion * mean);
        value += w * (r * logMean - (r + 1 / dispersion) * Math.log1p(dispersion * mean));
        residual[k] = w * (r - mean) * shrink;
        residualVariance[k] = w * w * mean * shrink;
        curvature[k] = w * mean * (1 + dispersion * r) * shrink * shrink;
      } else {
        value += w * (r * logMean - mean);
        residual[k] = w * (r - mean);
        residualVariance[k] = w * w * mean;
        curvature[k] = w * mean;
      }
    }
    return value;
  }

  /** λ = c log(1 + e^η): the observed curvature for Poisson counts; the expected one for the negative binomial, not concave. */
  function rectified(dispersion: number): number {
    let value = 0;
    for (let k = 0; k < n; k++) {
      const r = count[k];
      const w = weight[k];
      const soft = softplus(eta[k]);
      const open = logistic(eta[k]);
      const ratio = open / soft;
      const mean = (observation.priorCount * Math.exp(offset[k]) * soft) / Math.LN2;
      expected[k] = mean;
      if (dispersion > 0) {
        const shrink = 1 / (1 + dispersion * mean);
        value += w * (r * Math.log(mean) - (r + 1 / dispersion) * Math.log1p(dispersion * mean));
        residual[k] = w * ratio * (r - mean) * shrink;
        residualVariance[k] = w * w * ratio * ratio * mean * shrink;
        curvature[k] = w * ratio * ratio * mean * shrink;
      } else {
        value += w * (r * Math.log(mean) - mean);
        residual[k] = w * ratio * (r - mean);
        residualVariance[k] = w * w * ratio * ratio * mean;
        curvature[k] = w * ratio * (mean * (1 - open) + r * (ratio - (1 - open)));
      }
    }
    return value;
  }
}

/** A Gaussian prior with independent weights. */
export interface Prior {
  /** Length P. */
  mean: Float64Array;
  /** Length P. */
  precision: Float64Array;
}

/** Where Newton's method stands, with the curvature it works with; carried from one call to the next. */
export interface Mode {
  theta: Float64Array;
  /** X'WX near θ, lower triangle, as of the last time it was formed; null before that. */
  hessian: Float64Array | null;
  /** Factor L of `hessian` + prior precision, lower triangle. */
  factored: Float64Array;
  /** Log likelihood at θ as `evaluate` gives it, less the prior's ½ (θ − μ₀)'Λ(θ − μ₀). */
  height: number;
}

export const createMode = (theta: Float64Array): Mode => ({
  theta: theta.slice(),
  hessian: null,
  factored: new Float64Array(theta.length ** 2),
  height: Number.NaN,
});

/** Steps at most; each costs a pass or two over the data, and a few of them form the curvature anew. */
const MOST_STEPS = 60;
/** A step that is not five times shorter than the last one (in posterior standard deviations) asks for a new curvature. */
const SLOW = 0.04;

/**
 * Climbs to the mode of likelihood × prior from `mode.theta`, and leaves the likelihood evaluated there. Newton steps with the
 * curvature at hand, which is formed anew (the costly part) when they stop gaining fast; a step is kept only where the posterior
 * rises, and halved otherwise.
 *
 * @param tolerance squared length of the last step, in posterior standard deviations
 * @throws Error where the curvature is not positive definite: features or counts that are not finite
 */
export function climb(likelihood: Likelihood, prior: Prior, dispersion: number, mode: Mode, tolerance: number): void {
  const { size } = likelihood;
  const { theta } = mode;
  const gradient = new Float64Array(size);
  const step = new Float64Array(size);
  const trial = new Float64Array(size);
  const heightAt = (t: Float64Array) => likelihood.evaluate(t, dispersion) - penalty(prior, t);
  mode.height = heightAt(theta);
  let stale = mode.hessian !== null;
  if (stale) refactor(mode, prior);
  else formCurvature(likelihood, prior, mode);
  let last = Number.POSITIVE_INFINITY;
  for (let n = 0; n < MOST_STEPS; n++) {
    likelihood.gradient(gradient);
    for (let i = 0; i < size; i++) gradient[i] -= prior.precision[i] * (theta[i] - prior.mean[i]);
    let decrement = newtonStep(mode, gradient, step);
    if (stale && decrement > tolerance && !(decrement <= SLOW * last)) {
      formCurvature(likelihood, prior, mode);
      decrement = newtonStep(mode, gradient, step);
    }
    const slack = 1e-12 * (1 + Math.abs(mode.height));
    let length = 1;
    let height = Number.NaN;
    for (let half = 0; half < 40; half++, length /= 2) {
      for (let i = 0; i < size; i++) trial[i] = theta[i] + length * step[i];
      height = heightAt(trial);
      if (height >= mode.height + 1e-4 * length * decrement - slack) break;
    }
    if (!(height >= mode.height - slack)) {
      heightAt(theta);
      return;
    }
    theta.set(trial);
    mode.height = height;
    if (decrement <= tolerance) return;
    stale = true;
    last = length < 1 ? 0 : decrement;
  }
}

/** Forms X'WX where the likelihood was last evaluated, and the factor with it. */
export function formCurvature(likelihood: Likelihood, prior: Prior, mode: Mode): void {
  mode.hessian ??= new Float64Array(likelihood.size ** 2);
  likelihood.hessian(mode.hessian);
  refactor(mode, prior);
}

function refactor({ hessian, factored }: Mode, { precision }: Prior): void {
  const n = precision.length;
  factored.set(hessian!);
  for (let i = 0; i < n; i++) factored[i * n + i] += precision[i];
  if (!factor(factored, n))
    throw new Error("fit of a unit: expected a positive definite curvature; are all features and counts finite?");
}

/** The likelihood as a Gaussian exp(b'θ − ½ θ'Hθ) about θ: b = Hθ + ∇. Where it was last evaluated, and the curvature formed. */
export function gaussianTerms(likelihood: Likelihood, { theta, hessian }: Mode): Float64Array {
  const n = theta.length;
  const out = new Float64Array(n);
  likelihood.gradient(out);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < i; j++) {
      out[i] += hessian![i * n + j] * theta[j];
      out[j] += hessian![i * n + j] * theta[i];
    }
    out[i] += hessian![i * n + i] * theta[i];
  }
  return out;
}

/** Writes A⁻¹ g and gives its squared length in posterior standard deviations, g'A⁻¹ g. */
function newtonStep({ factored }: Mode, gradient: Float64Array, step: Float64Array): number {
  step.set(gradient);
  solve(factored, gradient.length, step);
  let sum = 0;
  for (let i = 0; i < step.length; i++) sum += gradient[i] * step[i];
  return sum;
}

/** ½ (θ − μ₀)'Λ(θ − μ₀). */
function penalty({ mean, precision }: Prior, theta: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < theta.length; i++) sum += precision[i] * (theta[i] - mean[i]) ** 2;
  return sum / 2;
}

/**
 * Laplace evidence log ∫ p(counts | θ) N(θ; μ₀, Λ⁻¹) dθ ≈ log p(counts, θ̂) + ½ log |Λ| − ½ log |X'WX + Λ|, in nats. At the mode,
 * with the curvature formed there.
 */
export function logEvidence(likelihood: Likelihood, { precision }: Prior, dispersion: number, mode: Mode): number {
  let logPrecision = 0;
  for (const p of precision) logPrecision += Math.log(p);
  return (
    mode.height + likelihood.constant(dispersion) + (logPrecision - logDeterminant(mode.factored, precision.length)) / 2
  );
}
