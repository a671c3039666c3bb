/**
 * How a unit's counts come from its tuning: the link from η = x'θ to the expected count, and the distribution of counts about
 * it. Everything here is about one scalar η and one count; posterior.ts carries it to weights.
 */
import { adaptiveNodes, lambertWExp, logGamma, logistic, softplus } from "./numerics.ts";

export type Link = "exponential" | "softplus";
export type CountDistribution = "poisson" | "negative-binomial";

/** What all units of a session share; the dispersion is each unit's own. */
export interface Observation {
  link: Link;
  counts: CountDistribution;
  /** Expected count in a response window before anything is known; with `softplus` also where its bend lies. */
  priorCount: number;
}

/** η at which the expected count is the prior one: the prior mean of the bias. */
export const priorEta = ({ link, priorCount }: Observation): number =>
  link === "exponential" ? Math.log(priorCount) : 0;

/**
 * Expected count λ(η). Exponential: e^η. Softplus: c log(1 + e^η)/log 2 with c the prior count, so that a rate well above it is
 * linear in η and one well below it exponential.
 */
export const expectedCount = ({ link, priorCount }: Observation, eta: number): number =>
  link === "exponential" ? Math.exp(eta) : (priorCount * softplus(eta)) / Math.LN2;

/** dλ/dη. */
export const slope = ({ link, priorCount }: Observation, eta: number): number =>
  link === "exponential" ? Math.exp(eta) : (priorCount * logistic(eta)) / Math.LN2;

/** d log λ/dη. */
export const logRateSlope = (observation: Observation, eta: number): number =>
  observation.link === "exponential" ? 1 : slope(observation, eta) / expectedCount(observation, eta);

/** A gain of e^g on expected counts: a shift of η for an exponential link, a taller bend for softplus. */
export const withGain = (observation: Observation, logGain: number): { observation: Observation; shift: number } =>
  observation.link === "exponential"
    ? { observation, shift: logGain }
    : { observation: { ...observation, priorCount: observation.priorCount * Math.exp(logGain) }, shift: 0 };

/** η of an expected count λ > 0: the inverse of `expectedCount`. */
export function etaOfCount({ link, priorCount }: Observation, count: number): number {
  if (link === "exponential") return Math.log(count);
  const v = (count * Math.LN2) / priorCount;
  return v > 30 ? v : Math.log(Math.expm1(v));
}

/**
 * Fisher information of one count about η: λ'²/(λ + φ λ²). Poisson with exponential link: λ.
 *
 * @param dispersion φ ≥ 0 of the negative binomial, whose variance is λ + φ λ² (shape k = 1/φ); 0 is Poisson
 */
export function information(observation: Observation, eta: number, dispersion: number): number {
  if (observation.link === "exponential") {
    const count = Math.exp(eta);
    return count / (1 + dispersion * count);
  }
  const count = expectedCount(observation, eta);
  return slope(observation, eta) ** 2 / (count * (1 + dispersion * count));
}

/** d log p(r | η)/dη = λ' (r − λ)/(λ + φ λ²). */
export function score(observation: Observation, eta: number, dispersion: number, count: number): number {
  const expected = expectedCount(observation, eta);
  if (observation.link === "exponential") return (count - expected) / (1 + dispersion * expected);
  return (slope(observation, eta) * (count - expected)) / (expected * (1 + dispersion * expected));
}

/** The part of log p(r | η) that depends on η: r log λ − (r + 1/φ) log(1 + φ λ); for φ = 0, r log λ − λ. */
export function logLikelihoodKernel(observation: Observation, eta: number, dispersion: number, count: number): number {
  const expected = expectedCount(observation, eta);
  const logExpected = observation.link === "exponential" ? eta : Math.log(expected);
  const loss = dispersion > 0 ? (count + 1 / dispersion) * Math.log1p(dispersion * expected) : expected;
  return count * logExpected - loss;
}

/** The rest of log p(r | η): log [Γ(r + 1/φ) φ^r / (Γ(1/φ) r!)]; for φ = 0, −log r!. */
export function logLikelihoodConstant(dispersion: number, count: number): number {
  let rising = 0;
  if (dispersion > 0) {
    // Γ(r + 1/φ) φ^r / Γ(1/φ) = Π_{j<r} (1 + φ j): a product of few terms where the difference of two log Γ would cancel.
    if (count < 64 && Number.isInteger(count)) for (let j = 1; j < count; j++) rising += Math.log1p(dispersion * j);
    else rising = logGamma(count + 1 / dispersion) - logGamma(1 / dispersion) + count * Math.log(dispersion);
  }
  return rising - logGamma(count + 1);
}

export const logLikelihood = (observation: Observation, eta: number, dispersion: number, count: number): number =>
  logLikelihoodKernel(observation, eta, dispersion, count) + logLikelihoodConstant(dispersion, count);

