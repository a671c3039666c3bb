import { disentanglementRanking } from "../../../server/model/measures/udr.ts";
import { type Cell, type CellResult, toDigits } from "../cell.ts";
import type { Measure } from "../measures.ts";
import { codesOf } from "./codes.ts";

export const udrMeasure: Measure = {
  title: "UDR",
  says: "Unsupervised disentanglement ranking (Duan et al. 2020, by Spearman's ρ): how far a model and another seed's agree on single latents, its median over the design's other seeds. No factors are needed. The seeds' figures hang together, so that their interval is a rough one.",
  better: "high",
  together: "median",
};

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
