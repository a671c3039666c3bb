/** Values of one variable put into equal-width bins over their range (the last bin closed): NumPy's histogram edges. */
export function binned(values: ArrayLike<number>, bins: number): Int32Array {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < values.length; i++) {
    low = Math.min(low, values[i]);
    high = Math.max(high, values[i]);
  }
  const width = (high - low) / bins || 1;
  return Int32Array.from(values, (value) => {
    let bin = Math.min(bins - 1, Math.floor((value - low) / width));
    // The division rounds; the edges themselves decide.
    if (value < low + bin * width) bin--;
    else if (bin < bins - 1 && value >= low + (bin + 1) * width) bin++;
    return bin;
  });
}

/** I(a; b) of two discrete variables with values 0…bins − 1, from their joint counts, nats. */
export function mutualInformation(a: Int32Array, b: Int32Array, bins: number): number {
  const n = a.length;
  const joint = new Float64Array(bins * bins);
  const ofA = new Float64Array(bins);
  const ofB = new Float64Array(bins);
  for (let i = 0; i < n; i++) {
    joint[a[i] * bins + b[i]]++;
    ofA[a[i]]++;
    ofB[b[i]]++;
  }
  let information = 0;
  for (let i = 0; i < bins; i++) {
    for (let j = 0; j < bins; j++) {
      const count = joint[i * bins + j];
      if (count > 0) information += (count / n) * Math.log((count * n) / (ofA[i] * ofB[j]));
    }
  }
  return information;
}

export interface Mig {
  /** Mean over factors. */
  mig: number;
  /** (I(best latent; factor) − I(second; factor)) / H(factor), by factor. */
  each: number[];
}

/**
 * Mutual information gap (Chen et al. 2018), factors and latents in 20 equal-width bins each (as in Locatello et al. 2019).
 * `factors` and `latents` hold variable v of image i at [v][i]; there are at least two latents.
 */
export function mutualInformationGap(
  factors: readonly ArrayLike<number>[],
  latents: readonly ArrayLike<number>[],
  bins = 20,
): Mig {
  const codes = latents.map((values) => binned(values, bins));
  const each = factors.map((values) => {
    const factor = binned(values, bins);
    const information = codes.map((code) => mutualInformation(factor, code, bins)).sort((x, y) => y - x);
    return (information[0] - information[1]) / mutualInformation(factor, factor, bins);
  });
  return { mig: each.reduce((sum, gap) => sum + gap, 0) / each.length, each };
}
