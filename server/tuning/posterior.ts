import { type Basis, blockStart } from "./basis.ts";
import { priorBelief, type UnitBelief } from "./belief.ts";
import { type Kernels, packedIndex, packedLength, rowStart } from "./kernels/kernels.ts";
import { information, logRateSlope, type Observation, priorEta, updateOf, withGain } from "./observation.ts";

/**
 * The Gaussian posterior over every unit's weights, in the memory of the kernels: all units in two arrays, so that a decision
 * walks memory in order. Owned and updated in place by one caller: the worker that decides.
 */
export interface Posterior {
  basis: Basis;
  /** What each unit's counts are taken to come from. */
  observations: Observation[];
  units: number;
  kernels: Kernels;
  /** S: length of a vector, P rounded up to even. */
  stride: number;
  /** μ, units × S. */
  mean: Float64Array;
  /** C, units × packed lower triangle. */
  covariance: Float64Array;
  /** Prior precision of each weight, units × P: what relevance determination learns. */
  precision: Float64Array;
  /** φ of each unit. */
  dispersion: Float64Array;
}

export interface PriorSettings {
  /** Standard deviation of the log of the expected count at the origin. */
  biasSd: number;
  /** Standard deviation of a linear weight, in log rate per latent unit. */
  linearSd: number;
  /** α, the standard deviation of a smooth part, in log rate. */
  smoothSd: number;
  /** φ of a unit of which nothing is known. */
  dispersion: number;
}

export const strideOf = (basis: Basis): number => (basis.size + 1) & ~1;

/** Numbers of kernel memory that a posterior takes. */
export const posteriorNumbers = (basis: Basis, units: number): number =>
  units * (strideOf(basis) + packedLength(basis.size));

/**
 * Prior precision of each weight before any learning, length P. Standard deviations are given in log rate; those of η are as many times
 * larger as log rate is flatter in η at the prior count.
 */
export function startPrecision(basis: Basis, observation: Observation, prior: PriorSettings): Float64Array {
  const scale = logRateSlope(observation, priorEta(observation)) ** 2;
  const precision = new Float64Array(basis.size).fill(scale / prior.biasSd ** 2);
  for (let d = 0; d < basis.latents; d++)
    for (let j = 0; j < basis.block; j++) {
      const sd = j === 0 ? prior.linearSd : prior.smoothSd;
      precision[blockStart(basis, d) + j] = scale / (sd ** 2 * basis.unitVariance[j]);
    }
  return precision;
}

/** The prior as a posterior that has seen nothing. */
export function createPosterior(
  kernels: Kernels,
  basis: Basis,
  observation: Observation,
  units: number,
  prior: PriorSettings,
): Posterior {
  const stride = strideOf(basis);
  const posterior: Posterior = {
    basis,
    observations: Array.from({ length: units }, () => observation),
    units,
    kernels,
    stride,
    mean: kernels.take(units * stride),
    covariance: kernels.take(units * packedLength(basis.size)),
    precision: new Float64Array(units * basis.size),
    dispersion: new Float64Array(units),
  };
  for (let u = 0; u < units; u++) resetUnit(posterior, u, observation, prior);
  return posterior;
}

/** Makes a unit one of which nothing is known. */
export function resetUnit(posterior: Posterior, unit: number, observation: Observation, prior: PriorSettings): void {
  const { basis } = posterior;
  const dispersion = observation.counts === "poisson" ? 0 : prior.dispersion;
  setBelief(posterior, unit, priorBelief(basis, observation, startPrecision(basis, observation, prior), dispersion));
}

/** Copies what is believed of a unit out of the kernels' memory. */
export function beliefOf(posterior: Posterior, unit: number): UnitBelief {
  const { basis, observations, stride, mean, precision, dispersion } = posterior;
  const { size } = basis;
  const packed = covarianceOf(posterior, unit);
  const covariance = new Float64Array(size * size);
  for (let i = 0, row = 0; i < size; row = rowStart(++i))
    for (let j = 0; j <= i; j++) covariance[i * size + j] = covariance[j * size + i] = packed[row + j];
  return {
    basis,
    observation: observations[unit],
    mean: mean.slice(unit * stride, unit * stride + size),
    covariance,
    precision: precision.slice(unit * size, (unit + 1) * size),
    dispersion: dispersion[unit],
  };
}

