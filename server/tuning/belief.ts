import type { Basis } from "./basis.ts";
import { type Observation, priorEta, withGain } from "./observation.ts";

/** What is believed of one unit: a Gaussian over its weights. What reports, refits and face reading work on. */
export interface UnitBelief {
  basis: Basis;
  observation: Observation;
  /** μ, length P. */
  mean: Float64Array;
  /** C, P × P, symmetric. */
  covariance: Float64Array;
  /** Prior precision of each weight, length P; the prior mean is `priorEta` for the bias and 0 for the rest. */
  precision: Float64Array;
  /** φ of the unit's counts, whose variance is λ + φ λ²; 0 is Poisson. */
  dispersion: number;
}

/** Prior mean of the weights: the prior count for the bias, 0 for the rest. Length P. */
export function priorMean(basis: Basis, observation: Observation): Float64Array {
  const mean = new Float64Array(basis.size);
  mean[0] = priorEta(observation);
  return mean;
}

/** What is believed of a unit before its first trial, from the prior's precisions (length P). */
export function priorBelief(
  basis: Basis,
  observation: Observation,
  precision: Float64Array,
  dispersion: number,
): UnitBelief {
  const covariance = new Float64Array(basis.size ** 2);
  for (let i = 0; i < basis.size; i++) covariance[i * basis.size + i] = 1 / precision[i];
  return { basis, observation, mean: priorMean(basis, observation), covariance, precision, dispersion };
}

/** The belief about a trial whose expected counts are e^g times what they would be. */
export function atGain(belief: UnitBelief, logGain: number): UnitBelief {
  if (logGain === 0) return belief;
  const { observation, shift } = withGain(belief.observation, logGain);
  const mean = belief.mean.slice();
  mean[0] += shift;
  return { ...belief, observation, mean };
}

/** Mean and variance of x'θ, of η at features x: what is believed of it. Zeros of x cost nothing. */
export function believedAt(
  { mean, covariance }: Pick<UnitBelief, "mean" | "covariance">,
  x: Float64Array,
): { mean: number; variance: number } {
  const n = x.length;
  let sum = 0;
  let variance = 0;
  for (let i = 0; i < n; i++) {
    if (x[i] === 0) continue;
    sum += x[i] * mean[i];
    let row = 0;
    for (let j = 0; j < n; j++) row += covariance[i * n + j] * x[j];
    variance += x[i] * row;
  }
  return { mean: sum, variance: Math.max(variance, 0) };
}
