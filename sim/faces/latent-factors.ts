import type { LatentFactor, Simulation } from "../../protocols/experiment.ts";
import { logistic } from "../../server/tuning/numerics.ts";
import type { FactorName } from "./factors.ts";

/** The model whose latents' factors are known without a look at it. */
export const modelOfFactors = "faces-64";

/**
 * The factors of the rendered heads in faces-64's latents, as `fitLatentFactors` finds them on 600 heads that the model was not trained on (test/bench/latent-factors.ts).
 * Beyond ±2, where heads are rare, it is the curve's continuation and no measurement.
 */
export const factorsOfFaces64: readonly LatentFactor[] = [
  {
    factor: "gender",
    offset: 0.064,
    weights: [-0.008, 0.15, -1.669, -0.041, 0.008, 0.045, 0.026, 0.009, -0.028, 0.107, -0.074, 0.009],
    r2: 0.95,
  },
  {
    factor: "age",
    offset: -0.107,
    weights: [-0.055, 0.059, -0.001, 0.036, -0.057, 0.023, -0.006, -0.006, -0.159, 0.057, 1.581, -0.032],
    r2: 0.86,
  },
  {
    factor: "skin_tone",
    offset: 0.087,
    weights: [-0.049, 0.041, 0.045, -0.035, 0.033, 0.027, 0.051, -0.045, -1.724, -0.113, 0.145, -0.008],
    r2: 0.9,
  },
  {
    factor: "hair_length",
    offset: 0.047,
    weights: [-0.012, 0.011, 0.031, 1.607, -0.027, -0.167, -0.046, -0.039, 0.006, -0.003, 0.009, -0.01],
    r2: 0.95,
  },
  {
    factor: "hair_colour",
    offset: 0.019,
    weights: [-0.082, 0.008, 0.032, 0.396, -0.062, 1.537, 0.079, -0.003, -0.045, 0.053, 0.002, -0.106],
    r2: 0.91,
  },
  {
    factor: "weight",
    offset: -0.002,
    weights: [0.036, -0.081, 0.093, -0.059, -0.007, -0.028, 1.648, 0.009, -0.041, -0.028, 0.047, 0.13],
    r2: 0.89,
  },
  {
    factor: "smile",
    offset: -0.013,
    weights: [0.011, -0.083, 0.015, 0.012, -0.015, -0.014, -0.007, -0.014, -0.005, -1.619, 0.049, 0.033],
    r2: 0.92,
  },
  {
    factor: "eyes",
    offset: 0.087,
    weights: [0.017, -0.154, -0.009, 0.004, -1.752, -0.046, 0.041, -0.011, 0.056, 0.044, -0.164, -0.039],
    r2: 0.95,
  },
  {
    factor: "yaw_rad",
    offset: -0.015,
    weights: [1.583, 0.027, -0.07, 0.004, -0.012, 0.01, 0.014, 0.03, 0, -0.044, 0.043, 0.005],
    r2: 0.96,
  },
  {
    factor: "pitch_rad",
    offset: 0.038,
    weights: [0.029, -1.501, 0.182, 0.06, -0.115, 0.012, 0.018, -0.018, 0.044, 0.043, 0.014, 0.026],
    r2: 0.96,
  },
  {
    factor: "light_azimuth_rad",
    offset: 0.014,
    weights: [0.036, 0.037, -0.029, -0.023, -0.001, 0.002, 0.051, -1.666, 0.041, 0.006, 0.069, -0.015],
    r2: 0.96,
  },
  {
    factor: "background",
    offset: 0.131,
    weights: [0.001, -0.007, 0.075, -0.046, -0.062, -0.008, -0.375, 0.017, -0.022, 0.052, 0.005, 1.543],
    r2: 0.9,
  },
];

/** Whether units follow factors of which it is not known where they lie in the latents of a model; left out: of any but faces-64. */
export const lacksFactors = ({ factor, latentFactors }: Partial<Simulation>, model?: string): boolean =>
  !!factor && !latentFactors && model !== modelOfFactors;

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
