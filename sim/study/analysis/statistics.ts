import type { Random } from "../../../server/random.ts";
import { quantile } from "../../../server/session/quantile.ts";

/** An estimate with its 95 % interval; a bound that was not reached is null. */
export interface Interval {
  estimate: number | null;
  low: number | null;
  high: number | null;
}

export const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

/** Resamples of {0, …, n − 1} with replacement. All statistics of one study take the same: they stay paired. */
export function drawResamples(n: number, times: number, random: Random): Uint32Array[] {
  return Array.from({ length: times }, () => Uint32Array.from({ length: n }, () => random.int(n)));
}

/**
 * A statistic of n replicates with its percentile bootstrap interval (Efron 1979).
 *
 * @param of the statistic of the replicates with these indices; null where it has no value, which counts as beyond every bound
 */
export function bootstrap(
  n: number,
  resamples: readonly Uint32Array[],
  of: (replicates: ArrayLike<number>) => number | null,
): Interval {
  const finite = (value: number) => (Number.isFinite(value) ? value : null);
  const draws = resamples.map((indices) => of(indices) ?? Number.POSITIVE_INFINITY);
  return {
    estimate: of(Uint32Array.from({ length: n }, (_, i) => i)),
    low: finite(steppedQuantile(draws, 0.025)),
    high: finite(steppedQuantile(draws, 0.975)),
  };
}

/** `quantile` would interpolate towards infinity; the order statistic itself is taken where one is infinite. */
function steppedQuantile(values: readonly number[], q: number): number {
  const value = quantile(values, q);
  if (!Number.isNaN(value)) return value;
  return [...values].sort((a, b) => a - b)[Math.ceil(q * (values.length - 1))];
}

/** Student's t of the mean of paired differences: mean / (s / √n). */
export function pairedT(differences: readonly number[]): number {
  const n = differences.length;
  const m = mean(differences);
  const variance = differences.reduce((sum, d) => sum + (d - m) ** 2, 0) / (n - 1);
  return m / Math.sqrt(variance / n);
}

/**
 * The trials at which a curve first reaches a level, linear in the logarithm of the trials between checkpoints; the first checkpoint if it is
 * there already, null if never.
 *
 * @param trials rising; values of the same length
 * @param falling whether the level is reached from above
 */
export function trialsToReach(
  trials: readonly number[],
  values: readonly number[],
  level: number,
  falling: boolean,
): number | null {
  const short = values.map((value) => (falling ? value - level : level - value));
  const at = short.findIndex((gap) => gap <= 0);
  if (at === -1) return null;
  if (at === 0) return trials[0];
  const share = short[at - 1] / (short[at - 1] - short[at]);
  return trials[at - 1] * (trials[at] / trials[at - 1]) ** share;
}
