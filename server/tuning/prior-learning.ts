/**
 * Which latents matter, and how smooth a unit's curves are: the prior's precisions learned from the Gaussian that a fit's curvature
 * gives (the evidence framework of MacKay 1992).
 */
import { type Basis, blockStart, spectralDensity } from "./basis.ts";
import { factor, inverseDiagonal, invertFactor, logDeterminant, solve } from "./cholesky.ts";

/**
 * Shape κ of the hyperprior on the ratio τ of a group's precision to where it started: a beta-prime(κ, κ), whose log density over
 * log τ falls off as κ |log τ| on both sides (κ = ½ is the horseshoe's half-Cauchy on 1/√τ). It pulls log τ towards 0 with a
 * force of at most κ, against γ/2 from the data, γ being how many of the group's weights the data determine. Below
 * γ ≈ 2κ nothing is switched off, so the first trials decide nothing; above it the hyperprior hardly matters.
 */
const HYPERPRIOR_SHAPE = 0.1;
const LOG_RATIO_RANGE = [Math.log(1 / 50), Math.log(1e4)] as const;

/** Prior standard deviation of log ℓ about the basis's own; it is searched in half octaves, at most an octave away. */
const LOG_LENGTH_SD = 0.5;
const LENGTH_STEP = Math.SQRT2;
const LENGTH_STEPS = 2;

const MOST_ITERATIONS = 12;
const SETTLED = 0.05;

/** A unit's prior as learned so far. */
export interface LearnedPrior {
  basis: Basis;
  /** Precisions before any learning, length P. */
  start: Float64Array;
  /** log τ of each latent's linear part and smooth part: [linear, smooth] a latent, length 2 D. */
  logRatio: Float64Array;
  /** Half octaves of ℓ above the basis's own. */
  lengthSteps: number;
}

/** Reads ratios and ℓ back from precisions that `precisionOf` wrote. */
export function readPrior(basis: Basis, start: Float64Array, precision: Float64Array): LearnedPrior {
  const logRatio = new Float64Array(2 * basis.latents);
  let lengthSteps = 0;
  let best = Number.POSITIVE_INFINITY;
  for (let steps = -LENGTH_STEPS; steps <= LENGTH_STEPS; steps++) {
    let misfit = 0;
    for (let d = 0; d < basis.latents; d++) {
      const at = blockStart(basis, d) + 1;
      const ratio = (j: number) => Math.log(precision[at + j] / (start[at + j] * sharpness(basis, j + 1, steps)));
      for (let j = 1; j < basis.block - 1; j++) misfit += (ratio(j) - ratio(0)) ** 2;
    }
    if (misfit < best) {
      best = misfit;
      lengthSteps = steps;
    }
  }
  for (let d = 0; d < basis.latents; d++) {
    const at = blockStart(basis, d);
    logRatio[2 * d] = clamp(Math.log(precision[at] / start[at]));
    if (basis.block > 1)
      logRatio[2 * d + 1] = clamp(Math.log(precision[at + 1] / (start[at + 1] * sharpness(basis, 1, lengthSteps))));
  }
  return { basis, start, logRatio, lengthSteps };
}

/** ℓ, in latent units. */
export const lengthScaleOf = ({ basis, lengthSteps }: LearnedPrior): number =>
  basis.lengthScale * LENGTH_STEP ** lengthSteps;

/** Precision of each weight, length P. */
export function precisionOf({ basis, start, logRatio, lengthSteps }: LearnedPrior, out: Float64Array): Float64Array {
  out[0] = start[0];
  for (let d = 0; d < basis.latents; d++) {
    const at = blockStart(basis, d);
    out[at] = start[at] * Math.exp(logRatio[2 * d]);
    const smooth = Math.exp(logRatio[2 * d + 1]);
    for (let j = 1; j < basis.block; j++) out[at + j] = start[at + j] * smooth * sharpness(basis, j, lengthSteps);
  }
  return out;
}

/** By how much the precision of φ_j is that of another ℓ, at the same variance of the curve. */
const sharpness = ({ lengthScale, halfWidth }: Basis, j: number, steps: number): number =>
  spectralDensity(j, lengthScale, halfWidth) / spectralDensity(j, lengthScale * LENGTH_STEP ** steps, halfWidth);

const clamp = (logRatio: number) => Math.min(Math.max(logRatio, LOG_RATIO_RANGE[0]), LOG_RATIO_RANGE[1]);

/** What `learnPrior` did. */
export interface PriorStep {
  /** Largest change of a log ratio, or of log ℓ. */
  moved: number;
  /** γ summed over all weights: how many of them the data determine. */
  determined: number;
}

/**
 * Changes `prior` in place towards the most probable one, given the likelihood as a Gaussian exp(b'θ − ½ θ'Hθ): for each group the
 * fixed point ½ (γ − τ E) = κ tanh(½ log τ), with γ = n − τ tr(R C) and energy E = μ'R μ (R the group's starting
 * precisions), approached as `bestLogRatio` says; then one step of ℓ where that raises the evidence. Each iteration costs about P³/3 products.
 *
 * @param hessian H, lower triangle, P × P
 * @param linear b, length P
 * @param priorMean μ₀, length P
 */
