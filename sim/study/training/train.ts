import { useBackend } from "../../../server/model/backends.ts";
import { measures } from "../../../server/model/measures/measures.ts";
import { codesOf, evaluate } from "../../../server/model/training/evaluation.ts";
import { type ImageSet, inGray } from "../../../server/model/training/images.ts";
import { recipeOf } from "../../../server/model/training/recipe.ts";
import { train, weightsOf } from "../../../server/model/training/trainer.ts";
import type { FacesRecipe } from "../../faces/data-set.ts";
import { factorsByName } from "../../faces/factors.ts";
import { type CellResult, gather, type TrainingCell } from "../cell.ts";
import type { Heads } from "./heads.ts";
import { type OwnMeasure, trainingMeasureTable } from "./judge.ts";
import { keptTraining } from "./kept.ts";
import { keepCodes } from "./ranking.ts";

const PROGRESS_MS = 5000;
const KEEP_MS = 3 * 60_000;

/**
 * Trains a model as `train` does on wasm, which gives the same numbers on every machine, and measures it as `evaluate` does at each
 * checkpoint; the last one ends the training. One that was interrupted goes on from the last checkpoint, or the last three minutes, that this
 * machine has of it, to the same end.
 *
 * @param key the cell's
 * @param progressed told now and then what share of the training is done
 */
export async function runTrainingCell(
  { training: { faces, unseen, settings, steps }, seed, checkpoints, measures: wanted }: TrainingCell,
  key: string,
  heads: Heads,
  progressed: (share: number) => void,
): Promise<CellResult> {
  await useBackend("wasm");
  const images = imagesOf(faces, heads.faces, settings.gray);
  const judged = imagesOf(unseen, heads.unseen, settings.gray);
  const known = factorsByName(unseen);
  const all = Uint32Array.from({ length: judged.count }, (_, i) => i);
  const recipe = recipeOf(settings, images, { steps, seed });
  const kept = keptTraining(key);
  const begun = await kept.read();
  const gathered = gather(["model"], begun?.result);
  const last = checkpoints[checkpoints.length - 1];
  let told = performance.now();
  let written = told;
  await train(images, { ...recipe, state: begun?.state }, async ({ step }, current) => {
    const now = performance.now();
    if (now - told > PROGRESS_MS) {
      told = now;
      progressed(step / last);
    }
    const at = checkpoints.indexOf(step);
    if (at < 0 && now - written < KEEP_MS) return "go on";
    const state = await current();
    if (at >= 0) {
      const evaluation = await evaluate(recipe.architecture, weightsOf(recipe.architecture, state), judged, all);
      const codes = codesOf(evaluation);
      const measured = measures(known, codes.latents);
      const own = wanted.filter((name): name is OwnMeasure => name !== "udr");
      gathered.add(
        at,
        0,
        own.map((name) => [name, finite(trainingMeasureTable[name].of(evaluation, measured))] as const),
      );
      if (wanted.includes("udr")) (gathered.result.codes ??= []).push(keepCodes(codes));
      if (step === last) return "stop";
    }
    // Without room for it, an interrupted training begins anew.
    await kept.write({ state, result: gathered.result }).catch(() => {});
    written = performance.now();
    return "go on";
  });
  await kept.forget();
  return gathered.result;
}

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);

function imagesOf({ count, size }: FacesRecipe, pixels: Uint8Array, gray: boolean): ImageSet {
  const images: ImageSet = { count, side: size, channels: 3, pixels, manifest: undefined };
  return gray ? inGray(images) : images;
}
