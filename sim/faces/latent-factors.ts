import { logistic } from "../../server/tuning/numerics.ts";
import type { FactorName } from "./factors.ts";

/** The model whose latents' factors are known. */
export const modelOfFactors = "faces-64";

/**
 * Where each factor of the rendered heads lies in its range, 0 to 1, as a logistic function of faces-64's latents: least squares of its logit
 * on the posterior means of 600 heads that the model was not trained on (`faces --count 600 --seed 2`, then test/bench/latent-factors.ts). Fitted to
 * every second head, this explains 0.86 (age) to 0.96 (yaw, pitch, light) of the variance of each factor in the others. Beyond ±2, where
 * heads are rare, it is the curve's continuation and no measurement.
 */
const table: Record<FactorName, { offset: number; weights: readonly number[] }> = {
  gender: { offset: 0.06, weights: [-0.01, 0.16, -1.75, -0.04, 0.01, 0.05, 0.03, 0.01, -0.03, 0.11, -0.08, 0.01] },
  age: { offset: -0.11, weights: [-0.06, 0.06, -0.0, 0.04, -0.06, 0.02, -0.01, -0.01, -0.17, 0.06, 1.67, -0.03] },
  skin_tone: { offset: 0.09, weights: [-0.05, 0.04, 0.05, -0.04, 0.04, 0.03, 0.05, -0.05, -1.77, -0.12, 0.15, -0.01] },
  hair_length: {
    offset: 0.04,
    weights: [-0.01, 0.01, 0.03, 1.68, -0.03, -0.17, -0.05, -0.04, 0.01, -0.0, 0.01, -0.01],
  },
  hair_colour: { offset: 0.02, weights: [-0.09, 0.01, 0.04, 0.43, -0.07, 1.68, 0.09, -0.0, -0.05, 0.06, 0.0, -0.12] },
  weight: { offset: -0.0, weights: [0.04, -0.08, 0.1, -0.06, -0.01, -0.03, 1.7, 0.01, -0.04, -0.03, 0.05, 0.13] },
  smile: { offset: -0.01, weights: [0.01, -0.08, 0.01, 0.01, -0.01, -0.01, -0.01, -0.01, -0.0, -1.64, 0.05, 0.03] },
  eyes: { offset: 0.09, weights: [0.02, -0.16, -0.01, 0.0, -1.79, -0.05, 0.04, -0.01, 0.06, 0.05, -0.17, -0.04] },
  yaw_rad: { offset: -0.02, weights: [1.65, 0.03, -0.07, 0.0, -0.01, 0.01, 0.01, 0.03, 0, -0.05, 0.04, 0.01] },
  pitch_rad: { offset: 0.04, weights: [0.03, -1.66, 0.2, 0.07, -0.13, 0.01, 0.02, -0.02, 0.05, 0.05, 0.01, 0.03] },
  light_azimuth_rad: {
    offset: 0.01,
    weights: [0.04, 0.04, -0.03, -0.02, -0.0, 0.0, 0.05, -1.73, 0.04, 0.01, 0.07, -0.01],
  },
  background: { offset: 0.16, weights: [0, -0.01, 0.09, -0.06, -0.07, -0.01, -0.44, 0.02, -0.03, 0.06, 0.01, 1.82] },
};

/** A factor's place in its range, 0 to 1, in the face that the model decodes from these latents. */
export function factorOf(name: FactorName, latents: ArrayLike<number>): number {
  const { offset, weights } = table[name];
  let sum = offset;
  for (let d = 0; d < weights.length; d++) sum += weights[d] * latents[d];
  return logistic(sum);
}
