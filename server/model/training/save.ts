import { basename, resolve } from "node:path";
import type { Architecture } from "../architecture.ts";
import { useBackend } from "../backends.ts";
import { activeNats, countActive } from "../measures/active.ts";
import { spearman } from "../measures/rank.ts";
import { type ModelCard, readModelFolder, writeModelFolder } from "../model-folder.ts";
import { measureProbe } from "../probe.ts";
import { type Evaluation, orderOfKl, reordered } from "./evaluation.ts";
import type { Weights } from "./trainer.ts";

/**
 * Writes a trained model's folder with latents in the order of their KL, named after the factor that each follows best, if
 * factors are known. `chosen` are the indices of the images behind `evaluation`. Leaves the cpu backend current.
 */
export async function saveModel(
  folder: string,
  architecture: Architecture,
  weights: Weights,
  evaluation: Evaluation,
  made: Record<string, unknown>,
  chosen: Uint32Array,
  factors: Map<string, Float64Array> | undefined,
): Promise<void> {
  const order = orderOfKl(evaluation);
  const table: Record<string, number[]> = {};
  for (const [name, values] of factors ?? []) {
    const own = Float64Array.from(chosen, (i) => values[i]);
    table[name] = order.map((latent) => {
      const rho = spearman(
        own,
        Float64Array.from(evaluation.means, (mean) => mean[latent]),
      );
      return Number.isNaN(rho) ? 0 : rounded(Math.abs(rho), 3);
    });
  }
  const name = (position: number) => {
    const [best] = Object.entries(table).reduce<[string, number]>(
      (top, [factor, row]) => (row[position] > top[1] ? [factor, row[position]] : top),
      ["", 0.4],
    );
    // What an unused latent correlates with is noise.
    return best === "" || evaluation.latents[order[position]].klNats < activeNats
      ? `z${position + 1}`
      : `z${position + 1} ${best.replace(/_rad$/, "")}`;
  };
  const card: Omit<ModelCard, "weights"> = {
    format: "latentloop-model/1",
    name: basename(resolve(folder)),
    latents: {
      count: order.length,
      each: order.map((latent, position) => {
        const { klNats, mean, sd, low, high } = evaluation.latents[latent];
        return {
          name: name(position),
          klNats: rounded(klNats, 4),
          mean: rounded(mean, 4),
          sd: rounded(sd, 4),
          low: rounded(low, 4),
          high: rounded(high, 4),
        };
      }),
    },
    image: { width: architecture.side, height: architecture.side, channels: architecture.channels, pixelRange: [0, 1] },
    architecture,
    probe: { latents: [], blocks: 0, values: [] },
    made: {
      ...made,
      measures: {
        heldOutImages: chosen.length,
        psnrDb: rounded(evaluation.psnrDb, 2),
        active: countActive(evaluation.latents),
        absoluteSpearman: table,
      },
    },
  };
  const sorted = reordered(architecture, weights, order);
  await useBackend("cpu");
  const probe = await measureProbe({ folder, card: card as ModelCard, weights: sorted });
  await writeModelFolder(folder, { ...card, probe }, sorted);
  await readModelFolder(folder);
}

const rounded = (value: number, digits: number) => Math.round(value * 10 ** digits) / 10 ** digits;
