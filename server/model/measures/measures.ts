import { type Dci, disentanglement } from "./dci.ts";
import { mutualInformationGap } from "./mig.ts";
import { spearman } from "./rank.ts";

/** A factor has a latent of its own if |ρ| with it is at least `own`, and no other factor's |ρ| with that latent above `alone`. */
export const own = 0.8;
export const alone = 0.4;

export interface FactorMeasures {
  name: string;
  /** The latent that follows it best, counted from 0, and |Spearman's ρ| with it. */
  latent: number;
  rho: number;
  /** The other factor that this latent follows best. */
  rival: { name: string; rho: number };
  hasOwnLatent: boolean;
  /** Its mutual information gap, and R² of DCI's regression. */
  mig: number;
  r2: number;
}

export interface Measures {
  mig: number;
  dci: Omit<Dci, "informativenessOf" | "importance"> & { regressor: string };
  /** How many factors have a latent of their own. */
  ownLatents: number;
  factors: FactorMeasures[];
  /** |Spearman's ρ| of factor f and latent l at [f][l]. */
  absoluteSpearman: number[][];
}

/** How latents and known factors go together; factor or latent v of image i at [v][i]. At least two of either. */
export function measures(factors: ReadonlyMap<string, Float64Array>, latents: readonly ArrayLike<number>[]): Measures {
  const names = [...factors.keys()];
  const values = [...factors.values()];
  const table = values.map((factor) => latents.map((latent) => Math.abs(spearman(factor, latent)) || 0));
  const gap = mutualInformationGap(values, latents);
  const dci = disentanglement(values, latents);
  const each = names.map((name, f): FactorMeasures => {
    const latent = table[f].indexOf(Math.max(...table[f]));
    const rho = table[f][latent];
    const rival = names
      .map((other, g) => ({ name: other, rho: table[g][latent] }))
      .filter((_, g) => g !== f)
      .reduce((most, next) => (next.rho > most.rho ? next : most));
    const hasOwnLatent = rho >= own && rival.rho <= alone;
    return { name, latent, rho, rival, hasOwnLatent, mig: gap.each[f], r2: dci.informativenessOf[f] };
  });
  const { disentanglement: d, completeness, informativeness } = dci;
  return {
    mig: gap.mig,
    dci: { disentanglement: d, completeness, informativeness, regressor: "lasso, α = 0.01, on standardised latents" },
    ownLatents: each.filter(({ hasOwnLatent }) => hasOwnLatent).length,
    factors: each,
    absoluteSpearman: table,
  };
}
