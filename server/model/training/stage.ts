import { evaluate, orderOfKl, reordered } from "./evaluation.ts";
import type { ImageSet } from "./images.ts";
import { rotated } from "./rotation.ts";
import { splitImages, type TrainingRecipe, type Weights } from "./trainer.ts";

/** Training images that a turn looks at. */
const rotationImages = 5000;

/** The weights that a next stage begins with, on the current backend: those of the model before it, or with its code turned to independent components (ICA). */
export async function firstWeights(
  { architecture, validation, seed, isRotated }: StageRecipe & { isRotated: boolean },
  before: Weights,
  images: ImageSet,
): Promise<Weights> {
  if (!isRotated) return before;
  const { training } = splitImages(images.count, validation, seed);
  const seen = await evaluate(architecture, before, images, training.subarray(0, rotationImages));
  return rotated(architecture, before, seen);
}

type StageRecipe = Pick<TrainingRecipe, "architecture" | "validation" | "seed">;

/** A stage's last weights as `train` saves them: latents in the order of their KL on the images held out. */
export async function lastWeights(
  { architecture, validation, seed }: StageRecipe,
  weights: Weights,
  images: ImageSet,
): Promise<Weights> {
  const { held } = splitImages(images.count, validation, seed);
  return reordered(architecture, weights, orderOfKl(await evaluate(architecture, weights, images, held)));
}
