import { type Basis, blockStart } from "./basis.ts";
import { lambertWExp } from "./numerics.ts";

/**
 * The Gaussian posterior over every unit's weights. Two arrays hold all units so that scoring a candidate walks memory in
 * order. Owned and updated in place by one caller: the worker that decides.
 */
export interface Posterior {
  basis: Basis;
  units: number;
  /** Prior mean of the log expected count in a window; the prior mean of every other weight is 0. */
  priorBias: number;
  /** μ, units × P. */
  mean: Float64Array;
  /** C, units × P × P, symmetric. */
  covariance: Float64Array;
  /** Prior precision of each weight, units × P: what relevance determination learns. */
  precision: Float64Array;
}

export interface PriorSettings {
  /** Expected count in a response window before anything is known. */
  count: number;
  /** Standard deviation of the log of that. */
  biasSd: number;
  /** Standard deviation of a linear weight, in log rate per latent unit. */
  linearSd: number;
  /** α, the standard deviation of a smooth part, in log rate. */
  smoothSd: number;
}

/** The prior as a posterior that has seen nothing. */
export function createPosterior(basis: Basis, units: number, prior: PriorSettings): Posterior {
  const { size, block, latents, unitVariance } = basis;
  const mean = new Float64Array(units * size);
  const covariance = new Float64Array(units * size * size);
  const precision = new Float64Array(units * size);
  const priorBias = Math.log(prior.count);
  for (let u = 0; u < units; u++) {
    mean[u * size] = priorBias;
    precision[u * size] = 1 / prior.biasSd ** 2;
    for (let d = 0; d < latents; d++)
      for (let j = 0; j < block; j++) {
        const sd = j === 0 ? prior.linearSd : prior.smoothSd;
        precision[u * size + blockStart(basis, d) + j] = 1 / (sd ** 2 * unitVariance[j]);
      }
    for (let i = 0; i < size; i++) covariance[(u * size + i) * size + i] = 1 / precision[u * size + i];
  }
  return { basis, units, priorBias, mean, covariance, precision };
}

/** y = C_u x for unit u; x and y have length P. Four rows at a time: four sums that do not wait for one another. */
export function project(posterior: Posterior, unit: number, x: Float64Array, y: Float64Array): Float64Array {
  const { size } = posterior.basis;
  const { covariance } = posterior;
  const start = unit * size * size;
  let i = 0;
  for (; i + 3 < size; i += 4) {
    const a = start + i * size;
    const b = a + size;
    const c = b + size;
    const d = c + size;
    let sumA = 0;
    let sumB = 0;
    let sumC = 0;
    let sumD = 0;
    for (let j = 0; j < size; j++) {
      const xj = x[j];
      sumA += covariance[a + j] * xj;
      sumB += covariance[b + j] * xj;
      sumC += covariance[c + j] * xj;
      sumD += covariance[d + j] * xj;
    }
    y[i] = sumA;
    y[i + 1] = sumB;
    y[i + 2] = sumC;
    y[i + 3] = sumD;
  }
  for (; i < size; i++) y[i] = dot(covariance, start + i * size, x, 0, size);
  return y;
}

/** C_u ← C_u − κ y y'; y has length P, κ is the information gained over 1 + s² times it. */
function shrink(posterior: Posterior, unit: number, y: Float64Array, kappa: number): void {
  const { size } = posterior.basis;
  const { covariance } = posterior;
  let row = unit * size * size;
  for (let i = 0; i < size; i++, row += size) {
    const scaled = kappa * y[i];
    for (let j = 0; j < size; j++) covariance[row + j] -= scaled * y[j];
  }
}

export const dot = (a: Float64Array, aAt: number, b: Float64Array, bAt: number, n: number): number => {
  let sum = 0;
  for (let i = 0; i < n; i++) sum += a[aAt + i] * b[bAt + i];
  return sum;
};

/** Told of each change C_u ← C_u − κ y y' before it is made, for whoever keeps something that depends on C. */
export type BeforeShrink = (unit: number, y: Float64Array, kappa: number) => void;

