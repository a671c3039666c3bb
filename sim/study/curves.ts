import { curveGrid } from "../../server/tuning/report.ts";
import type { Truth } from "./truth.ts";

/** True rates in spikes/s on `curveGrid` along the traversal of each latent from the origin: latents × grid. */
export function trueRates({ latents, rateHz }: Truth): number[][] {
  const face = new Float64Array(latents);
  return Array.from({ length: latents }, (_, d) => {
    const rates = curveGrid.map((value) => {
      face[d] = value;
      return rateHz(face);
    });
    face[d] = 0;
    return rates;
  });
}

/** Mean squared error relative to the variance of the truth. */
export function relativeError(estimate: readonly number[], truth: readonly number[]): number {
  const mean = truth.reduce((sum, v) => sum + v, 0) / truth.length;
  const variance = truth.reduce((sum, v) => sum + (v - mean) ** 2, 0);
  return truth.reduce((sum, v, i) => sum + (v - estimate[i]) ** 2, 0) / variance;
}

/** Pearson's r; 0 where either side does not vary. */
export function correlation(a: readonly number[], b: readonly number[]): number {
  const meanA = a.reduce((s, v) => s + v, 0) / a.length;
  const meanB = b.reduce((s, v) => s + v, 0) / b.length;
  let ab = 0;
  let aa = 0;
  let bb = 0;
  for (let i = 0; i < a.length; i++) {
    ab += (a[i] - meanA) * (b[i] - meanB);
    aa += (a[i] - meanA) ** 2;
    bb += (b[i] - meanB) ** 2;
  }
  return aa > 0 && bb > 0 ? ab / Math.sqrt(aa * bb) : 0;
}

/** Angle between two vectors, in degrees. */
export function angleDeg(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let ab = 0;
  let aa = 0;
  let bb = 0;
  for (let i = 0; i < a.length; i++) {
    ab += a[i] * b[i];
    aa += a[i] ** 2;
    bb += b[i] ** 2;
  }
  return (Math.acos(Math.min(1, Math.max(-1, ab / Math.sqrt(aa * bb)))) * 180) / Math.PI;
}
