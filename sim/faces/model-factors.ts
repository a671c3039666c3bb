import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { type Experiment, type LatentFactor, simulation as simulationSchema } from "../../protocols/experiment.ts";
import { cacheFolder, writeCached } from "../../server/cache.ts";
import { ConfigurationError } from "../../server/failure.ts";
import { openModel } from "../../server/model/backends.ts";
import type { Decoder } from "../../server/model/decoder.ts";
import { experimentModel } from "../../server/model/experiment-model.ts";
import { type FaceModel, readModel } from "../../server/model/model-folder.ts";
import { rendererVersion } from "./data-set.ts";
import { drawHeads } from "./drawn-heads.ts";
import { factorsByName } from "./factors.ts";
import { fitLatentFactors } from "./fit-factors.ts";
import { lacksFactors } from "./latent-factors.ts";

/** Raise it whenever the same means would be fitted otherwise. */
const fitVersion = 1;
/** Heads that a table is fitted to: enough for a few per cent in each weight, and ten a latent. */
const headsFor = (latents: number): number => Math.max(600, 10 * latents);
const [SMALLEST_SIDE, LARGEST_SIDE] = [16, 512];
const ENCODED_AT_ONCE = 64;

/**
 * The experiment with what its `factor` units need of a model that is not faces-64: the factors in its latents.
 *
 * @param file the experiment's, where a relative model folder starts
 * @throws ConfigurationError as `experimentModel` and `findLatentFactors`
 */
export async function withLatentFactors(
  experiment: Experiment,
  file: string,
  said: (words: string) => void,
): Promise<Experiment> {
  const { simulation, model } = experiment;
  if (!simulation || !lacksFactors(simulation, model)) return experiment;
  const latentFactors = await findLatentFactors(await experimentModel(experiment, file), said);
  const found = latentFactors.map(({ factor, r2 }) => `${factor} ${r2.toFixed(2)}`).join(", ");
  said(`factors in the latents of ${model}, R² on other heads: ${found}`);
  return { ...experiment, simulation: { ...simulation, latentFactors } };
}

/**
 * The factors of the rendered heads in a model's latents (`fitLatentFactors`), as its encoder finds them in heads of a seed that it was not trained on. They are
 * found once for a model's content and kept in this machine's cache. A model of this program is run on wasm, which gives the same numbers on every machine.
 *
 * @param said told what is waited for
 * @throws ConfigurationError for a model without an encoder, or of pictures that heads are not rendered as, and if MakeHuman's data can't be had
 */
export async function findLatentFactors(
  { folder, card, digest }: { folder: string; card: FaceModel["card"]; digest: string },
  said: (words: string) => void,
): Promise<LatentFactor[]> {
  const { width, height } = card.image;
  const expected = `model ${folder}: factor units: expected`;
  if ("network" in card && card.network.encoder === undefined)
    throw new ConfigurationError(`${expected} an encoder, which finds rendered heads in its latents, found none`);
  if (width !== height || width < SMALLEST_SIDE || width > LARGEST_SIDE)
    throw new ConfigurationError(
      `${expected} square pictures of ${SMALLEST_SIDE} to ${LARGEST_SIDE} pixels a side, as heads are rendered, found ${width} × ${height}`,
    );
  const recipe = { count: headsFor(card.latents.count), size: width, seed: unseenSeed(card.made) };
  const key = createHash("sha256")
    .update(JSON.stringify([digest, recipe, rendererVersion, fitVersion]))
    .digest("hex");
  const file = join(cacheFolder(), "latent-factors", `${key}.json`);
  const kept = await readKept(file);
  if (kept) return kept;
  said(`finding the factors of rendered heads in the latents of ${card.name}, once for this model`);
  const model = await readModel(folder);
  const { decoder } = await openModel(model, "weights" in model ? "wasm" : undefined);
  let means: Float32Array[];
  try {
    const heads = await drawHeads(recipe, availableParallelism(), said);
    means = await encoded(decoder, heads, recipe);
  } finally {
    decoder.dispose();
  }
  const found = fitLatentFactors(means, factorsByName(recipe));
  // Without room for it, it is found again the next time.
  await writeCached(file, JSON.stringify(found)).catch(() => {});
  return found;
}

async function encoded(
  decoder: Decoder,
  heads: Uint8Array,
  { count, size }: { count: number; size: number },
): Promise<Float32Array[]> {
  const pixels = size * size;
  const means: Float32Array[] = [];
  for (let from = 0; from < count; from += ENCODED_AT_ONCE) {
    const some = Math.min(ENCODED_AT_ONCE, count - from);
    const rgba = new Uint8Array(some * pixels * 4).fill(255);
    for (let pixel = 0; pixel < some * pixels; pixel++)
      for (let c = 0; c < 3; c++) rgba[4 * pixel + c] = heads[3 * (from * pixels + pixel) + c];
    const { mean } = await decoder.encode!(rgba);
    const latents = mean.length / some;
    for (let i = 0; i < some; i++) means.push(mean.slice(i * latents, (i + 1) * latents));
  }
  return means;
}

/** As `train` writes it, stage by stage. */
const madeSchema = z.object({
  data: z.object({ recipe: z.object({ seed: z.number() }).nullish() }).optional(),
  from: z.unknown().optional(),
});

/** The first seed that is not one of the heads that a model was trained on, in any of its stages. */
function unseenSeed(made: unknown): number {
  const seen: number[] = [];
  for (let stage = madeSchema.safeParse(made); stage.success; stage = madeSchema.safeParse(stage.data.from)) {
    const seed = stage.data.data?.recipe?.seed;
    if (seed !== undefined) seen.push(seed);
  }
  let seed = 2;
  while (seen.includes(seed)) seed++;
  return seed;
}

const tableSchema = simulationSchema.shape.latentFactors.unwrap();

/** Null where there is nothing, or nothing whole. */
const readKept = (file: string): Promise<LatentFactor[] | null> =>
  readFile(file, "utf8").then(
    (text) => tableSchema.parse(JSON.parse(text)),
    () => null,
  );