/** What is expected of a face before its counts are known. Holds as long as no covariance changes. */
export interface Prospect {
  /** Features of the face, length P. */
  x: Float64Array;
  /** y_u = C_u x: units × P. */
  y: Float64Array;
  /** s²_u = x'C_u x, the variance of the log mean count, one a unit. */
  variance: Float64Array;
}

/** @param x features of a face, length P */
export function foresee(posterior: Posterior, x: Float64Array): Prospect {
  const { basis, units } = posterior;
  const { size } = basis;
  const y = new Float64Array(units * size);
  const variance = new Float64Array(units);
  for (let u = 0; u < units; u++)
    variance[u] = dot(x, 0, project(posterior, u, x, y.subarray(u * size, (u + 1) * size)), 0, size);
  return { x, y, variance };
}

/**
 * Learns from one trial: the exact Laplace approximation of Poisson counts with an exponential link, whose mode is a scalar
 * problem. With m = x'μ, s² = x'Cx, a = m + s² r: the mode's log mean is ρ̂ = a − W(s² e^a), then
 * μ ← μ + Cx (r − e^ρ̂), C ← C − Cx x'C e^ρ̂ / (1 + s² e^ρ̂).
 *
 * @param x features of the face shown, length P
 * @param counts spikes in the response window, one a unit
 * @throws as `learnMeans`
 */
export function learnTrial(
  posterior: Posterior,
  x: Float64Array,
  counts: ArrayLike<number>,
  before?: BeforeShrink,
): void {
  const prospect = foresee(posterior, x);
  shrinkAll(posterior, prospect, learnMeans(posterior, prospect, counts), before);
}

/**
 * The first half of `learnTrial`, and the quick one: the means. Gives κ of each unit, with which `shrinkAll` does the other half.
 *
 * @throws RangeError for another number of counts, or one that is negative or not finite, before anything is changed; Error if
 *   the posterior is no longer finite, after which it must not be used
 */
export function learnMeans(
  posterior: Posterior,
  { x, y, variance }: Prospect,
  counts: ArrayLike<number>,
): Float64Array {
  const { basis, mean, units } = posterior;
  const { size } = basis;
  if (counts.length !== units) throw new RangeError(`expected ${units} counts, got ${counts.length}`);
  for (let u = 0; u < units; u++)
    if (!(counts[u] >= 0 && counts[u] < Number.POSITIVE_INFINITY))
      throw new RangeError(`count of unit ${u}: expected a finite number ≥ 0, got ${counts[u]}`);
  const kappas = new Float64Array(units);
  for (let u = 0; u < units; u++) {
    const s2 = variance[u];
    const a = dot(mean, u * size, x, 0, size) + s2 * counts[u];
    const fitted = Math.exp(a - lambertWExp(Math.log(s2) + a));
    if (!Number.isFinite(fitted)) throw new Error(`posterior of unit ${u}: expected a finite rate, got ${fitted}`);
    const residual = counts[u] - fitted;
    for (let i = 0; i < size; i++) mean[u * size + i] += y[u * size + i] * residual;
    kappas[u] = fitted / (1 + s2 * fitted);
  }
  return kappas;
}

/** C_u ← C_u − κ_u y_u y_u' for every unit. */
export function shrinkAll(posterior: Posterior, { y }: Prospect, kappas: Float64Array, before?: BeforeShrink): void {
  const { size } = posterior.basis;
  for (let u = 0; u < posterior.units; u++) {
    const own = y.subarray(u * size, (u + 1) * size);
    before?.(u, own, kappas[u]);
    shrink(posterior, u, own, kappas[u]);
  }
}

/**
 * Expected effect of showing a face with features x (length P) before the counts are known: every unit's C shrinks by the
 * information at the mean; μ stays.
 */
export function imagineTrial(posterior: Posterior, x: Float64Array, before?: BeforeShrink): void {
  const { size } = posterior.basis;
  const prospect = foresee(posterior, x);
  const kappas = prospect.variance.map((s2, u) => {
    const information = Math.exp(dot(posterior.mean, u * size, x, 0, size));
    return information / (1 + s2 * information);
  });
  shrinkAll(posterior, prospect, kappas, before);
}

/** The same posterior with covariances of its own; the rest is shared. For imagined trials. */
export const shadow = (source: Posterior): Posterior => ({ ...source, covariance: source.covariance.slice() });
