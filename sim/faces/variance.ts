/**
 * First-order share of each factor in the pixels' variance: Σ_pixels Var(E[pixel | factor]) / Σ_pixels Var(pixel), with
 * E[pixel | factor] from `bins` equal bins of the factor's range and the bins' sampling noise taken off
 * (Sobol 1993 indices, binned). Shares of independent factors add up to at most 1; the rest is their interaction.
 * `values` holds factor f of image i at [f][i]; `image(i)` gives its bytes. Needs some hundred images to mean anything.
 */
export function varianceShares(
  values: readonly Float64Array[],
  ranges: readonly (readonly [number, number])[],
  image: (index: number) => Uint8Array,
  bins = 8,
): number[] {
  const n = values[0].length;
  const length = image(0).length;
  const sums = values.map(() => Array.from({ length: bins }, () => new Float64Array(length)));
  const counts = values.map(() => new Float64Array(bins));
  const mean = new Float64Array(length);
  let squares = 0;
  for (let i = 0; i < n; i++) {
    const pixels = image(i);
    for (let k = 0; k < length; k++) {
      mean[k] += pixels[k] / n;
      squares += (pixels[k] * pixels[k]) / n;
    }
    for (const [f, [low, high]] of ranges.entries()) {
      const bin = Math.min(bins - 1, Math.max(0, Math.floor(((values[f][i] - low) / (high - low)) * bins)));
      counts[f][bin]++;
      const sum = sums[f][bin];
      for (let k = 0; k < length; k++) sum[k] += pixels[k];
    }
  }
  const meanSquare = mean.reduce((sum, value) => sum + value * value, 0);
  const total = squares - meanSquare;
  return sums.map((binSums, f) => {
    let between = -meanSquare;
    let filled = 0;
    for (const [bin, sum] of binSums.entries()) {
      const count = counts[f][bin];
      if (count === 0) continue;
      filled++;
      for (let k = 0; k < length; k++) between += (sum[k] * sum[k]) / (count * n);
    }
    // Under no effect the between-bin sum of squares is (filled − 1)/(n − 1) of the total.
    const noise = (filled - 1) / (n - 1);
    return total > 0 ? Math.max(0, (between / total - noise) / (1 - noise)) : 0;
  });
}
