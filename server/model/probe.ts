import { createDecoder } from "./decoder.ts";
import type { ModelCard, ModelFolder } from "./model-folder.ts";

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
function blockMeans(rgba: Uint8Array, side: number, blocks: number): number[] {
  const sums = new Float64Array(blocks * blocks * 3);
  const counts = new Float64Array(blocks * blocks);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const block = Math.floor((y * blocks) / side) * blocks + Math.floor((x * blocks) / side);
      counts[block]++;
      for (let c = 0; c < 3; c++) sums[block * 3 + c] += rgba[(y * side + x) * 4 + c];
    }
  }
  return Array.from(sums, (sum, i) => Math.round((100 * sum) / counts[Math.floor(i / 3)]) / 100);
}

/** Why the current backend does not decode the model's probe as the card says; undefined if it does. */
export async function probeFailure(model: ModelFolder): Promise<string | undefined> {
  const { probe, image } = model.card;
  const decoder = createDecoder(model);
  try {
    const found = blockMeans(await decoder.decode(Float32Array.from(probe.latents)), image.width, probe.blocks);
    const worst = found.reduce((most, value, i) => Math.max(most, Math.abs(value - probe.values[i])), 0);
    return worst <= probeTolerance ? undefined : `decodes a face wrongly: a block is off by ${worst.toFixed(1)} of 255`;
  } finally {
    decoder.dispose();
  }
}

/** The probe to store in a model's card, as the current backend decodes it. */
export async function measureProbe(model: ModelFolder): Promise<ModelCard["probe"]> {
  const latents = probeLatents(model.card.architecture.latents);
  const decoder = createDecoder(model);
  try {
    const picture = await decoder.decode(Float32Array.from(latents));
    return { latents, blocks: probeBlocks, values: blockMeans(picture, model.card.image.width, probeBlocks) };
  } finally {
    decoder.dispose();
  }
}