/** What one count does to a Gaussian belief about η with mean m and variance s²: m ← m + s² step, s² ← s² − κ s⁴. */
export interface Update {
  step: number;
  kappa: number;
}

/**
 * The update of N(m, s²) by one count. Poisson with exponential link: the exact Laplace approximation, whose mode is
 * ρ̂ = a − W(s² e^a), a = m + s² r. Otherwise the assumed-density update: mean and variance of N(ρ; m, s²) p(r | ρ) by
 * adaptive Gauss–Hermite quadrature; a surprise that would widen the belief leaves its variance as it was.
 *
 * @param m, s2 mean and variance of η; s2 > 0
 * @param count r ≥ 0
 */
export function updateOf(observation: Observation, m: number, s2: number, dispersion: number, count: number): Update {
  return observation.link === "exponential" && dispersion === 0
    ? laplace(m, s2, count)
    : matched(integrate(observation, m, s2, dispersion, count), m, s2);
}

/** log ∫ p(r | η) N(η; m, s²) dη: how well a belief foretold a count, in nats. By adaptive Gauss–Hermite quadrature. */
export const logPredictive = (
  observation: Observation,
  m: number,
  s2: number,
  dispersion: number,
  count: number,
): number => evidence(integrate(observation, m, s2, dispersion, count), s2, dispersion, count);

/** `updateOf` and `logPredictive` in one. */
export function observe(
  observation: Observation,
  m: number,
  s2: number,
  dispersion: number,
  count: number,
): Update & { logPredictive: number } {
  const tilted = integrate(observation, m, s2, dispersion, count);
  const update =
    observation.link === "exponential" && dispersion === 0 ? laplace(m, s2, count) : matched(tilted, m, s2);
  return { ...update, logPredictive: evidence(tilted, s2, dispersion, count) };
}

function laplace(m: number, s2: number, count: number): Update {
  const a = m + s2 * count;
  const fitted = Math.exp(a - lambertWExp(Math.log(s2) + a));
  return { step: count - fitted, kappa: fitted / (1 + s2 * fitted) };
}

/** N(ρ; m, s²) p(r | ρ) about its peak: moments over the nodes, in units of `spread`. */
interface Tilted {
  mode: number;
  spread: number;
  logPeak: number;
  weight: number;
  mean: number;
  variance: number;
}

function integrate(observation: Observation, m: number, s2: number, dispersion: number, count: number): Tilted {
  const { mode, spread, logPeak } = peakOf(observation, m, s2, dispersion, count);
  let weight = 0;
  let first = 0;
  let second = 0;
  for (const [node, nodeLogWeight] of adaptiveNodes) {
    const eta = mode + spread * node;
    const w = Math.exp(nodeLogWeight + logTilted(observation, eta, m, s2, dispersion, count) - logPeak);
    weight += w;
    first += w * node;
    second += w * node * node;
  }
  const mean = first / weight;
  return { mode, spread, logPeak, weight, mean, variance: second / weight - mean * mean };
}

const matched = ({ mode, spread, mean, variance }: Tilted, m: number, s2: number): Update => ({
  step: (mode + spread * mean - m) / s2,
  kappa: Math.max(0, (s2 - spread * spread * variance) / (s2 * s2)),
});

const evidence = ({ spread, logPeak, weight }: Tilted, s2: number, dispersion: number, count: number): number =>
  logPeak + Math.log((weight * spread) / Math.sqrt(s2)) + logLikelihoodConstant(dispersion, count);

const logTilted = (
  observation: Observation,
  eta: number,
  m: number,
  s2: number,
  dispersion: number,
  count: number,
): number => logLikelihoodKernel(observation, eta, dispersion, count) - (eta - m) ** 2 / (2 * s2);

/** Mode of N(η; m, s²) p(r | η), the standard deviation that its curvature gives, and the log of its height. */
function peakOf(observation: Observation, m: number, s2: number, dispersion: number, count: number) {
  let mode = m;
  let height = logTilted(observation, mode, m, s2, dispersion, count);
  // Fisher scoring; the objective rises with each step kept, and is concave or nearly so.
  for (let i = 0; i < 30; i++) {
    const gradient = score(observation, mode, dispersion, count) - (mode - m) / s2;
    let step = gradient / (information(observation, mode, dispersion) + 1 / s2);
    let next = logTilted(observation, mode + step, m, s2, dispersion, count);
    for (let half = 0; half < 40 && !(next >= height); half++) {
      step /= 2;
      next = logTilted(observation, mode + step, m, s2, dispersion, count);
    }
    if (!(next >= height)) break;
    mode += step;
    height = next;
    if (Math.abs(step) <= 1e-7 * (1 + Math.abs(mode))) break;
  }
  const spread = 1 / Math.sqrt(information(observation, mode, dispersion) + 1 / s2);
  return { mode, spread, logPeak: height };
}
