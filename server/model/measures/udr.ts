import { quantile } from "../../session/quantile.ts";
import { dot, unitRanks } from "./rank.ts";

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
export const agreement = (one: Codes, other: Codes): number => agreementOf(ranked(one), ranked(other));

/** Codes whose latents are given by `unitRanks`: a latent is ranked once, and not once a pair. */
interface Ranked {
  latents: readonly Float64Array[];
  klNats: readonly number[];
}
const ranked = ({ latents, klNats }: Codes): Ranked => ({ latents: latents.map(unitRanks), klNats });

function agreementOf(one: Ranked, other: Ranked): number {
  const informative = ({ klNats }: Ranked, l: number) => klNats[l] > informativeNats;
  const r = one.latents.map((a) =>
    other.latents.map((b) => {
      const rho = dot(a, b);
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
  const all = models.map(ranked);
  // Of two models either way the same.
  const pairs = all.map((one, i) => all.slice(0, i).map((other) => agreementOf(one, other)));
  return all.map((_, i) =>
    quantile(
      all.flatMap((_, j) => (j === i ? [] : [pairs[Math.max(i, j)][Math.min(i, j)]])),
      0.5,
    ),
  );
}
