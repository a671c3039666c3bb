/**
 * Where a model's decoder and encoder agree: the root mean square difference between latents asked for and latents read back is
 * foretold as exp(a + Σ_d b_d z_d + c_d z_d²), fitted to faces that were tried. Cheap enough to ask of every candidate.
 */
export interface Region {
  /** a, then b and c of each latent in turn. */
  weights: number[];
  /** Largest difference that is offered, in latent units. */
  threshold: number;
}

/** 1, then z_d and z_d² of each latent in turn. */
export function regionTerms(latents: ArrayLike<number>): number[] {
  const terms = [1];
  for (let d = 0; d < latents.length; d++) terms.push(latents[d], latents[d] ** 2);
  return terms;
}

export function foretoldDifference({ weights }: Region, latents: ArrayLike<number>): number {
  let sum = weights[0];
  for (let d = 0; d < latents.length; d++)
    sum += weights[1 + 2 * d] * latents[d] + weights[2 + 2 * d] * latents[d] ** 2;
  return Math.exp(sum);
}

export const isInside = (region: Region, latents: ArrayLike<number>): boolean =>
  foretoldDifference(region, latents) <= region.threshold;
