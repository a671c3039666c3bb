/**
 * A slow gain that all units share (arousal): log g_t is a first-order autoregression about 0 with a given standard deviation and time
 * constant, filtered forward with all units' counts of each trial. Its estimate is then taken as known when units learn from that
 * trial.
 */
import { expectedCount, information, withGain } from "./observation.ts";
import { linearPredictor, type Posterior, type Prospect } from "./posterior.ts";

export interface GainSettings {
  /** Stationary standard deviation of log gain. */
  sd: number;
  /** Trials after which a deviation has decayed to 1/e. */
  trials: number;
}

/** Belief about log gain at the last trial. */
export interface Gain {
  mean: number;
  variance: number;
}

export const startGain = ({ sd }: GainSettings): Gain => ({ mean: 0, variance: sd ** 2 });

const ITERATIONS = 8;

/**
 * One step of the filter: predict, then the mode of N(log g) Π_u p(r_u | η_u, g) by Fisher scoring. What is not known of η_u
 * counts as noise: a unit's information J enters as J/(1 + s² J).
 *
 * @param counts one a unit, NaN where there is none
 */
export function stepGain(
  gain: Gain,
  { sd, trials }: GainSettings,
  posterior: Posterior,
  prospect: Prospect,
  counts: ArrayLike<number>,
): Gain {
  const kept = Math.exp(-1 / trials);
  const mean = kept * gain.mean;
  const variance = kept ** 2 * gain.variance + (1 - kept ** 2) * sd ** 2;
  const m = Float64Array.from({ length: posterior.units }, (_, u) => linearPredictor(posterior, u, prospect.x));
  let now = mean;
  let precision = 0;
  for (let i = 0; i < ITERATIONS; i++) {
    let slope = (mean - now) / variance;
    precision = 1 / variance;
    for (let u = 0; u < posterior.units; u++) {
      if (Number.isNaN(counts[u])) continue;
      const { observation, shift } = withGain(posterior.observations[u], now);
      const phi = posterior.dispersion[u];
      const eta = m[u] + shift;
      const known = 1 / (1 + prospect.variance[u] * information(observation, eta, phi));
      const expected = expectedCount(observation, eta);
      slope += (known * (counts[u] - expected)) / (1 + phi * expected);
      precision += (known * expected) / (1 + phi * expected);
    }
    const step = slope / precision;
    now += Math.max(-1, Math.min(1, step));
    if (Math.abs(step) < 1e-9) break;
  }
  return { mean: now, variance: 1 / precision };
}
