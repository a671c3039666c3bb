/** An estimate with its 90 % interval. */
export interface Interval {
  estimate: number;
  low: number;
  high: number;
}

/** 95th percentile of the standard normal distribution: a 90 % interval is so many standard deviations to either side. */
export const Z95 = 1.6448536269514722;

/**
 * 95th percentile of Student's t with so many degrees of freedom, ν ≥ 4: Cornish and Fisher's expansion about the normal one
 * (Abramowitz & Stegun 26.7.5), to 1e-3 of itself at ν = 4 and closer above.
 */
export function studentT95(degrees: number): number {
  const z = Z95;
  return (
    z +
    (z ** 3 + z) / (4 * degrees) +
    (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * degrees ** 2) +
    (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / (384 * degrees ** 3)
  );
}