/** Replaces what is believed of a unit. */
export function setBelief(posterior: Posterior, unit: number, belief: UnitBelief): void {
  const { stride, basis } = posterior;
  posterior.observations[unit] = belief.observation;
  const { size } = basis;
  posterior.mean.set(belief.mean, unit * stride);
  posterior.precision.set(belief.precision, unit * size);
  posterior.dispersion[unit] = belief.dispersion;
  const packed = covarianceOf(posterior, unit);
  for (let i = 0, row = 0; i < size; row = rowStart(++i))
    for (let j = 0; j <= i; j++) packed[row + j] = belief.covariance[i * size + j];
}

/** All of a posterior, out of the kernels' memory. */
export type PosteriorState = Pick<Posterior, "observations" | "mean" | "covariance" | "precision" | "dispersion">;

export const posteriorState = (posterior: Posterior): PosteriorState => ({
  observations: posterior.observations.map((observation) => ({ ...observation })),
  mean: posterior.mean.slice(),
  covariance: posterior.covariance.slice(),
  precision: posterior.precision.slice(),
  dispersion: posterior.dispersion.slice(),
});

export function restorePosterior(posterior: Posterior, state: PosteriorState): void {
  posterior.observations = [...state.observations];
  posterior.mean.set(state.mean);
  posterior.covariance.set(state.covariance);
  posterior.precision.set(state.precision);
  posterior.dispersion.set(state.dispersion);
}

/** The packed C of a unit. */
export function covarianceOf({ basis, covariance }: Posterior, unit: number): Float64Array {
  const n = packedLength(basis.size);
  return covariance.subarray(unit * n, (unit + 1) * n);
}

/** Address of the packed C of a unit. */
export const covarianceAt = ({ basis, covariance }: Posterior, unit: number): number =>
  covariance.byteOffset + 8 * unit * packedLength(basis.size);

/** Address of μ of a unit. */
export const meanAt = ({ mean, stride }: Posterior, unit: number): number => mean.byteOffset + 8 * unit * stride;

/** x'μ of a unit, for x of length P or S. */
export function linearPredictor({ mean, stride, basis }: Posterior, unit: number, x: Float64Array): number {
  let sum = 0;
  for (let i = 0, at = unit * stride; i < basis.size; i++, at++) sum += mean[at] * x[i];
  return sum;
}

/** What is expected of a face before its counts are known. Holds as long as no covariance changes. */
export interface Prospect {
  /** Features of the face, length S, in kernel memory. */
  x: Float64Array;
  /** y_u = C_u x: units × S, in kernel memory. */
  y: Float64Array;
  /** s²_u = x'C_u x, the variance of η, one a unit. */
  variance: Float64Array;
  /** x'μ_u as it was before its count was learned, one a unit: set by `learnMeans` where there is a count. */
  foretold: Float64Array;
}

export const prospectNumbers = (basis: Basis, units: number): number => (units + 1) * strideOf(basis);

export const createProspect = ({ kernels, stride, units }: Posterior): Prospect => ({
  x: kernels.take(stride),
  y: kernels.take(units * stride),
  variance: new Float64Array(units),
  foretold: new Float64Array(units),
});

/** Address of y of a unit. */
export const prospectAt = ({ y }: Prospect, { stride }: Posterior, unit: number): number =>
  y.byteOffset + 8 * unit * stride;

/** Fills a prospect of which x is set. */
export function foresee(posterior: Posterior, prospect: Prospect): void {
  for (let u = 0; u < posterior.units; u++) foreseeUnit(posterior, prospect, u);
}

/** Fills a prospect's part of one unit. */
export function foreseeUnit(posterior: Posterior, prospect: Prospect, unit: number): void {
  const { kernels, basis, stride } = posterior;
  prospect.variance[unit] = kernels.project(
    covarianceAt(posterior, unit),
    prospect.x.byteOffset,
    prospectAt(prospect, posterior, unit),
    basis.size,
    stride,
  );
}

/**
 * The first half of learning from a trial, and the quick one: the means. μ ← μ + C x · step with the step of `updateOf`.
 * Gives κ of each unit (0 where it has no count), with which `shrinkAll` does the other half.
 *
 * @param counts spikes in the response window, one a unit; NaN where a unit has none to learn from
 * @param logGain of the whole population in this trial: every expected count is e^logGain times what tuning says
 * @throws RangeError for another number of counts, or one that is negative or infinite, before anything is changed; Error if
 *   the posterior is no longer finite, after which it must not be used
 */
