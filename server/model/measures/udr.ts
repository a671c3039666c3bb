import { quantile } from "../../session/quantile.ts";
import { spearman } from "./rank.ts";

/** What one model says of the same images as the others. */
export interface Codes {
  /** Posterior means, latent l of image i at [l][i]. */
  latents: readonly ArrayLike<number>[];
  klNats: readonly number[];
}

/** Latents with less KL than this say nothing (Duan et al. 2020). */
const informativeNats = 0.01;

/**
 * Unsupervised disentanglement ranking (Duan et al. 2020), with Spearman's correlation (UDR_S): how far two models agree on
 * single latents. With R(a, b) = |ρ| of latent a of the one and b of the other, r_b = max_a R(a, b), r_a = max_b R(a, b):
 * (Σ_b r_b² · I(b) / Σ_a R(a, b) + Σ_a r_a² · I(a) / Σ_b R(a, b)) / (number of informative a + of b).
 */
export function agreement(one: Codes, other: Codes): number {
  const informative = ({ klNats }: Codes, l: number) => klNats[l] > informativeNats;
  const r = one.latents.map((a) =>
    other.latents.map((b) => {
      const rho = spearman(a, b);
      return Number.isNaN(rho) ? 0 : Math.abs(rho);
    }),
  );
  const score = (row: number[]) => {
    const sum = row.reduce((total, value) => total + value, 0);
    return sum > 0 ? Math.max(...row) ** 2 / sum : 0;
  };
  let total = 0;
  let count = 0;
  for (const a of one.latents.keys()) {
    if (!informative(one, a)) continue;
    count++;
    total += score(r[a]);
  }
  for (const b of other.latents.keys()) {
    if (!informative(other, b)) continue;
    count++;
    total += score(r.map((row) => row[b]));
  }
  return count > 0 ? total / count : 0;
}

/** Score of each model: the median of its agreements with the others. */
export function disentanglementRanking(models: readonly Codes[]): number[] {
  return models.map((one, i) =>
    quantile(
      models.filter((_, j) => j !== i).map((other) => agreement(one, other)),
      0.5,
    ),
  );
}
