import type { Random } from "../../server/random.ts";

/** A slow gain that units share, as arousal is: standard deviation of its logarithm, and how long it remembers. */
export interface SlowGain {
  logSd: number;
  timescaleTrials: number;
}

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
