import type { TrainingSettings } from "../../../protocols/training.ts";
import { defaultArchitecture } from "../architecture.ts";
import type { SavedRecipe } from "./checkpoint.ts";
import type { ImageSet } from "./images.ts";

/** Part of the images that is kept out of training. */
const validation = 0.05;

/** All that a training depends on beside the images' pixels, from its settings and what the images are. */
export const recipeOf = (
  settings: TrainingSettings,
  { side, channels }: Pick<ImageSet, "side" | "channels">,
  { steps, seed, rotated = false }: { steps: number; seed: number; rotated?: boolean },
): SavedRecipe => ({
  architecture: defaultArchitecture(side, settings.latents, channels),
  likelihood: settings.likelihood === "bernoulli" ? { kind: "bernoulli" } : { kind: "gaussian", sd: settings.pixelSd },
  betaFrom: settings.betaFrom ?? settings.beta,
  beta: settings.beta,
  tc: settings.tc,
  ...(settings.capacity !== undefined && { capacity: settings.capacity }),
  learningRate: settings.learningRate,
  steps,
  batch: settings.batch,
  seed,
  validation,
  rotated,
});
