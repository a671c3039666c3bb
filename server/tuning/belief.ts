import type { Basis } from "./basis.ts";
import type { Observation } from "./observation.ts";

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
