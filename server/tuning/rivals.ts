/**
 * Simpler explanations of each unit, learned beside the additive model: that it is not tuned at all, that exactly one latent
 * carries its tuning (one hypothesis a latent), and that its η is linear in the latents. Each has a small Gaussian posterior of
 * its own and is judged by how well it foretold every count before it was seen: Σ log p(r_i | r_1 … r_{i−1}), the logarithm of its
 * marginal likelihood, which is held-out by construction (Dawid 1984).
 */
import { type Basis, writeBlock } from "./basis.ts";
import { type Interval, Z95 } from "./interval.ts";
import { logRateSlope, type Observation, observe, priorEta, withGain } from "./observation.ts";
import type { PriorSettings } from "./posterior.ts";

/** A Gaussian posterior of n weights for every unit. */
interface SmallModel {
  n: number;
  mean: Float64Array;
  covariance: Float64Array;
  /** Σ log predictive probability, one a unit, in nats. */
  logEvidence: Float64Array;
  y: Float64Array;
}

export interface Rivals {
  basis: Basis;
  observation: Observation;
  units: number;
  constant: SmallModel;
  /**
   * Not tuned either, at a rate that may be far below what the prior of all others expects: a unit that hardly fires is to be explained by that,
   * and not by curves that only pull its rate down.
   */
  sparse: SmallModel;
  linear: SmallModel;
  /** One a latent. */
  oneLatent: SmallModel[];
  /** Σ log predictive probability of the additive model, one a unit; the posterior's owner adds to it. */
  additive: Float64Array;
  /** Trials that were foretold, one a unit. */
  trials: Float64Array;
  /** Σ (by how much a trial was foretold better than by the constant model)², one a unit: of the additive and of the linear model. */
  squares: { additive: Float64Array; linear: Float64Array };
}

/** Standard deviation of a sparse unit's log rate, and the share of units without tuning that are expected to be so. */
const SPARSE_SD = 4;
const SPARSE_SHARE = 0.1;
/** A unit that codes one latent is tuned to it more strongly than one of twelve shares is. */
const ONE_LATENT_SD = 2;

export function createRivals(basis: Basis, observation: Observation, units: number, prior: PriorSettings): Rivals {
  const { latents, unitVariance } = basis;
  // Standard deviations are of the log rate, as those of the additive model are.
  const scale = 1 / logRateSlope(observation, priorEta(observation)) ** 2;
  const bias = scale * prior.biasSd ** 2;
  const one = Array.from(
    unitVariance,
    (v, j) => scale * v * (ONE_LATENT_SD * (j === 0 ? prior.linearSd : prior.smoothSd)) ** 2,
  );
  const small = (variances: number[]) => createSmall(units, priorEta(observation), variances);
  return {
    basis,
    observation,
    units,
    constant: small([bias]),
    sparse: small([scale * SPARSE_SD ** 2]),
    linear: small([bias, ...Array.from({ length: latents }, () => scale * prior.linearSd ** 2)]),
    oneLatent: Array.from({ length: latents }, () => small([bias, ...one])),
    additive: new Float64Array(units),
    trials: new Float64Array(units),
    squares: { additive: new Float64Array(units), linear: new Float64Array(units) },
  };
}

function createSmall(units: number, bias: number, variances: number[]): SmallModel {
  const n = variances.length;
  const mean = new Float64Array(units * n);
  const covariance = new Float64Array(units * n * n);
  for (let u = 0; u < units; u++) {
    mean[u * n] = bias;
    variances.forEach((v, i) => {
      covariance[(u * n + i) * n + i] = v;
    });
  }
  return { n, mean, covariance, logEvidence: new Float64Array(units), y: new Float64Array(n) };
}

/** Forgets all that is known of a unit. */
export function resetRivals(rivals: Rivals, unit: number, prior: PriorSettings): void {
  const fresh = modelsOf(createRivals(rivals.basis, rivals.observation, 1, prior));
  for (const [i, model] of modelsOf(rivals).entries()) {
    model.mean.set(fresh[i].mean, unit * model.n);
    model.covariance.set(fresh[i].covariance, unit * model.n * model.n);
    model.logEvidence[unit] = 0;
  }
  rivals.additive[unit] = 0;
  rivals.trials[unit] = 0;
  rivals.squares.additive[unit] = 0;
  rivals.squares.linear[unit] = 0;
}

type SmallState = Pick<SmallModel, "mean" | "covariance" | "logEvidence">;

