import type { TrainingMeasure } from "../../../protocols/study.ts";
import type { Architecture } from "../../../server/model/architecture.ts";
import { useBackend } from "../../../server/model/backends.ts";
import { measures } from "../../../server/model/measures/measures.ts";
import { codesOf, evaluate } from "../../../server/model/training/evaluation.ts";
import { type ImageSet, inGray } from "../../../server/model/training/images.ts";
import { recipeOf } from "../../../server/model/training/recipe.ts";
import { firstWeights, lastWeights } from "../../../server/model/training/stage.ts";
import { train, type Weights, weightsOf } from "../../../server/model/training/trainer.ts";
import type { FacesRecipe } from "../../faces/data-set.ts";
import { factorsByName } from "../../faces/factors.ts";
import { type CellResult, gather, type TrainingCell } from "../cell.ts";
import { keepCodes } from "./codes.ts";
import type { Heads } from "./heads.ts";
import { type OwnMeasure, trainingMeasureTable } from "./judge.ts";
import { keptTraining } from "./kept.ts";

const PROGRESS_MS = 5000;
const KEEP_MS = 3 * 60_000;

/**
 * Trains a model as `train` does on wasm, stage by stage as with `--from`, which gives the same numbers on every machine, and measures it as `evaluate` does at each
 * checkpoint; the last one ends the training. One that was interrupted goes on from the last checkpoint, or the last three minutes, that this
 * machine has of it, to the same end.
 *
 * @param key the cell's
 * @param progressed told now and then what share of the training is done
 */
export async function runTrainingCell(
  { training: { faces, unseen, stages }, seed, checkpoints, measures: wanted }: TrainingCell,
  key: string,
  heads: Heads,
  progressed: (share: number) => void,
): Promise<CellResult> {
  await useBackend("wasm");
  // Stages have one network, and so images of one kind.
  const [{ settings: first }] = stages;
  const images = imagesOf(faces, heads.faces, first.gray);
  const judge = judgeOn(imagesOf(unseen, heads.unseen, first.gray), factorsByName(unseen), wanted);
  const kept = keptTraining(key);
  const begun = await kept.read();
  const gathered = gather(["model"], begun?.result);
  const last = checkpoints[checkpoints.length - 1];
  let told = performance.now();
  let written = told;
  let passed = stages.slice(0, begun?.stage ?? 0).reduce((sum, { steps }) => sum + steps, 0);
  let before: Weights | null = null;
  for (let stage = begun?.stage ?? 0; stage < stages.length && passed < last; stage++) {
    const { settings, steps, rotate } = stages[stage];
    const recipe = recipeOf(settings, images, { steps, seed });
    const { architecture } = recipe;
    const initial = before ? await firstWeights({ ...recipe, isRotated: rotate }, before, images) : undefined;
    const state = stage === begun?.stage ? begun.state : undefined;
    const end = await train(images, { ...recipe, initial, state }, async ({ step: own }, current) => {
      const step = passed + own;
      const now = performance.now();
      if (now - told > PROGRESS_MS) {
        told = now;
        progressed(step / last);
      }
      const at = checkpoints.indexOf(step);
      if (at < 0 && now - written < KEEP_MS) return "go on";
      const state = await current();
      if (at >= 0) {
        const { figures, codes } = await judge(architecture, weightsOf(architecture, state));
        gathered.add(at, 0, figures);
        if (codes) (gathered.result.codes ??= []).push(codes);
        if (step === last) return "stop";
      }
      // Without room for it, an interrupted training begins anew.
      await kept.write({ stage, state, result: gathered.result }).catch(() => {});
      written = performance.now();
      return "go on";
    });
    passed += steps;
    if (passed < last) before = await lastWeights(recipe, weightsOf(architecture, end), images);
  }
  await kept.forget();
  return gathered.result;
}

/** What measures a model on images of known factors: the figures that are wanted, and what it is compared with others by, where that is. */
function judgeOn(images: ImageSet, known: ReadonlyMap<string, Float64Array>, wanted: readonly TrainingMeasure[]) {
  const all = Uint32Array.from({ length: images.count }, (_, i) => i);
  const own = wanted.filter((name): name is OwnMeasure => name !== "udr");
  return async (architecture: Architecture, weights: Weights) => {
    const evaluation = await evaluate(architecture, weights, images, all);
    const codes = codesOf(evaluation);
    const measured = measures(known, codes.latents);
    return {
      figures: own.map((name) => [name, finite(trainingMeasureTable[name].of(evaluation, measured))] as const),
      codes: wanted.includes("udr") ? keepCodes(codes) : null,
    };
  };
}

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);

function imagesOf({ count, size }: FacesRecipe, pixels: Uint8Array, gray: boolean): ImageSet {
  const images: ImageSet = { count, side: size, channels: 3, pixels, manifest: undefined };
  return gray ? inGray(images) : images;
}
