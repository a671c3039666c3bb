import type { Simulation } from "../../protocols/experiment.ts";
import type { Random } from "../../server/random.ts";

type SlowGain = NonNullable<Simulation["sharedGain"]>;
type GainNoise = NonNullable<Simulation["gainNoise"]>;

/**
 * A gain that wanders: its logarithm is a stationary first-order autoregression over presentations,
 * g_n = ρ g_{n−1} + σ √(1 − ρ²) ε_n with ρ = e^{−1/timescale}; its mean is 1. What it is at presentation n depends on the generator
 * and n alone.
 */
export function slowGain({ logSd, timescaleTrials }: SlowGain, random: Random): (presentation: number) => number {
  const rho = Math.exp(-1 / timescaleTrials);
  const innovation = logSd * Math.sqrt(1 - rho ** 2);
  const logs = [logSd * random.split(0).normal()];
  return (presentation) => {
    for (let n = logs.length; n <= presentation; n++)
      logs.push(rho * logs[n - 1] + innovation * random.split(n).normal());
    return Math.exp(logs[presentation] - logSd ** 2 / 2);
  };
}

/** Standard normal, one for each presentation, for all units. */
export function commonNoise(random: Random): (presentation: number) => number {
  let last = { presentation: -1, value: 0 };
  return (presentation) => {
    if (last.presentation !== presentation) last = { presentation, value: random.split(presentation).normal() };
    return last.value;
  };
}

/**
 * A log-normal gain of mean 1 and the given variance φ, drawn anew at each presentation; any two units' gains correlate by ρ. With
 * σ² = log(1 + φ), log gain = σ (√a c + √(1 − a) e) − σ²/2, where c is common, e the unit's own and a = log(1 + ρφ)/σ².
 */
export function noisyGain(
  { variance, correlation }: GainNoise,
  common: (presentation: number) => number,
): (presentation: number, random: Random) => number {
  const square = Math.log(1 + variance);
  const inCommon = Math.log(1 + correlation * variance) / square;
  return (presentation, random) => {
    const noise = Math.sqrt(inCommon) * common(presentation) + Math.sqrt(1 - inCommon) * random.split("noise").normal();
    return Math.exp(Math.sqrt(square) * noise - square / 2);
  };
}

/**
 * A draw from Gamma(shape, 1/shape), of mean 1 and variance 1/shape: a Poisson count whose mean it multiplies is negative
 * binomial, with variance μ + μ²/shape. Marsaglia & Tsang 2000.
 *
 * @param shape at least 1
 */
export function gammaGain(shape: number, random: Random): number {
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = random.normal();
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(1 - random.uniform()) < x ** 2 / 2 + d * (1 - v + Math.log(v))) return (d * v) / shape;
  }
}

/** A draw from the log-normal distribution of this mean and standard deviation. */
export function logNormal({ meanMs, sdMs }: { meanMs: number; sdMs: number }, random: Random): number {
  const square = Math.log(1 + (sdMs / meanMs) ** 2);
  return meanMs * Math.exp(Math.sqrt(square) * random.normal() - square / 2);
}
