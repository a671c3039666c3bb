import { useBackend } from "../../../server/model/backends.ts";
import { measures } from "../../../server/model/measures/measures.ts";
import { codesOf, evaluate } from "../../../server/model/training/evaluation.ts";
import { type ImageSet, inGray } from "../../../server/model/training/images.ts";
import { recipeOf } from "../../../server/model/training/recipe.ts";
import { train, weightsOf } from "../../../server/model/training/trainer.ts";
import type { FacesRecipe } from "../../faces/data-set.ts";
import { drawFactors, factors } from "../../faces/factors.ts";
import { type CellResult, gather, type TrainingCell } from "../cell.ts";
import type { Heads } from "./heads.ts";
import { trainingMeasureTable } from "./judge.ts";

const PROGRESS_MS = 5000;

/**
 * Trains a model as `train` does on wasm, which gives the same numbers on every machine, and measures it as `evaluate` does at each
 * checkpoint; the last one ends the training.
 *
 * @param progressed told now and then what share of the training is done
 */
export async function runTrainingCell(
  { training: { faces, unseen, settings, steps }, seed, checkpoints, measures: wanted }: TrainingCell,
  heads: Heads,
  progressed: (share: number) => void,
): Promise<CellResult> {
  await useBackend("wasm");
  const images = imagesOf(faces, heads.faces, settings.gray);
  const judged = imagesOf(unseen, heads.unseen, settings.gray);
  const known = knownFactors(unseen);
  const all = Uint32Array.from({ length: judged.count }, (_, i) => i);
  const recipe = recipeOf(settings, images, { steps, seed });
  const gathered = gather(["model"]);
  const last = checkpoints[checkpoints.length - 1];
  let told = performance.now();
  await train(images, recipe, async ({ step }, state) => {
    if (performance.now() - told > PROGRESS_MS) {
      told = performance.now();
      progressed(step / last);
    }
    const at = checkpoints.indexOf(step);
    if (at < 0) return "go on";
    const evaluation = await evaluate(recipe.architecture, weightsOf(recipe.architecture, await state()), judged, all);
    const measured = measures(known, codesOf(evaluation).latents);
    gathered.add(
      at,
      0,
      wanted.map((name) => [name, finite(trainingMeasureTable[name].of(evaluation, measured))] as const),
    );
    return step === last ? "stop" : "go on";
  });
  return gathered.result;
}

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);

function imagesOf({ count, size }: FacesRecipe, pixels: Uint8Array, gray: boolean): ImageSet {
  const images: ImageSet = { count, side: size, channels: 3, pixels, manifest: undefined };
  return gray ? inGray(images) : images;
}

/** Factors by name, of each head in order. */
function knownFactors({ count, seed }: FacesRecipe): Map<string, Float64Array> {
  const drawn = Array.from({ length: count }, (_, i) => drawFactors(seed, i));
  return new Map(factors.map(({ name }) => [name, Float64Array.from(drawn, (head) => head[name])]));
}
