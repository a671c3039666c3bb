import type { Likelihood } from "./laplace.ts";

/** Prior of log φ: Fano factors of about 1.1 to 2 at a few counts a trial, before anything is known. */
const LOG_DISPERSION = { mean: Math.log(0.1), sd: 1.5 };
const LOG_RANGE = [Math.log(1e-4), Math.log(10)] as const;

export const priorDispersion = Math.exp(LOG_DISPERSION.mean);

/**
 * The most probable dispersion φ of a unit's counts given their expected values: maximises over log φ the profile likelihood,
 * adjusted for the weights that were fitted to the same counts (Cox & Reid 1987, as edgeR and DESeq2 do it), under a log-normal prior. The
 * adjustment −½ log |X'WX| is taken as −½ γ log ΣW(φ): exact where all trials' curvatures scale alike.
 *
 * @param likelihood evaluated at the fit
 * @param determined γ, how many weights the data determine
 */
export function learnDispersion(likelihood: Likelihood, determined: number): number {
  return Math.exp(maximise(logPosterior(likelihood, determined), LOG_RANGE[0], LOG_RANGE[1]));
}

/** Points at which the posterior of log φ is looked at for its interval, and how far, in standard deviations at its top. */
const INTERVAL_POINTS = 61;
const INTERVAL_REACH = 6;

/**
 * 5th and 95th percentile of φ under the same adjusted profile posterior, the weights held at the fit.
 *
 * @param estimate what `learnDispersion` gave
 */
export function dispersionInterval(
  likelihood: Likelihood,
  determined: number,
  estimate: number,
): { low: number; high: number } {
  const value = logPosterior(likelihood, determined);
  const top = Math.log(estimate);
  const step = 0.05;
  const bend = (2 * value(top) - value(top - step) - value(top + step)) / step ** 2;
  const reach = INTERVAL_REACH * Math.min(LOG_DISPERSION.sd, 1 / Math.sqrt(Math.max(bend, 1e-9)));
  const from = Math.max(top - reach, LOG_RANGE[0]);
  const width = (Math.min(top + reach, LOG_RANGE[1]) - from) / (INTERVAL_POINTS - 1);
  const height = value(top);
  const density = Array.from({ length: INTERVAL_POINTS }, (_, i) => Math.exp(value(from + i * width) - height));
  const cumulative = [0];
  for (let i = 1; i < INTERVAL_POINTS; i++) cumulative.push(cumulative[i - 1] + (density[i - 1] + density[i]) / 2);
  const total = cumulative[INTERVAL_POINTS - 1];
  const at = (share: number) => {
    const i = cumulative.findIndex((sum) => sum >= share * total);
    const within = (share * total - cumulative[i - 1]) / (cumulative[i] - cumulative[i - 1]);
    return Math.exp(from + (i - 1 + within) * width);
  };
  return { low: at(0.05), high: at(0.95) };
}

/** log p(φ | counts) over log φ, up to a constant: see `learnDispersion`. */
function logPosterior(likelihood: Likelihood, determined: number): (logDispersion: number) => number {
  const { expected, counts, weight } = likelihood;
  return (logDispersion) => {
    const dispersion = Math.exp(logDispersion);
    let sum = likelihood.constant(dispersion);
    let total = 0;
    for (let k = 0; k < expected.length; k++) {
      const mean = expected[k];
      const loss = Math.log1p(dispersion * mean);
      // The part r log λ does not depend on φ.
      sum -= weight[k] * (counts[k] + 1 / dispersion) * loss;
      total += (weight[k] * mean) / (1 + dispersion * mean);
    }
    const surprise = (logDispersion - LOG_DISPERSION.mean) / LOG_DISPERSION.sd;
    return sum - (total > 0 ? (determined * Math.log(total)) / 2 : 0) - surprise ** 2 / 2;
  };
}

/** Where a function of one variable is largest, to about 1e-3: the best of a coarse grid, then golden sections beside it. */
function maximise(value: (x: number) => number, low: number, high: number): number {
  const cells = 10;
  const width = (high - low) / cells;
  let best = low;
  let height = Number.NEGATIVE_INFINITY;
  for (let i = 0; i <= cells; i++) {
    const here = value(low + i * width);
    if (here > height) {
      height = here;
      best = low + i * width;
    }
  }
  let a = Math.max(low, best - width);
  let b = Math.min(high, best + width);
  const golden = (Math.sqrt(5) - 1) / 2;
  let left = b - golden * (b - a);
  let right = a + golden * (b - a);
  let leftValue = value(left);
  let rightValue = value(right);
  while (b - a > 2e-3) {
    if (leftValue >= rightValue) {
      b = right;
      right = left;
      rightValue = leftValue;
      left = b - golden * (b - a);
      leftValue = value(left);
    } else {
      a = left;
      left = right;
      leftValue = rightValue;
      right = a + golden * (b - a);
      rightValue = value(right);
    }
  }
  return (a + b) / 2;
}
