/** What the experiment file's checks and the tuning both go by; no schema, so that threads which need none do not load one. */

/** How many faces a constraint may look back on. */
export const MOST_FACES_LOOKED_BACK_ON = 1000;

/**
 * L, the half-width of the interval that smooth parts live on, in latent units: beyond the faces, since their basis is poor near the ends,
 * and several length scales wide, since a narrower one has no room for so smooth a curve (Riutort-Mayol et al. 2023, sec. 4.3).
 */
export const smoothHalfWidth = (range: number, lengthScale: number): number => Math.max(1.5 * range, 3 * lengthScale);
/** Functions that a smooth part needs for each length scale in L. */
const FUNCTIONS_A_SCALE = 1.5;
/** Functions of a smooth part, at least, for curves of a length scale over ±range (ibid.). */
export const functionsNeeded = (range: number, lengthScale: number): number =>
  Math.ceil((FUNCTIONS_A_SCALE * smoothHalfWidth(range, lengthScale)) / lengthScale);
