import type { Random } from "../random.ts";

/** Values a traversal visits, in latent units; also the target set's grid. */
export function traversalGrid(range: number, steps = 9): number[] {
  return Array.from({ length: steps }, (_, i) => -range + (2 * range * i) / (steps - 1));
}

/** A face drawn from the model's prior N(0, I), kept inside ±range. */
export const drawPrior = (latents: number, range: number, random: Random): Float64Array =>
  Float64Array.from({ length: latents }, () => Math.min(range, Math.max(-range, random.normal())));

/** A face drawn uniformly from the box ±range. */
export const drawBox = (latents: number, range: number, random: Random): Float64Array =>
  Float64Array.from({ length: latents }, () => (2 * random.uniform() - 1) * range);

/**
 * Bases of the traversals that are candidates: alternately from the box and from the prior. Varied bases matter: a
 * traversal from the origin moves one latent and so teaches one latent, a traversal from a drawn face teaches all.
 */
export const drawBases = (count: number, latents: number, range: number, random: Random): Float64Array[] =>
  Array.from({ length: count }, (_, i) => (i % 2 === 0 ? drawBox : drawPrior)(latents, range, random.split(i)));
