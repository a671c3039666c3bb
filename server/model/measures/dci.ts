import { lasso, standardised } from "./lasso.ts";

export interface Dci {
  disentanglement: number;
  completeness: number;
  /** Mean over factors of R² on images that were not fitted to. */
  informativeness: number;
  /** R² of each factor. */
  informativenessOf: number[];
  /** |weight| of latent l for factor f at [f][l]. */
  importance: number[][];
}

/**
 * Disentanglement, completeness and informativeness (Eastwood & Williams 2018), with Lasso (α = 0.01) as the regressor,
 * from standardised latents to each standardised factor: fitted to the first half of the images, R² from the second.
 * Disentanglement of a latent is 1 − entropy (base: number of factors) of its importances over factors, weighted by the
 * latent's share of all importance; completeness of a factor is 1 − entropy (base: number of latents), averaged.
 * `factors` and `latents` hold variable v of image i at [v][i].
 */
export function disentanglement(
  factors: readonly ArrayLike<number>[],
  latents: readonly ArrayLike<number>[],
  alpha = 0.01,
): Dci {
  const n = factors[0].length;
  const half = Math.floor(n / 2);
  const part = (values: ArrayLike<number>, from: number, to: number) => Float64Array.from(values).slice(from, to);
  const fitted = latents.map((values) => standardised(part(values, 0, half)));
  const other = latents.map((values) => standardised(part(values, half, n), part(values, 0, half)));
  const importance: number[][] = [];
  const informativenessOf: number[] = [];
  for (const values of factors) {
    const weights = lasso(fitted, standardised(part(values, 0, half)), alpha);
    importance.push(Array.from(weights, Math.abs));
    const y = standardised(part(values, half, n), part(values, 0, half));
    const error = y.map((value, i) => value - other.reduce((sum, column, l) => sum + weights[l] * column[i], 0));
    informativenessOf.push(1 - squares(error) / squares(y.map((value) => value - mean(y))));
  }
  const columns = latents.map((_, l) => importance.map((row) => row[l]));
  const total = columns.reduce((sum, column) => sum + added(column), 0);
  return {
    disentanglement: columns.reduce((sum, column) => sum + (added(column) / (total || 1)) * concentration(column), 0),
    completeness: mean(importance.map(concentration)),
    informativeness: mean(informativenessOf),
    informativenessOf,
    importance,
  };
}

/** 1 − entropy of the shares, in units of that of equal shares; 0 if there is nothing to share, 1 where only one could share it. */
export function concentration(amounts: ArrayLike<number>): number {
  const total = added(amounts);
  if (total === 0) return 0;
  if (amounts.length === 1) return 1;
  const entropy = Array.from(amounts).reduce(
    (sum, amount) => sum - (amount > 0 ? (amount / total) * Math.log(amount / total) : 0),
    0,
  );
  return 1 - entropy / Math.log(amounts.length);
}

const added = (values: ArrayLike<number>) => Array.from(values).reduce((sum, value) => sum + value, 0);
const mean = (values: ArrayLike<number>) => added(values) / values.length;
const squares = (values: Float64Array) => values.reduce((sum, value) => sum + value * value, 0);
