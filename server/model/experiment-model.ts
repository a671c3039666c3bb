import type { Experiment } from "../../protocols/experiment.ts";
import { ConfigurationError } from "../failure.ts";
import { modelDigest } from "./digest.ts";
import { bundledModel, type FaceModel, readCard } from "./model-folder.ts";

/**
 * The face model that an experiment names; its weights are for whoever draws with it.
 *
 * @param file path of the experiment file, where a relative model folder starts
 * @throws ConfigurationError where there is none, its card can't be used, or it has another number of latents
 */
export async function experimentModel(
  { model, latents }: Experiment,
  file: string,
): Promise<Pick<FaceModel, "folder" | "card"> & { digest: string }> {
  const folder = bundledModel(model, file);
  const { card } = await readCard(folder);
  if (card.latents.count !== latents)
    throw new ConfigurationError(
      `experiment file ${file}: latents: expected ${card.latents.count}, as model ${card.name} has, found ${latents}`,
    );
  return { folder, card, digest: await modelDigest(folder) };
}
