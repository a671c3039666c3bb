/**
 * Which latents matter, and how smooth a unit's curves are: the prior's precisions learned from the Gaussian that a fit's
 * curvature gives (after the evidence framework of MacKay 1992).
 */
import { type Basis, blockStart, spectralDensity } from "./basis.ts";
import {
  addProducts,
  factor,
  inverseBlock,
  invertFactor,
  logDeterminant,
  mirror,
  solve,
  solveRows,
} from "./cholesky.ts";
import { diagonalise } from "./eigen.ts";
import { softplus } from "./numerics.ts";

/**
 * κ of the hyperprior of τ, the ratio of a group's precision to where it started: a beta-prime(1 + κ, κ). Its variance ratio 1/τ
 * has mean 1, the prior that was asked for (0.5 inside the bounds of LOG_RATIO_RANGE, which cut its long tail); a small κ makes for few large ratios and many
 * small ones, as of a unit that codes few of the latents (a three-parameter beta, of the horseshoe's family: Armagan, Dunson &
 * Clyde 2011).
 */
const SPARSITY = 0.05;
const LOG_RATIO_RANGE = [Math.log(1 / 50), Math.log(1e4)] as const;
/** Where log τ is looked at when it is averaged over. */
const GRID_STEPS = 26;
const logRatioGrid = Float64Array.from(
  { length: GRID_STEPS + 1 },
  (_, i) => LOG_RATIO_RANGE[0] + (i / GRID_STEPS) * (LOG_RATIO_RANGE[1] - LOG_RATIO_RANGE[0]),
);
const ratioGrid = logRatioGrid.map(Math.exp);
const hyperprior = logRatioGrid.map((rho) => (1 + SPARSITY) * rho - (1 + 2 * SPARSITY) * softplus(rho));

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
  /** log τ of each group: [linear part, smooth part] a latent, length 2 D. */
  logRatio: Float64Array;
  /** Half octaves of ℓ above the basis's own. */
  lengthSteps: number;
}

