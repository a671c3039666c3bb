import type { Architecture } from "../../server/model/architecture.ts";
import type { ModelCard, ModelFolder } from "../../server/model/model-folder.ts";
import { initialParameters } from "../../server/model/training/initial.ts";
import { random } from "../../server/random.ts";

/** A network small enough to compute by hand: 8 × 8 images, 3 latents. */
export const tinyArchitecture: Architecture = {
  kind: "sub-pixel-vae/1",
  latents: 3,
  side: 8,
  channels: 3,
  encoder: [4, 5],
  hidden: 6,
  decoder: [4, 3],
  patch: 2,
  activation: "relu",
};

/** An untrained model of any architecture, its probe left empty. */
export function untrained(architecture: Architecture, seed = 1): ModelFolder {
  const card: ModelCard = {
    format: "latentloop-model/1",
    name: "untrained",
    latents: {
      count: architecture.latents,
      each: Array.from({ length: architecture.latents }, (_, i) => ({
        name: `z${i + 1}`,
        klNats: 1,
        mean: 0,
        sd: 1,
        low: -2,
        high: 2,
      })),
    },
    image: { width: architecture.side, height: architecture.side, channels: 3, pixelRange: [0, 1] },
    architecture,
    weights: { file: "weights.bin", sha256: "0".repeat(64), entries: [] },
    probe: {
      latents: new Array(architecture.latents).fill(0),
      blocks: 1,
      values: [0, 0, 0],
    },
    made: {},
  };
  return { folder: "", card, weights: initialParameters(architecture, random(seed)) };
}