export function learnPrior(
  prior: LearnedPrior,
  hessian: Float64Array,
  linear: Float64Array,
  priorMean: Float64Array,
): PriorStep {
  const { basis, logRatio } = prior;
  const n = basis.size;
  const before = logRatio.slice();
  const factored = new Float64Array(n * n);
  const lower = new Float64Array(n * n);
  const precision = new Float64Array(n);
  const mean = new Float64Array(n);
  const variance = new Float64Array(n);
  const data = new Float64Array(n);
  const pull = new Float64Array(n);
  const lastChange = new Float64Array(logRatio.length);
  let determined = 0;

  /** Posterior under the prior as it is now: fills precision, factor and mean; gives the log evidence up to a constant. */
  const gaussianFit = (): number => {
    precisionOf(prior, precision);
    factored.set(hessian);
    let value = 0;
    for (let i = 0; i < n; i++) {
      factored[i * n + i] += precision[i];
      mean[i] = linear[i] + precision[i] * priorMean[i];
      value += Math.log(precision[i]) / 2;
    }
    if (!factor(factored, n)) throw new Error("fit of a unit: expected a positive definite curvature");
    const pulled = mean.slice();
    solve(factored, n, mean);
    for (let i = 0; i < n; i++) value += (pulled[i] * mean[i]) / 2;
    const logLength = prior.lengthSteps * Math.log(LENGTH_STEP);
    return value - logDeterminant(factored, n) / 2 - (logLength / LOG_LENGTH_SD) ** 2 / 2;
  };

  for (let iteration = 0; iteration < MOST_ITERATIONS; iteration++) {
    gaussianFit();
    invertFactor(factored, n, lower);
    inverseDiagonal(lower, n, variance);
    determined = 1 - precision[0] * variance[0];
    let step = 0;
    for (let group = 0; group < logRatio.length; group++) {
      const at = blockStart(basis, group >> 1);
      const [from, to] = group % 2 === 0 ? [at, at + 1] : [at + 1, at + basis.block];
      for (let i = from; i < to; i++) {
        // The weight as the others leave it: the data's own precision and pull.
        const own = Math.max(1 / variance[i] - precision[i], 0);
        data[i] = own;
        pull[i] = mean[i] * (own + precision[i]);
        determined += own / (own + precision[i]);
      }
      let next = bestLogRatio(logRatio[group], from, to, precision, data, pull);
      // Groups that share trials' information can chase one another: a change that turns back goes half the way.
      const change = next - logRatio[group];
      if (change * lastChange[group] < 0) next -= change / 2;
      lastChange[group] = next - logRatio[group];
      step = Math.max(step, Math.abs(next - logRatio[group]));
      logRatio[group] = next;
    }
    if (step < SETTLED) break;
  }
  let moved = 0;
  for (let group = 0; group < logRatio.length; group++)
    moved = Math.max(moved, Math.abs(logRatio[group] - before[group]));
  if (basis.block > 2 && improveLength()) moved = Math.max(moved, Math.log(LENGTH_STEP));
  return { moved, determined };

  function improveLength(): boolean {
    const own = prior.lengthSteps;
    let best = own;
    let value = gaussianFit();
    for (const steps of [own - 1, own + 1]) {
      if (Math.abs(steps) > LENGTH_STEPS) continue;
      prior.lengthSteps = steps;
      const other = gaussianFit();
      if (other > value + 1e-6) {
        value = other;
        best = steps;
      }
    }
    prior.lengthSteps = best;
    return best !== own;
  }
}

/**
 * log τ of one group where the evidence stops rising from where it is, the other groups held: the slope over ρ = log τ is
 * ½ Σ [d/(d + τr) − τ r b²/(d + τr)²] − κ tanh(ρ/2), with r the weight's precision at τ = 1. It is exact at the ρ that it starts from and
 * takes the group's weights as independent beyond that.
 *
 * @param precision of each weight at `rho`
 * @param data d, precision that the data give each weight
 * @param pull b, the weight's mean times its posterior precision
 */
function bestLogRatio(
  rho: number,
  from: number,
  to: number,
  precision: Float64Array,
  data: Float64Array,
  pull: Float64Array,
): number {
  const slope = (at: number): number => {
    const scale = Math.exp(at - rho);
    let sum = 0;
    for (let i = from; i < to; i++) {
      const own = precision[i] * scale;
      const total = data[i] + own;
      sum += data[i] / total - (own * pull[i] * pull[i]) / (total * total);
    }
    return sum / 2 - HYPERPRIOR_SHAPE * Math.tanh(at / 2);
  };
  const here = slope(rho);
  if (Math.abs(here) < 1e-6) return rho;
  const direction = Math.sign(here);
  let inside = rho;
  let outside = rho;
  for (let reach = 0.5; outside === inside; reach *= 2) {
    const next = clamp(rho + direction * reach);
    if (slope(next) * direction <= 0) outside = next;
    else if (next === inside) return next;
    else inside = outside = next;
  }
  while (Math.abs(outside - inside) > 0.01) {
    const middle = (inside + outside) / 2;
    if (slope(middle) * direction > 0) inside = middle;
    else outside = middle;
  }
  return (inside + outside) / 2;
}
