/**
 * The two results of Higgins et al. (2021) on a simulated face patch: how far single cells follow single latents of a model, and
 * how many cells it takes to read a face back.
 */
import { standardised } from "../../server/model/measures/lasso.ts";
import { type Random, random } from "../../server/random.ts";
import { type Alignment, alignment } from "./alignment.ts";
import type { Code } from "./models.ts";
import { type Coding, codings, simulatePatch } from "./patch.ts";
import { cellsNeeded, readBackDistance } from "./read-back.ts";

export interface PaperSettings {
  cells: number;
  rotations: number;
  /** Cosine distance at which a face counts as read back. */
  distance: number;
}

/** What one seed says of one model. */
export interface ModelFigures {
  model: string;
  latents: number;
  alignment: Record<Coding, Alignment>;
  /** Cells that code single factors: mean cosine distance by number of cells, and the number needed; null: more than there are. */
  readBack: { curve: { cells: number; distance: number }[]; needed: number | null };
}

/**
 * Judges models on the same simulated cells.
 *
 * @param codes of each model, in the order of the table
 * @param factors of the held-out faces, factor f of face i at [f][i]
 * @param components of their pixels, for cells that code random axes
 */
export function judge(
  codes: ReadonlyMap<string, Code>,
  factors: readonly Float64Array[],
  components: Code,
  { cells, rotations, distance }: PaperSettings,
  seed: number,
): ModelFigures[] {
  const generator = random(seed).split("paper");
  const own = (values: readonly Float64Array[]) => values.map((column) => standardised(column));
  const variables: Record<Coding, Float64Array[]> = {
    "single factors": own(factors),
    mixtures: own(factors),
    "random axes": own(components),
  };
  const patches = Object.fromEntries(
    codings.map((coding) => [coding, simulatePatch(coding, cells, variables[coding], generator)]),
  ) as Record<Coding, Float64Array[]>;
  return Array.from(codes, ([model, code]) => ({
    model,
    latents: code.length,
    alignment: Object.fromEntries(
      codings.map((coding) => [coding, alignment(code, patches[coding], rotations, generator.split(model, coding))]),
    ) as Record<Coding, Alignment>,
    readBack: readBack(code, patches["single factors"], distance, generator.split(model, "read back")),
  }));
}

function readBack(code: Code, counts: readonly Float64Array[], target: number, generator: Random) {
  const curve: { cells: number; distance: number }[] = [];
  for (let cells = 2; cells <= counts.length; cells = Math.ceil(cells * 1.5))
    curve.push({ cells, distance: readBackDistance(code, counts, cells, generator.split(cells)) });
  return { curve, needed: cellsNeeded(curve, target) };
}

/** A mean over seeds with its 95 % interval by Student's t; no interval for one seed. */
export interface Estimate {
  mean: number;
  halfWidth: number | null;
}

/** 97.5 % points of Student's t with 1, 2 … degrees of freedom. */
const student = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262];

export function estimate(values: readonly number[]): Estimate {
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  if (n < 2) return { mean, halfWidth: null };
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1);
  return { mean, halfWidth: (student[n - 2] ?? 1.96) * Math.sqrt(variance / n) };
}

export interface PaperRow {
  model: string;
  latents: Estimate;
  alignment: Record<Coding, Record<keyof Alignment, Estimate>>;
  readBack: {
    curve: { cells: number; distance: Estimate }[];
    /** Over the seeds in which it was reached; `reached` says in how many. */
    needed: Estimate | null;
    reached: number;
  };
}

/** Figures over seeds, model by model. */
export function summarisePaper(seeds: readonly (readonly ModelFigures[])[]): PaperRow[] {
  return seeds[0].map(({ model }, m) => {
    const of = seeds.map((figures) => figures[m]);
    const parts = ["score", "rotated", "margin", "togetherness", "r2"] as const;
    const needed = of.flatMap(({ readBack }) => (readBack.needed === null ? [] : [readBack.needed]));
    return {
      model,
      latents: estimate(of.map(({ latents }) => latents)),
      alignment: Object.fromEntries(
        codings.map((coding) => [
          coding,
          Object.fromEntries(parts.map((part) => [part, estimate(of.map((f) => f.alignment[coding][part]))])),
        ]),
      ) as PaperRow["alignment"],
      readBack: {
        curve: of[0].readBack.curve.map(({ cells }, i) => ({
          cells,
          distance: estimate(of.map((f) => f.readBack.curve[i].distance)),
        })),
        needed: needed.length > 0 ? estimate(needed) : null,
        reached: needed.length,
      },
    };
  });
}
