/** The models that are compared, as what each says of the same held-out faces. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ConfigurationError } from "../../server/failure.ts";
import { defaultArchitecture } from "../../server/model/architecture.ts";
import type { BackendName } from "../../server/model/backend-name.ts";
import { useBackend } from "../../server/model/backends.ts";
import { type ModelCard, readModelFolder, writeModelFolder } from "../../server/model/model-folder.ts";
import { measureProbe } from "../../server/model/probe.ts";
import { type Evaluation, evaluate } from "../../server/model/training/evaluation.ts";
import type { ImageSet } from "../../server/model/training/images.ts";
import { type TrainingReport, train, type Weights, weightsOf } from "../../server/model/training/trainer.ts";

/** Latent l of held-out face i at [l][i]; only latents that the model uses. */
export type Code = Float64Array[];

export interface Recipe {
  latents: number;
  steps: number;
  batch: number;
  learningRate: number;
  /** β of the β-VAE in the end, and where it begins, as for images of 64 × 64. */
  beta: number;
  betaFrom: number;
}

export const trained = ["beta-vae", "vae", "ae"] as const;
export type Trained = (typeof trained)[number];

/** A latent that says less than this of an image is not used. */
const activeNats = 0.1;

/** β that leaves the encoder free to make its noise as small as it likes: an autoencoder. */
const noPrior = 1e-6;

/**
 * The schedule of β for images of a size. A likelihood sums over pixels, so what a nat of code is worth grows with the image: the recipe's
 * β are those of 64 × 64, and a quarter of it at 32 × 32 asks for the same trade.
 */
function betas(name: Trained, { beta, betaFrom }: Recipe, side: number): { beta: number; betaFrom: number } {
  if (name === "ae") return { beta: noPrior, betaFrom: noPrior };
  const scale = (side / 64) ** 2;
  return name === "beta-vae" ? { beta: beta * scale, betaFrom: betaFrom * scale } : { beta: scale, betaFrom: scale };
}

export interface Faces {
  training: ImageSet;
  held: ImageSet;
}

/** Trains a model, or takes up the one that an earlier run left in `folder`, and encodes the held-out faces. */
export async function trainedCode(
  name: Trained,
  { training, held }: Faces,
  recipe: Recipe,
  seed: number,
  backend: BackendName,
  folder: string,
  told: (report: TrainingReport) => void,
): Promise<Code> {
  const architecture = defaultArchitecture(training.side, recipe.latents);
  await useBackend(backend);
  const known = existsSync(join(folder, "card.json")) ? await readModelFolder(folder) : null;
  const everyHeld = Uint32Array.from({ length: held.count }, (_, i) => i);
  const weights: Weights =
    known?.weights ??
    weightsOf(
      architecture,
      await train(
        training,
        {
          ...recipe,
          ...betas(name, recipe, training.side),
          architecture,
          likelihood: { kind: "bernoulli" },
          tc: 0,
          seed,
          validation: 0.02,
        },
        async (report) => {
          told(report);
          return "go on";
        },
      ),
    );
  const { latents, means } = await evaluate(architecture, weights, held, everyHeld);
  if (!known) {
    const card = {
      format: "latentloop-model/1",
      name: `${name}-${seed}`,
      latents: {
        count: recipe.latents,
        each: latents.map(({ klNats, mean, sd, low, high }, i) => ({ name: `z${i + 1}`, klNats, mean, sd, low, high })),
      },
      image: { width: training.side, height: training.side, channels: 3, pixelRange: [0, 1] },
      architecture,
      made: { by: "latentloop paper", recipe: { ...recipe, ...betas(name, recipe, training.side) }, seed },
    } as unknown as ModelCard;
    await useBackend("cpu");
    const probe = await measureProbe({ folder, card, weights });
    await writeModelFolder(folder, { ...card, probe }, weights);
  }
  return activeCode(latents, means);
}

/** What a model that is there says of the held-out faces. Throws ConfigurationError where it needs faces of another size. */
export async function existingCode(folder: string, images: ImageSet, heldOut: number, backend: BackendName) {
  const { card, weights } = await readModelFolder(folder);
  const { width } = card.image;
  if (!Number.isInteger(Math.log2(images.side / width)) || width > images.side)
    throw new ConfigurationError(
      `model ${card.name}: expected images of ${images.side} or a half of it, it makes ${width}`,
    );
  await useBackend(backend);
  const held = splitFaces(images, 0, heldOut, width).held;
  const { latents, means } = await evaluate(
    card.architecture,
    weights,
    held,
    Uint32Array.from({ length: heldOut }, (_, i) => i),
  );
  return { name: card.name, code: activeCode(latents, means) };
}

const activeCode = (latents: Evaluation["latents"], means: Evaluation["means"]): Code =>
  latents.flatMap(({ klNats }, l) => (klNats > activeNats ? [Float64Array.from(means, (mean) => mean[l])] : []));

/** The first `count` images for training and the last `heldOut`, halved in size until `side` is reached. */
export function splitFaces(images: ImageSet, count: number, heldOut: number, side: number): Faces {
  return {
    training: smaller(images, 0, count, side),
    held: smaller(images, images.count - heldOut, heldOut, side),
  };
}

function smaller(images: ImageSet, from: number, count: number, side: number): ImageSet {
  const by = images.side / side;
  const pixels = new Uint8Array(count * side * side * 3);
  for (let i = 0; i < count; i++)
    for (let y = 0; y < side; y++)
      for (let x = 0; x < side; x++)
        for (let c = 0; c < 3; c++) {
          let sum = 0;
          for (let v = 0; v < by; v++)
            for (let u = 0; u < by; u++)
              sum += images.pixels[(((from + i) * images.side + y * by + v) * images.side + x * by + u) * 3 + c];
          pixels[((i * side + y) * side + x) * 3 + c] = Math.round(sum / by ** 2);
        }
  return { count, side, channels: 3, pixels, manifest: images.manifest };
}
