import { createDecoder, type Decoder } from "./decoder.ts";
import type { FaceModel, ModelCard, ModelFolder } from "./model-folder.ts";

/** Blocks across and down that a probe's picture is averaged over. */
const probeBlocks = 8;

/**
 * Backends may differ in the last bits of a float, which moves a byte by one at most, rarely; a mean over a block by far
 * less. A wrong kernel moves it by tens.
 */
export const probeTolerance = 0.5;

/** A fixed code that moves every latent, alternately up and down. */
const probeLatents = (count: number): number[] =>
  Array.from({ length: count }, (_, i) => (i % 2 === 0 ? 1 : -1) * (0.5 + (i % 5) * 0.25));

/** Means of `blocks` × `blocks` equal parts of an RGBA picture, row by row, RGB, rounded to a hundredth of 0–255. */
function blockMeans(rgba: Uint8Array, { width, height }: FaceModel["card"]["image"], blocks: number): number[] {
  const sums = new Float64Array(blocks * blocks * 3);
  const counts = new Float64Array(blocks * blocks);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const block = Math.floor((y * blocks) / height) * blocks + Math.floor((x * blocks) / width);
      counts[block]++;
      for (let c = 0; c < 3; c++) sums[block * 3 + c] += rgba[(y * width + x) * 4 + c];
    }
  }
  return Array.from(sums, (sum, i) => Math.round((100 * sum) / counts[Math.floor(i / 3)]) / 100);
}

/** Why a decoder does not give what a probe says; undefined if it does. */
export async function probeFailure(
  decoder: Decoder,
  image: FaceModel["card"]["image"],
  probe: ModelCard["probe"],
): Promise<string | undefined> {
  const found = blockMeans(await decoder.decode(Float32Array.from(probe.latents)), image, probe.blocks);
  const worst = found.reduce((most, value, i) => Math.max(most, Math.abs(value - probe.values[i])), 0);
  return worst <= probeTolerance ? undefined : `decodes a face wrongly: a block is off by ${worst.toFixed(1)} of 255`;
}

/** The probe of a model as a decoder of it gives it. */
export async function takeProbe(decoder: Decoder, { latents, image }: FaceModel["card"]): Promise<ModelCard["probe"]> {
  const codes = probeLatents(latents.count);
  const picture = await decoder.decode(Float32Array.from(codes));
  return { latents: codes, blocks: probeBlocks, values: blockMeans(picture, image, probeBlocks) };
}

/** The probe to store in a model's card, as the current backend decodes it. */
export async function measureProbe(model: ModelFolder): Promise<ModelCard["probe"]> {
  const decoder = createDecoder(model);
  try {
    return await takeProbe(decoder, model.card);
  } finally {
    decoder.dispose();
  }
}