/** Reads ratios and ℓ back from precisions that `precisionOf` wrote. */
export function readPrior(basis: Basis, start: Float64Array, precision: Float64Array): LearnedPrior {
  let lengthSteps = 0;
  let best = Number.POSITIVE_INFINITY;
  for (let steps = -LENGTH_STEPS; steps <= LENGTH_STEPS; steps++) {
    let misfit = 0;
    for (let d = 0; d < basis.latents; d++) {
      const at = blockStart(basis, d);
      const log = (j: number) => Math.log(precision[at + j] / (start[at + j] * sharpness(basis, j, steps)));
      for (let j = 2; j < basis.block; j++) misfit += (log(j) - log(1)) ** 2;
    }
    if (misfit < best) {
      best = misfit;
      lengthSteps = steps;
    }
  }
  const logRatio = Float64Array.from({ length: 2 * basis.latents }, (_, group) => {
    const j = group % 2;
    const at = blockStart(basis, group >> 1) + j;
    const expected = start[at] * (j === 0 ? 1 : sharpness(basis, 1, lengthSteps));
    return Math.min(Math.max(Math.log(precision[at] / expected), LOG_RATIO_RANGE[0]), LOG_RATIO_RANGE[1]);
  });
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

/** What `learnPrior` did. */
export interface PriorStep {
  /** Largest change of a log ratio, or of log ℓ. */
  moved: number;
  /** γ summed over all weights: how many of them the data determine. */
  determined: number;
}

/**
 * Changes `prior` in place towards what the trials say of it, given the likelihood as a Gaussian exp(b'θ − ½ θ'Hθ): each group's
 * τ is averaged over its posterior (`ratioPosterior`), the other groups held at theirs, until none moves; then one step of ℓ
 * where that raises the evidence. Averages and not maxima: a maximum switches a latent off, or on, where the evidence is worth
 * a coin toss. Each iteration costs about P³/3 products.
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
  const weights = new Float64Array(ratioGrid.length);
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
    determined = 1 - precision[0] * inverseBlock(lower, n, 0, 1)[0];
    let step = 0;
    for (let g = 0; g < logRatio.length; g++) {
      const { first, size } = rangeOf(basis, g);
      const group = groupOf(prior, g, precision, inverseBlock(lower, n, first, size), mean);
      const ratio = Math.exp(logRatio[g]);
      for (const d of group.data) determined += d / (d + ratio);
      ratioPosterior(group, weights);
      const next = averageLogRatio(group, weights, logRatio[g]);
      step = Math.max(step, Math.abs(next - logRatio[g]));
      logRatio[g] = next;
    }
    if (step < SETTLED) break;
  }
  let moved = 0;
  for (let g = 0; g < logRatio.length; g++) moved = Math.max(moved, Math.abs(logRatio[g] - before[g]));
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
 * Adds to a posterior covariance what is not known of each τ: over its posterior a group's weights move, S_g their covariance, and the
 * other weights with them as they are correlated, C ← C + C_·g C_gg⁻¹ S_g C_gg⁻¹ C_g· (the correction of Kass & Steffey 1989, with
 * the spread over the whole posterior of τ in place of its curvature).
 */
export function addRatioUncertainty(prior: LearnedPrior, mean: Float64Array, covariance: Float64Array): void {
  const n = prior.basis.size;
  const precision = precisionOf(prior, new Float64Array(n));
  const weights = new Float64Array(ratioGrid.length);
  // A row for every weight that has a group: how all weights follow it, C_gg⁻¹ C_g·, and S_g times that.
  const responses = new Float64Array((n - 1) * n);
  const moved = new Float64Array((n - 1) * n);
  for (let g = 0; g < prior.logRatio.length; g++) {
    const { first, size } = rangeOf(prior.basis, g);
    const block = new Float64Array(size * size);
    for (let i = 0; i < size; i++)
      for (let j = 0; j < size; j++) block[i * size + j] = covariance[(first + i) * n + first + j];
    const group = groupOf(prior, g, precision, block.slice(), mean);
    ratioPosterior(group, weights);
    const spread = spreadOf(group, weights);
    const rows = responses.subarray((first - 1) * n, (first - 1 + size) * n);
    rows.set(covariance.subarray(first * n, (first + size) * n));
    factor(block, size);
    solveRows(block, size, rows, n);
    for (let i = 0; i < size; i++)
      for (let j = 0; j < size; j++) {
        const by = spread[i * size + j];
        const to = (first - 1 + i) * n;
        for (let k = 0; k < n; k++) moved[to + k] += by * rows[j * n + k];
      }
  }
  addProducts(responses, moved, n - 1, n, covariance);
  mirror(covariance, n);
}

/** Covariance of a group's mean weights over the posterior of its τ, size × size. */
function spreadOf({ size, axes, data, pull }: Group, weights: Float64Array): Float64Array {
  const average = new Float64Array(size);
  const spread = new Float64Array(size * size);
  const means = Array.from(ratioGrid, (tau) => {
    const mean = new Float64Array(size);
    for (let k = 0; k < size; k++)
      for (let i = 0; i < size; i++) mean[i] += (axes[i * size + k] * pull[k]) / (data[k] + tau);
    return mean;
  });
  means.forEach((mean, t) => {
    for (let i = 0; i < size; i++) average[i] += weights[t] * mean[i];
  });
  means.forEach((mean, t) => {
    for (let i = 0; i < size; i++)
      for (let j = 0; j < size; j++)
        spread[i * size + j] += weights[t] * (mean[i] - average[i]) * (mean[j] - average[j]);
  });
  return spread;
}

/**
 * The weights of one group as the others leave them, in coordinates v in which prior and data are both diagonal: the group's weights
 * are w = `axes` v, its prior precision is τ in each coordinate, that of the data `data`, and `pull` is data times estimate.
 */
interface Group {
  /** Index of its first weight, and how many there are. */
  first: number;
  size: number;
  /** size × size, a coordinate a column. */
  axes: Float64Array;
  data: Float64Array;
  pull: Float64Array;
}

/**
 * @param block posterior covariance of the group's weights, size × size; spoilt
 * @param mean posterior mean of all weights
 */
function groupOf(
  { basis, logRatio }: LearnedPrior,
  group: number,
  precision: Float64Array,
  block: Float64Array,
  mean: Float64Array,
): Group {
  const { first, size } = rangeOf(basis, group);
  const ratio = Math.exp(logRatio[group]);
  const root = Float64Array.from({ length: size }, (_, i) => Math.sqrt(precision[first + i] / ratio));
  // Covariance of √R w; its eigenvalues are 1/(data + τ) of each coordinate.
  for (let i = 0; i < size; i++) for (let j = 0; j < size; j++) block[i * size + j] *= root[i] * root[j];
  const axes = new Float64Array(size * size);
  diagonalise(block, size, axes);
  const data = new Float64Array(size);
  const pull = new Float64Array(size);
  for (let k = 0; k < size; k++) {
    const total = 1 / block[k * size + k];
    data[k] = Math.max(total - ratio, 0);
    let own = 0;
    for (let i = 0; i < size; i++) own += axes[i * size + k] * root[i] * mean[first + i];
    pull[k] = own * total;
    for (let i = 0; i < size; i++) axes[i * size + k] /= root[i];
  }
  return { first, size, axes, data, pull };
}

function rangeOf(basis: Basis, group: number): { first: number; size: number } {
  const smooth = group % 2;
  return { first: blockStart(basis, group >> 1) + smooth, size: smooth === 0 ? 1 : basis.block - 1 };
}

/**
 * Posterior of a group's log τ on the grid, the other groups held: p(ρ) ∝ hyperprior(ρ) Π √(τ/(τ + d)) exp(½ b²/(τ + d)), over the
 * group's coordinates with data d and pull b. Sums to 1.
 */
function ratioPosterior({ size, data, pull }: Group, out: Float64Array): void {
  let most = Number.NEGATIVE_INFINITY;
  for (let k = 0; k < ratioGrid.length; k++) {
    let product = 1;
    let fit = 0;
    for (let i = 0; i < size; i++) {
      const total = ratioGrid[k] + data[i];
      product *= ratioGrid[k] / total;
      fit += (pull[i] * pull[i]) / total;
    }
    out[k] = hyperprior[k] + (Math.log(product) + fit) / 2;
    most = Math.max(most, out[k]);
  }
  let sum = 0;
  for (let k = 0; k < out.length; k++) {
    out[k] = Math.exp(out[k] - most);
    sum += out[k];
  }
  for (let k = 0; k < out.length; k++) out[k] /= sum;
}

/** log τ at which the data determine as much of a group, γ = Σ d/(d + τ), as they do on average over τ's posterior. */
function averageLogRatio({ size, data }: Group, weights: Float64Array, guess: number): number {
  const determined = (tau: number): number => {
    let sum = 0;
    for (let i = 0; i < size; i++) sum += data[i] / (data[i] + tau);
    return sum;
  };
  let target = 0;
  for (let k = 0; k < weights.length; k++) target += weights[k] * determined(ratioGrid[k]);
  // Nothing determined, at any τ: nothing to choose by.
  if (target < 1e-9) return guess;
  let [low, high]: readonly [number, number] | number[] = LOG_RATIO_RANGE;
  while (high - low > 1e-3) {
    const middle = (low + high) / 2;
    if (determined(Math.exp(middle)) > target) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