/** All that the rivals have learned. */
export interface RivalsState extends Pick<Rivals, "additive" | "trials" | "squares"> {
  /** The constant model, the sparse one, the linear one, then one a latent. */
  models: SmallState[];
}

const modelsOf = ({ constant, sparse, linear, oneLatent }: Rivals): SmallModel[] => [
  constant,
  sparse,
  linear,
  ...oneLatent,
];

export const rivalsState = (rivals: Rivals): RivalsState => ({
  models: modelsOf(rivals).map(({ mean, covariance, logEvidence }) => ({
    mean: mean.slice(),
    covariance: covariance.slice(),
    logEvidence: logEvidence.slice(),
  })),
  additive: rivals.additive.slice(),
  trials: rivals.trials.slice(),
  squares: { additive: rivals.squares.additive.slice(), linear: rivals.squares.linear.slice() },
});

export function restoreRivals(rivals: Rivals, { models, additive, trials, squares }: RivalsState): void {
  for (const [i, model] of modelsOf(rivals).entries()) {
    model.mean.set(models[i].mean);
    model.covariance.set(models[i].covariance);
    model.logEvidence.set(models[i].logEvidence);
  }
  rivals.additive.set(additive);
  rivals.trials.set(trials);
  rivals.squares.additive.set(squares.additive);
  rivals.squares.linear.set(squares.linear);
}

/**
 * Learns from one trial.
 *
 * @param latents of the face shown
 * @param counts one a unit, NaN where there is none
 * @param dispersion φ of each unit
 * @param foretold log predictive probability of each count under the additive model
 */
export function learnRivals(
  rivals: Rivals,
  latents: ArrayLike<number>,
  counts: ArrayLike<number>,
  dispersion: Float64Array,
  foretold: Float64Array,
  logGain = 0,
): void {
  const { basis, constant, sparse, linear, oneLatent } = rivals;
  const { observation, shift } = withGain(rivals.observation, logGain);
  const flat = [1];
  const line = [1, ...Array.from(latents)];
  const blocks = oneLatent.map((_, d) => oneLatentFeatures(basis, latents[d]));
  for (let u = 0; u < rivals.units; u++) {
    if (Number.isNaN(counts[u])) continue;
    const learn = (model: SmallModel, x: ArrayLike<number>) =>
      learnSmall(model, u, x, observation, shift, dispersion[u], counts[u]);
    const byConstant = learn(constant, flat);
    learn(sparse, flat);
    rivals.squares.linear[u] += (learn(linear, line) - byConstant) ** 2;
    rivals.squares.additive[u] += (foretold[u] - byConstant) ** 2;
    for (let d = 0; d < oneLatent.length; d++) learn(oneLatent[d], blocks[d]);
    rivals.additive[u] += foretold[u];
    rivals.trials[u]++;
  }
}

export function oneLatentFeatures(basis: Basis, value: number): Float64Array {
  const x = new Float64Array(1 + basis.block);
  x[0] = 1;
  writeBlock(basis, value, x, 1);
  return x;
}

/** Mean and variance of η that a rival foretells for unit u; leaves C x in `model.y`. */
export function foretell(model: SmallModel, u: number, x: ArrayLike<number>): { m: number; s2: number } {
  const { n, mean, covariance, y } = model;
  let m = 0;
  let s2 = 0;
  let row = u * n * n;
  for (let i = 0; i < n; i++) {
    let sum = 0;
    for (let j = 0; j < n; j++) sum += covariance[row++] * x[j];
    y[i] = sum;
    s2 += x[i] * sum;
    m += mean[u * n + i] * x[i];
  }
  return { m, s2 };
}

/** Gives the log predictive probability of the count. */
function learnSmall(
  model: SmallModel,
  u: number,
  x: ArrayLike<number>,
  observation: Observation,
  shift: number,
  dispersion: number,
  count: number,
): number {
  const { n, mean, covariance, y, logEvidence } = model;
  const { m, s2 } = foretell(model, u, x);
  const { step, kappa, logPredictive } = observe(observation, m + shift, s2, dispersion, count);
  logEvidence[u] += logPredictive;
  let row = u * n * n;
  for (let i = 0; i < n; i++) {
    mean[u * n + i] += y[i] * step;
    const scaled = kappa * y[i];
    for (let j = 0; j < n; j++) covariance[row++] -= scaled * y[j];
  }
  return logPredictive;
}

