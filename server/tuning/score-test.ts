/**
 * Score tests: would the fit gain from another feature u? Under the model the score u'r, r the trials' residuals at the mode, has mean
 * 0 and, the prior's pull on the fitted weights included, variance m'Sm + c'Λc with c = C X'Wu, m = u − Xc: nothing is fitted again.
 */
import { factor, solve } from "./cholesky.ts";
import type { Likelihood, Mode, Prior } from "./laplace.ts";
import { combine, multiply } from "./packed-trials.ts";

/** A candidate feature with its score and what is left of it beside the fitted ones. */
interface Scored {
  score: number;
  /** m, one a trial. */
  left: Float64Array;
  /** c, length P. */
  explained: Float64Array;
}

export interface ScoreTests {
  /** χ² statistic of one or several features together (each one value a trial of the likelihood), with its degrees of freedom. */
  test(features: readonly Float64Array[]): { statistic: number; df: number };
}

/** @param mode at the mode, with the curvature formed there */
export function createScoreTests(likelihood: Likelihood, prior: Prior, mode: Mode): ScoreTests {
  const { packed, residual, residualVariance, curvature, size } = likelihood;
  const n = residual.length;
  const weighted = new Float64Array(n);

  function scored(feature: Float64Array): Scored {
    let score = 0;
    for (let k = 0; k < n; k++) {
      score += feature[k] * residual[k];
      weighted[k] = curvature[k] * feature[k];
    }
    const explained = new Float64Array(size);
    combine(packed, weighted, explained);
    solve(mode.factored, size, explained);
    const left = new Float64Array(n);
    multiply(packed, explained, left);
    for (let k = 0; k < n; k++) left[k] = feature[k] - left[k];
    return { score, left, explained };
  }

  function covariance(a: Scored, b: Scored): number {
    let sum = 0;
    for (let k = 0; k < n; k++) sum += residualVariance[k] * a.left[k] * b.left[k];
    for (let i = 0; i < size; i++) sum += prior.precision[i] * a.explained[i] * b.explained[i];
    return sum;
  }

  return {
    test(features) {
      const all = features.map(scored);
      const df = all.length;
      const v = new Float64Array(df * df);
      for (let i = 0; i < df; i++) for (let j = 0; j <= i; j++) v[i * df + j] = covariance(all[i], all[j]);
      const scores = Float64Array.from(all, ({ score }) => score);
      const solved = scores.slice();
      // A feature that the fit already has leaves nothing to test.
      if (!factor(v, df)) return { statistic: 0, df };
      solve(v, df, solved);
      return { statistic: scores.reduce((sum, s, i) => sum + s * solved[i], 0), df };
    },
  };
}
