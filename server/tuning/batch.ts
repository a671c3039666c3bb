/**
 * A unit fitted to all its trials at once: the Laplace posterior of its weights, averaged over the priors of its latents, with the
 * dispersion of its counts and the smoothness of its curves learned from the same trials. Pure; nothing is kept between calls but what the
 * caller passes on as `start`.
 *
 * Cost, with N trials and P weights, when started from an earlier fit: three or four passes of N P²/2 products (the
 * curvature), and ten to twenty times P³/3 (the prior). A first fit takes about twice that; never more than MOST_ROUNDS rounds.
 */
import type { Basis } from "./basis.ts";
import { priorMean, type UnitBelief } from "./belief.ts";
import { inverse, invertFactor } from "./cholesky.ts";
import { dispersionInterval, learnDispersion, priorDispersion } from "./dispersion.ts";
import {
  climb,
  createLikelihood,
  createMode,
  formCurvature,
  gaussianTerms,
  logEvidence,
  type Prior,
  type TrialData,
} from "./laplace.ts";
import type { Observation } from "./observation.ts";
import { addRatioUncertainty, learnPrior, lengthScaleOf, precisionOf, readPrior } from "./prior-learning.ts";

export interface FitStart {
  /** Where the search begins: an earlier fit, the online posterior, or the prior. */
  belief: UnitBelief;
  /** The prior's precisions before any learning, length P. */
  startPrecision: Float64Array;
}

export interface UnitFit {
  belief: UnitBelief;
  /** Laplace evidence at the learned prior and dispersion, in nats. */
  logEvidence: number;
  /** ℓ of the unit's smooth parts, in latent units. */
  lengthScale: number;
  /** 90 % interval of the dispersion; null for Poisson counts. */
  dispersionInterval: { low: number; high: number } | null;
}

const MOST_ROUNDS = 6;
/** Rounds end when no log precision, nor the log dispersion, moves by more than this. */
const SETTLED = 0.1;

/**
 * Fits a unit to its trials: mode and curvature of the posterior (Laplace), inside a search for the prior's precisions
 * and ℓ (`learnPrior`) and, for negative-binomial counts, the dispersion (`learnDispersion`).
 *
 * @param data features and gains of all trials
 * @param counts one a trial; NaN where the unit has none
 * @throws RangeError for arrays of another length; Error where features or counts are not finite
 */
export function fitUnit(
  basis: Basis,
  observation: Observation,
  data: TrialData,
  counts: Float64Array,
  { belief, startPrecision }: FitStart,
): UnitFit {
  const likelihood = createLikelihood(observation, data, counts, basis.size);
  const learned = readPrior(basis, startPrecision, belief.precision);
  const prior: Prior = {
    mean: priorMean(basis, observation),
    precision: precisionOf(learned, new Float64Array(basis.size)),
  };
  const mode = createMode(belief.mean);
  const overdispersed = observation.counts === "negative-binomial";
  let dispersion = overdispersed ? belief.dispersion || priorDispersion : 0;
  let determinedWeights = 0;
  for (let round = 0; round < MOST_ROUNDS; round++) {
    climb(likelihood, prior, dispersion, mode, 1e-3);
    formCurvature(likelihood, prior, mode);
    let { moved, determined } = learnPrior(learned, mode.hessian!, gaussianTerms(likelihood, mode), prior.mean);
    precisionOf(learned, prior.precision);
    determinedWeights = determined;
    if (overdispersed) {
      const next = learnDispersion(likelihood, determined);
      moved = Math.max(moved, Math.abs(Math.log(next / dispersion)));
      dispersion = next;
    }
    if (moved < SETTLED) break;
  }
  climb(likelihood, prior, dispersion, mode, 1e-12);
  formCurvature(likelihood, prior, mode);
  const lower = new Float64Array(basis.size ** 2);
  invertFactor(mode.factored, basis.size, lower);
  const covariance = inverse(lower, basis.size);
  addRatioUncertainty(learned, mode.theta, covariance);
  const evidence = logEvidence(likelihood, prior, dispersion, mode);
  if (!Number.isFinite(evidence))
    throw new Error("fit of a unit: expected a finite evidence; are all features and counts finite?");
  return {
    belief: {
      basis,
      observation,
      mean: mode.theta,
      covariance,
      precision: prior.precision,
      dispersion,
    },
    logEvidence: evidence,
    lengthScale: lengthScaleOf(learned),
    dispersionInterval: overdispersed ? dispersionInterval(likelihood, determinedWeights, dispersion) : null,
  };
}
