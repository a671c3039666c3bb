import type { Random } from "../random.ts";
import { isInside, type Region } from "./region.ts";

/** Whether a face (latents) may be shown next. */
export type Allowed = (latents: ArrayLike<number>) => boolean;

export interface ConstraintSettings {
  /** Least distance to each of the last faces, in latent units; 0 for none. */
  minDistance: number;
  /** How many of the last faces that is about. */
  recentFaces: number;
  /**
   * Largest mean of any latent over the last `balanceFaces` faces and the next, in latent units, so that no latent is confounded with
   * the time of the session; 0 for no bound.
   */
  balance: number;
  balanceFaces: number;
  /** Where the model's decoder and encoder agree; left out: everywhere. */
  region?: Region | null;
}

/** @param shown faces chosen so far, oldest first */
export function constraints(
  { minDistance, recentFaces, balance, balanceFaces, region }: ConstraintSettings,
  shown: readonly Float64Array[],
): Allowed {
  const recent = minDistance > 0 ? shown.slice(-recentFaces) : [];
  const window = balance > 0 ? shown.slice(-balanceFaces) : [];
  const sums = window.length > 0 ? Array.from(window[0], (_, d) => window.reduce((sum, face) => sum + face[d], 0)) : [];
  // Until the window is full the bound is that of a full one: the first few faces could not keep it.
  const limit = balance * (balanceFaces + 1);
  return (latents) =>
    (!region || isInside(region, latents)) &&
    recent.every((face) => squaredDistance(face, latents) >= minDistance ** 2) &&
    sums.every((sum, d) => Math.abs(sum + latents[d]) <= Math.max(limit, Math.abs(sum)));
}

function squaredDistance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let d = 0; d < a.length; d++) sum += (a[d] - b[d]) ** 2;
  return sum;
}

/** Draws in vain after which the last is taken: a constraint that leaves no room must not stop a session. */
const TRIES = 200;

/** The first draw that is allowed. */
export function drawAllowed(allowed: Allowed, draw: (random: Random) => Float64Array, random: Random): Float64Array {
  let face = draw(random);
  for (let i = 1; i < TRIES && !allowed(face); i++) face = draw(random.split("again", i));
  return face;
}
