import { type Basis, blockStart } from "./basis.ts";
import type { Likelihood, TrialData } from "./laplace.ts";
import { sharesOf } from "./report.ts";
import type { ScoreTests } from "./score-test.ts";

/** Latents whose pairs are looked at: those with the largest shares. */
const MOST_LATENTS = 16;

export interface PairScore {
  /** In ascending order. */
  latents: [number, number];
  /** Score statistic of their product beside the additive fit: χ² with one degree of freedom. */
  statistic: number;
}

/** Value of a latent at each trial of the likelihood. */
export function latentValues(basis: Basis, data: TrialData, { trials }: Likelihood, latent: number): Float64Array {
  const at = blockStart(basis, latent);
  return Float64Array.from(trials, (t) => data.x[t * basis.size + at]);
}

export function centred(values: Float64Array): Float64Array {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return values.map((v) => v - mean);
}

/** How much each pair of latents seems to interact, most first; with more than 16 latents, among those with the largest shares. */
export function scorePairs(
  basis: Basis,
  data: TrialData,
  likelihood: Likelihood,
  tests: ScoreTests,
  theta: Float64Array,
): PairScore[] {
  const { shares } = sharesOf(basis, theta);
  const latents = Array.from(shares.keys())
    .sort((a, b) => shares[b] - shares[a])
    .slice(0, MOST_LATENTS)
    .sort((a, b) => a - b);
  const values = latents.map((d) => centred(latentValues(basis, data, likelihood, d)));
  return latents
    .flatMap((second, j) =>
      latents.slice(0, j).map((first, i): PairScore => {
        const product = values[i].map((v, k) => v * values[j][k]);
        return { latents: [first, second], statistic: tests.test([product]).statistic };
      }),
    )
    .sort((a, b) => b.statistic - a.statistic);
}
