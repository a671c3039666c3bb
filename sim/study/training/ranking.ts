import type { Codes } from "../../../server/model/measures/udr.ts";
import { disentanglementRanking } from "../../../server/model/measures/udr.ts";
import { type Cell, type CellResult, toDigits } from "../cell.ts";
import type { Measure } from "../measures.ts";

export const udrMeasure: Measure = {
  title: "UDR",
  says: "Unsupervised disentanglement ranking (Duan et al. 2020, by Spearman's ρ): how far a model and another seed's agree on single latents, its median over the design's other seeds. No factors are needed. The seeds' figures hang together, so that their interval is a rough one.",
  better: "high",
  together: "median",
};

/** What a model says of the heads to measure on, as far as the ranking asks. */
export interface KeptCodes {
  klNats: readonly number[];
  /** Base64 of little-endian 16-bit numbers [latents][heads]: how many heads have a lower posterior mean, which is what Spearman's ρ knows of it. */
  below: string;
}

/** Of more heads the first so many: ρ is known to ±0.02 by then. */
const MOST_HEADS = 2000;

export function keepCodes({ latents, klNats }: Codes): KeptCodes {
  const heads = Math.min(MOST_HEADS, latents[0].length);
  const bytes = new DataView(new ArrayBuffer(2 * heads * latents.length));
  latents.forEach((means, l) => {
    const order = Array.from({ length: heads }, (_, i) => i).sort((i, j) => means[i] - means[j]);
    let below = 0;
    order.forEach((i, k) => {
      if (k > 0 && means[i] > means[order[k - 1]]) below = k;
      bytes.setUint16(2 * (l * heads + i), below, true);
    });
  });
  return { klNats, below: Buffer.from(bytes.buffer).toString("base64") };
}

function codesOf({ klNats, below }: KeptCodes): Codes {
  const bytes = Buffer.from(below, "base64");
  const heads = bytes.length / 2 / klNats.length;
  const latents = klNats.map((_, l) =>
    Float64Array.from({ length: heads }, (_, i) => bytes.readUInt16LE(2 * (l * heads + i))),
  );
  return { latents, klNats };
}

/** The results with each training's score among its design's seeds, at each checkpoint; none where there are no others. */
export function ranked(cells: readonly Cell[], results: readonly (CellResult | null)[]): (CellResult | null)[] {
  const designs = new Map<string, number[]>();
  cells.forEach(({ design }, i) => {
    if (results[i]?.codes) designs.set(design, [...(designs.get(design) ?? []), i]);
  });
  const scored = [...results];
  for (const seeds of designs.values()) {
    if (seeds.length < 2) continue;
    const scores = results[seeds[0]]!.codes!.map((_, at) =>
      disentanglementRanking(seeds.map((i) => codesOf(results[i]!.codes![at]))),
    );
    seeds.forEach((i, k) => {
      const result = results[i]!;
      scored[i] = { ...result, values: { ...result.values, udr: scores.map((row) => [toDigits(row[k])]) } };
    });
  }
  return scored;
}
