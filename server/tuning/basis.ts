/**
 * Features of a face for the additive tuning model: log λ(z) = b + Σ_d g_d(z_d), g_d(0) = 0, each g_d a linear part plus a
 * smooth part. The smooth part is a Gaussian process with kernel α² exp(−Δ²/2ℓ²) in the Hilbert-space basis on [−L, L]
 * (Solin & Särkkä 2020, eq. 56; Riutort-Mayol et al. 2023).
 *
 * Layout of a feature vector x (length P = 1 + D·B, B = 1 + K): x[0] = 1; block d starts at 1 + d·B and holds
 * [z_d, φ_1(z_d) − φ_1(0), …, φ_K(z_d) − φ_K(0)].
 */
export interface Basis {
  /** D, the number of latents. */
  latents: number;
  /** B, features per latent. */
  block: number;
  /** P, the length of a feature vector. */
  size: number;
  /** L, in latent units: faces are expected inside [−L, L]. */
  halfWidth: number;
  /** ℓ of the smooth parts before a unit's own is learned, in latent units. */
  lengthScale: number;
  /** Prior variance of each feature of a block under unit amplitude: [1, spectral density of φ_1 …]. Length B. */
  unitVariance: Float64Array;
}

/**
 * @param latents D
 * @param smooth K, functions of the smooth part of a latent
 * @param lengthScale ℓ, in latent units
 * @param halfWidth L, in latent units
 */
export const createBasis = (latents: number, smooth: number, lengthScale: number, halfWidth: number): Basis => {
  const unitVariance = new Float64Array(smooth + 1);
  unitVariance[0] = 1;
  for (let j = 1; j <= smooth; j++) unitVariance[j] = spectralDensity(j, lengthScale, halfWidth);
  return { latents, block: smooth + 1, size: 1 + latents * (smooth + 1), halfWidth, lengthScale, unitVariance };
};

/** Variance of the weight of φ_j, j ≥ 1, for α = 1: √(2π) ℓ exp(−½ ℓ² (πj/2L)²). */
export const spectralDensity = (j: number, lengthScale: number, halfWidth: number): number =>
  Math.sqrt(2 * Math.PI) * lengthScale * Math.exp(-0.5 * ((lengthScale * Math.PI * j) / (2 * halfWidth)) ** 2);

/** First index of latent d's block. */
export const blockStart = (basis: Basis, latent: number): number => 1 + latent * basis.block;

/** Writes the B features of one latent's value at `out[at…]`. */
export function writeBlock(basis: Basis, value: number, out: Float64Array, at = 0): void {
  const { block, halfWidth } = basis;
  const scale = 1 / Math.sqrt(halfWidth);
  out[at] = value;
  for (let j = 1; j < block; j++) {
    const frequency = (Math.PI * j) / (2 * halfWidth);
    out[at + j] = scale * (Math.sin(frequency * (value + halfWidth)) - Math.sin(frequency * halfWidth));
  }
}

/** Writes the derivatives of the B features of one latent's value at `out[at…]`. */
export function writeBlockSlope(basis: Basis, value: number, out: Float64Array, at = 0): void {
  const { block, halfWidth } = basis;
  const scale = 1 / Math.sqrt(halfWidth);
  out[at] = 1;
  for (let j = 1; j < block; j++) {
    const frequency = (Math.PI * j) / (2 * halfWidth);
    out[at + j] = scale * frequency * Math.cos(frequency * (value + halfWidth));
  }
}

/** The feature vector (length P) of a face's latents (length D). Throws RangeError for another number of latents. */
export function features(
  basis: Basis,
  latents: ArrayLike<number>,
  out: Float64Array = new Float64Array(basis.size),
): Float64Array {
  if (latents.length !== basis.latents)
    throw new RangeError(`expected ${basis.latents} latents, got ${latents.length}`);
  out[0] = 1;
  for (let d = 0; d < basis.latents; d++) writeBlock(basis, latents[d], out, blockStart(basis, d));
  return out;
}

/**
 * The direction in latent space in which η rises most, on average over faces: E[∂η/∂z] for z ~ N(0, I), length D. Of φ_j(z) =
 * L^{-1/2} sin(ω(z + L)) the average slope is L^{-1/2} ω cos(ωL) e^{−ω²/2}. Its unit vector is the unit's preferred axis.
 *
 * @param weights of one unit, length P
 */
export function averageGradient({ latents, block, halfWidth }: Basis, weights: ArrayLike<number>): Float64Array {
  const slopes = Float64Array.from({ length: block }, (_, j) => {
    if (j === 0) return 1;
    const frequency = (Math.PI * j) / (2 * halfWidth);
    return (frequency * Math.cos(frequency * halfWidth) * Math.exp(-0.5 * frequency ** 2)) / Math.sqrt(halfWidth);
  });
  return Float64Array.from({ length: latents }, (_, d) =>
    slopes.reduce((sum, slope, j) => sum + slope * weights[1 + d * block + j], 0),
  );
}