/** Which explanation of a unit holds, as probabilities. */
export interface Codes {
  /** Given that it codes one latent: which. Length D, sums to 1. */
  latents: number[];
  /** That one latent carries its tuning, that several do, that it is not tuned. Sum to 1. */
  one: number;
  several: number;
  none: number;
}

/** Before any count: as many units code one latent as several, and a tenth is not tuned. */
const PRIOR = { one: 0.45, several: 0.45, none: 0.1 };

/**
 * Posterior probabilities of the explanations; `several` is the additive and the linear model in equal parts. Where there is one latent, these
 * are explanations by that latent too, and none is by several.
 */
export function codesOf(rivals: Rivals, unit: number): Codes {
  const one = rivals.oneLatent.map((model) => model.logEvidence[unit]);
  const logs = [
    ...one.map((v) => v + Math.log(PRIOR.one / one.length)),
    rivals.additive[unit] + Math.log(PRIOR.several / 2),
    rivals.linear.logEvidence[unit] + Math.log(PRIOR.several / 2),
    logEvidence(rivals, unit, "constant") + Math.log(PRIOR.none),
  ];
  const top = Math.max(...logs);
  const weights = logs.map((v) => Math.exp(v - top));
  const total = weights.reduce((a, b) => a + b, 0);
  const topOne = Math.max(...one);
  const within = one.map((v) => Math.exp(v - topOne));
  const totalOne = within.reduce((a, b) => a + b, 0);
  const D = one.length;
  const several = weights[D] + weights[D + 1];
  const alone = weights.slice(0, D).reduce((a, b) => a + b, 0);
  return {
    latents: within.map((v) => v / totalOne),
    one: (D === 1 ? alone + several : alone) / total,
    several: D === 1 ? 0 : several / total,
    none: weights[D + 2] / total,
  };
}

/** Probability of the likeliest explanation: one latent in particular, several, or none. */
export const certaintyOf = ({ latents, one, several, none }: Codes): number =>
  Math.max(...latents.map((p) => p * one), several, none);

/** Explanations of a unit's counts. */
export type HypothesisName = "constant" | "one-latent" | "linear" | "additive";

/** Log marginal likelihood of a unit's counts under a named explanation, in nats; one-latent: averaged over latents; constant: over its two priors. */
export function logEvidence(rivals: Rivals, unit: number, name: HypothesisName): number {
  switch (name) {
    case "constant":
      return logSum([
        rivals.constant.logEvidence[unit] + Math.log(1 - SPARSE_SHARE),
        rivals.sparse.logEvidence[unit] + Math.log(SPARSE_SHARE),
      ]);
    case "linear":
      return rivals.linear.logEvidence[unit];
    case "additive":
      return rivals.additive[unit];
    case "one-latent": {
      const each = rivals.oneLatent.map((model) => model.logEvidence[unit]);
      return logSum(each) - Math.log(each.length);
    }
  }
}

function logSum(logs: readonly number[]): number {
  const top = Math.max(...logs);
  return top + Math.log(logs.reduce((sum, v) => sum + Math.exp(v - top), 0));
}

/** How well a unit's counts were foretold, each before it was seen. */
export interface HeldOut {
  trials: number;
  /** Log marginal likelihood of all counts under each explanation, in nats: their differences are log odds. */
  logEvidence: Record<HypothesisName, number>;
  /** Log predictive probability above the constant model's, in nats a trial. */
  gain: { additive: Interval; linear: Interval };
}

/** Null before the first trial. The interval of a gain is that of a mean of differences that no trial can foretell of the next. */
export function heldOutOf(rivals: Rivals, unit: number): HeldOut | null {
  const n = rivals.trials[unit];
  if (n === 0) return null;
  const gain = (name: "additive" | "linear"): Interval => {
    const estimate = (logEvidence(rivals, unit, name) - logEvidence(rivals, unit, "constant")) / n;
    const variance = Math.max(rivals.squares[name][unit] / n - estimate ** 2, 0);
    const half = n > 1 ? Z95 * Math.sqrt(variance / (n - 1)) : Number.POSITIVE_INFINITY;
    return { estimate, low: estimate - half, high: estimate + half };
  };
  return {
    trials: n,
    logEvidence: {
      constant: logEvidence(rivals, unit, "constant"),
      "one-latent": logEvidence(rivals, unit, "one-latent"),
      linear: logEvidence(rivals, unit, "linear"),
      additive: logEvidence(rivals, unit, "additive"),
    },
    gain: { additive: gain("additive"), linear: gain("linear") },
  };
}
