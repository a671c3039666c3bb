import { factorsOfFaces64, mainLatent } from "../../faces/latent-factors.ts";
import type { Cell } from "../cell.ts";

/** How far the factors that units follow can be read from a model's latents. */
export interface ModelFigures {
  /** As the study file names it. */
  model: string;
  latents: number;
  /** Null where no unit follows a factor. */
  factors: FactorFigures[] | null;
}

export interface FactorFigures {
  factor: string;
  /** Share of its variance that the latents explain, on heads that were not fitted to. */
  r2: number;
  /** The latent that moves it most, from 0, and that one's share of the sum of squared weights: 1 where it alone does. */
  latent: number;
  share: number;
}

/** A factor of which less can be read moves the units that follow it by about half of what it would, or less: √0.25. */
export const HARDLY_READ = 0.25;

/** The models of a study's sessions, in the order of its file; none where it names none. */
export function modelFigures(cells: readonly Cell[]): ModelFigures[] {
  const figures = new Map<string, ModelFigures>();
  for (const cell of cells) {
    if (cell.model === undefined || !("experiment" in cell)) continue;
    const { latents, simulation } = cell.experiment;
    if (figures.get(cell.model)?.factors) continue;
    const factors = simulation?.factor
      ? (simulation.latentFactors ?? factorsOfFaces64).map((row): FactorFigures => {
          const { latent, share } = mainLatent(row);
          return { factor: row.factor, r2: row.r2, latent, share: Number(share.toFixed(3)) };
        })
      : null;
    figures.set(cell.model, { model: cell.model, latents, factors });
  }
  return [...figures.values()];
}
