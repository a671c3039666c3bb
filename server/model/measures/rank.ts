/** Spearman's rank correlation; ties get the mean of their ranks. NaN if either side is constant. */
export const spearman = (x: ArrayLike<number>, y: ArrayLike<number>): number => dot(unitRanks(x), unitRanks(y));

/** Ranks less their mean, of length 1, so that Spearman's ρ is a product of two; NaN where all values are equal. */
export function unitRanks(values: ArrayLike<number>): Float64Array {
  const centred = ranks(values, (first, last) => (first + last) / 2).map((rank) => rank - (values.length - 1) / 2);
  const length = Math.sqrt(dot(centred, centred));
  return centred.map((rank) => rank / length);
}

export function dot(x: Float64Array, y: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i] * y[i];
  return sum;
}

/** Ranks from 0. @param ofTies what equal values get, from the first and last rank that they take up together */
export function ranks(values: ArrayLike<number>, ofTies: (first: number, last: number) => number): Float64Array {
  const order = Array.from({ length: values.length }, (_, i) => i).sort((i, j) => values[i] - values[j]);
  const result = new Float64Array(values.length);
  for (let from = 0; from < order.length; ) {
    let to = from + 1;
    while (to < order.length && values[order[to]] === values[order[from]]) to++;
    const rank = ofTies(from, to - 1);
    for (let k = from; k < to; k++) result[order[k]] = rank;
    from = to;
  }
  return result;
}