export function learnMeans(
  posterior: Posterior,
  prospect: Prospect,
  counts: ArrayLike<number>,
  logGain = 0,
): Float64Array {
  const { units } = posterior;
  if (counts.length !== units) throw new RangeError(`expected ${units} counts, got ${counts.length}`);
  for (let u = 0; u < units; u++)
    if (counts[u] < 0 || counts[u] === Number.POSITIVE_INFINITY)
      throw new RangeError(`count of unit ${u}: expected a finite number ≥ 0, got ${counts[u]}`);
  const kappas = new Float64Array(units);
  for (let u = 0; u < units; u++)
    if (!Number.isNaN(counts[u])) kappas[u] = learnMean(posterior, prospect, u, counts[u], logGain);
  return kappas;
}

/** The mean of one unit; gives its κ. */
function learnMean(posterior: Posterior, prospect: Prospect, unit: number, count: number, logGain: number): number {
  const { basis, mean, stride } = posterior;
  const { observation, shift } = withGain(posterior.observations[unit], logGain);
  const m = linearPredictor(posterior, unit, prospect.x);
  prospect.foretold[unit] = m;
  const { step, kappa } = updateOf(observation, m + shift, prospect.variance[unit], posterior.dispersion[unit], count);
  if (!Number.isFinite(step)) throw new Error(`posterior of unit ${unit}: expected a finite step, got ${step}`);
  for (let i = 0, at = unit * stride; i < basis.size; i++, at++) mean[at] += prospect.y[at] * step;
  return kappa;
}

/** Learns one unit's count in one trial, mean and covariance. */
export function learnUnit(
  posterior: Posterior,
  prospect: Prospect,
  unit: number,
  count: number,
  logGain: number,
): void {
  foreseeUnit(posterior, prospect, unit);
  const kappa = learnMean(posterior, prospect, unit, count, logGain);
  posterior.kernels.shrink(
    covarianceAt(posterior, unit),
    prospectAt(prospect, posterior, unit),
    kappa,
    posterior.basis.size,
  );
}

/** C_u ← C_u − κ_u y_u y_u' for every unit; `before` is told of each before it is made. */
export function shrinkAll(
  posterior: Posterior,
  prospect: Prospect,
  kappas: Float64Array,
  before?: (unit: number, yAt: number, kappa: number) => void,
): void {
  for (let u = 0; u < posterior.units; u++) {
    if (kappas[u] === 0) continue;
    const yAt = prospectAt(prospect, posterior, u);
    before?.(u, yAt, kappas[u]);
    posterior.kernels.shrink(covarianceAt(posterior, u), yAt, kappas[u], posterior.basis.size);
  }
}

/** κ of a face whose count is not known yet: the information at the mean, J/(1 + s² J). */
export function expectedKappa(posterior: Posterior, unit: number, m: number, s2: number): number {
  const expected = information(posterior.observations[unit], m, posterior.dispersion[unit]);
  return expected / (1 + s2 * expected);
}

/**
 * Bounded forgetting over n trials: each weight is an Ornstein–Uhlenbeck process that returns to its prior, so that after a
 * silence of any length the belief is the prior and not wider. With a = e^{−n/2τ}: μ ← μ₀ + a (μ − μ₀), C ← a² C + (1 − a²) C₀.
 *
 * @param memoryTrials τ: what a trial taught counts for 1/e after so many
 */
export function forget(posterior: Posterior, unit: number, n: number, memoryTrials: number): void {
  const { basis, mean, stride, precision } = posterior;
  const kept = Math.exp(-n / memoryTrials);
  const a = Math.sqrt(kept);
  const packed = covarianceOf(posterior, unit);
  for (let k = 0; k < packed.length; k++) packed[k] *= kept;
  for (let i = 0; i < basis.size; i++) {
    packed[packedIndex(i, i)] += (1 - kept) / precision[unit * basis.size + i];
    mean[unit * stride + i] *= a;
  }
  mean[unit * stride] += (1 - a) * priorEta(posterior.observations[unit]);
}
