import type { LatentFactor } from "../../protocols/experiment.ts";
import { logistic } from "../../server/tuning/numerics.ts";
import type { FactorName } from "./factors.ts";

/** The model whose latents' factors are known without a look at it. */
export const modelOfFactors = "faces-64";

/**
 * The factors of the rendered heads in faces-64's latents, by least squares of their logit on the posterior means of 600 heads of seed 2, which the model was
 * not trained on, as they are: `fitLatentFactors`, which other models' are found by, finds 0.85 to 0.99 of the largest weights (test/bench/latent-factors.ts). Beyond
 * ±2, where heads are rare, it is the curve's continuation and no measurement.
 */
export const factorsOfFaces64: readonly LatentFactor[] = [
  {
    factor: "gender",
    offset: 0.06,
    weights: [-0.01, 0.16, -1.75, -0.04, 0.01, 0.05, 0.03, 0.01, -0.03, 0.11, -0.08, 0.01],
    r2: 0.95,
  },
  {
    factor: "age",
    offset: -0.11,
    weights: [-0.06, 0.06, -0.0, 0.04, -0.06, 0.02, -0.01, -0.01, -0.17, 0.06, 1.67, -0.03],
    r2: 0.86,
  },
  {
    factor: "skin_tone",
    offset: 0.09,
    weights: [-0.05, 0.04, 0.05, -0.04, 0.04, 0.03, 0.05, -0.05, -1.77, -0.12, 0.15, -0.01],
    r2: 0.9,
  },
  {
    factor: "hair_length",
    offset: 0.04,
    weights: [-0.01, 0.01, 0.03, 1.68, -0.03, -0.17, -0.05, -0.04, 0.01, -0.0, 0.01, -0.01],
    r2: 0.95,
  },
  {
    factor: "hair_colour",
    offset: 0.02,
    weights: [-0.09, 0.01, 0.04, 0.43, -0.07, 1.68, 0.09, -0.0, -0.05, 0.06, 0.0, -0.12],
    r2: 0.91,
  },
  {
    factor: "weight",
    offset: -0.0,
    weights: [0.04, -0.08, 0.1, -0.06, -0.01, -0.03, 1.7, 0.01, -0.04, -0.03, 0.05, 0.13],
    r2: 0.89,
  },
  {
    factor: "smile",
    offset: -0.01,
    weights: [0.01, -0.08, 0.01, 0.01, -0.01, -0.01, -0.01, -0.01, -0.0, -1.64, 0.05, 0.03],
    r2: 0.92,
  },
  {
    factor: "eyes",
    offset: 0.09,
    weights: [0.02, -0.16, -0.01, 0.0, -1.79, -0.05, 0.04, -0.01, 0.06, 0.05, -0.17, -0.04],
    r2: 0.95,
  },
  {
    factor: "yaw_rad",
    offset: -0.02,
    weights: [1.65, 0.03, -0.07, 0.0, -0.01, 0.01, 0.01, 0.03, 0, -0.05, 0.04, 0.01],
    r2: 0.96,
  },
  {
    factor: "pitch_rad",
    offset: 0.04,
    weights: [0.03, -1.66, 0.2, 0.07, -0.13, 0.01, 0.02, -0.02, 0.05, 0.05, 0.01, 0.03],
    r2: 0.96,
  },
  {
    factor: "light_azimuth_rad",
    offset: 0.01,
    weights: [0.04, 0.04, -0.03, -0.02, -0.0, 0.0, 0.05, -1.73, 0.04, 0.01, 0.07, -0.01],
    r2: 0.96,
  },
  {
    factor: "background",
    offset: 0.16,
    weights: [0, -0.01, 0.09, -0.06, -0.07, -0.01, -0.44, 0.02, -0.03, 0.06, 0.01, 1.82],
    r2: 0.89,
  },
];

/** The row of a factor. @throws Error where it has none */
export function latentFactor(name: FactorName, table: readonly LatentFactor[] = factorsOfFaces64): LatentFactor {
  const found = table.find(({ factor }) => factor === name);
  if (!found) throw new Error(`latentFactors: expected ${name} among them, found none`);
  return found;
}

/** The factor's place in its range, 0 to 1, in the face that the model decodes from these latents. */
export function placeOf({ offset, weights }: LatentFactor, latents: ArrayLike<number>): number {
  let sum = offset;
  for (let d = 0; d < weights.length; d++) sum += weights[d] * latents[d];
  return logistic(sum);
}

/** The latent that moves a factor most, and its share of the sum of squared weights: 1 where it alone does. */
export function mainLatent({ weights }: LatentFactor): { latent: number; share: number } {
  const squares = weights.map((weight) => weight ** 2);
  const sum = squares.reduce((a, b) => a + b, 0);
  const latent = squares.indexOf(Math.max(...squares));
  return { latent, share: sum > 0 ? squares[latent] / sum : 0 };
}
