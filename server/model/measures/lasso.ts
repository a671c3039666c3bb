/** Scales a variable to mean 0 and standard deviation 1 (over n); a constant becomes zeros. */
export function standardised(values: ArrayLike<number>, like: ArrayLike<number> = values): Float64Array {
  const { mean, sd } = moments(like);
  return Float64Array.from(values, (value) => (sd > 0 ? (value - mean) / sd : 0));
}

function moments(values: ArrayLike<number>): { mean: number; sd: number } {
  let mean = 0;
  for (let i = 0; i < values.length; i++) mean += values[i] / values.length;
  let variance = 0;
  for (let i = 0; i < values.length; i++) variance += (values[i] - mean) ** 2 / values.length;
  return { mean, sd: Math.sqrt(variance) };
}

/**
 * Lasso: the w that minimises ‖y − Xw‖² / (2n) + α‖w‖₁ for centred y and columns of X, by cyclic coordinate descent
 * (Friedman, Hastie & Tibshirani 2010), until no weight moves by more than 1e-9. `columns` holds variable v of row i at
 * [v][i].
 */
export function lasso(columns: readonly Float64Array[], y: Float64Array, alpha: number): Float64Array {
  const n = y.length;
  const weights = new Float64Array(columns.length);
  const squares = columns.map((column) => column.reduce((sum, value) => sum + value * value, 0));
  const residual = y.slice();
  for (let pass = 0; pass < 10_000; pass++) {
    let moved = 0;
    for (const [v, column] of columns.entries()) {
      if (squares[v] === 0) continue;
      let slope = squares[v] * weights[v];
      for (let i = 0; i < n; i++) slope += column[i] * residual[i];
      const next = (Math.sign(slope) * Math.max(0, Math.abs(slope) - n * alpha)) / squares[v];
      const by = next - weights[v];
      if (by === 0) continue;
      for (let i = 0; i < n; i++) residual[i] -= by * column[i];
      weights[v] = next;
      moved = Math.max(moved, Math.abs(by));
    }
    if (moved < 1e-9) break;
  }
  return weights;
}
