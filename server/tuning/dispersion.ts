import type { Likelihood, Scatter } from "./laplace.ts";

/** Prior of log φ: Fano factors of about 1.1 to 2 at a few counts a trial, before anything is known. */
const LOG_DISPERSION = { mean: Math.log(0.1), sd: 1.5, low: Math.log(1e-4), high: Math.log(10) };
/** Prior of log ψ: at a face drawn from N(0, I) what pairs do is little, at the corner of the box of twelve latents a factor of e. */
const LOG_INTERACTION = { mean: Math.log(2e-4), sd: 2, low: Math.log(1e-8), high: Math.log(0.1) };

export const priorScatter: Scatter = {
  dispersion: Math.exp(LOG_DISPERSION.mean),
  interaction: Math.exp(LOG_INTERACTION.mean),
};

/**
 * The most probable φ and ψ of a unit's counts given their expected values, one after the other, from where they are: maximises over
 * their logs the profile likelihood, adjusted for the weights that were fitted to the same counts (Cox & Reid 1987, as edgeR and
 * DESeq2 do it), under log-normal priors. The adjustment −½ log |X'WX| is taken as −½ γ log ΣW: exact where all trials'
 * curvatures scale alike. ψ stays where it is while no face gives room to pairs.
 *
 * @param likelihood evaluated at the fit
 * @param determined γ, how many weights the data determine
 */
export function learnScatter(likelihood: Likelihood, determined: number, from: Scatter): Scatter {
  const { expected, counts, weight, extent } = likelihood;
  const value = (scatter: Scatter): number => {
    let sum = likelihood.constant(scatter);
    let total = 0;
    for (let k = 0; k < expected.length; k++) {
      const mean = expected[k];
      const dispersion = scatter.dispersion + scatter.interaction * extent[k];
      // The part r log λ depends on neither.
      sum -= weight[k] * (counts[k] + 1 / dispersion) * Math.log1p(dispersion * mean);
      total += (weight[k] * mean) / (1 + dispersion * mean);
    }
    return sum - (total > 0 ? (determined * Math.log(total)) / 2 : 0);
  };
  const best = (prior: typeof LOG_DISPERSION, at: (parameter: number) => Scatter): Scatter =>
    at(
      Math.exp(
        maximise((log) => value(at(Math.exp(log))) - ((log - prior.mean) / prior.sd) ** 2 / 2, prior.low, prior.high),
      ),
    );
  const scatter = best(LOG_DISPERSION, (dispersion) => ({ ...from, dispersion }));
  return extent.some((q) => q > 0) ? best(LOG_INTERACTION, (interaction) => ({ ...scatter, interaction })) : scatter;
}

/** Where a function of one variable is largest, to about 1e-3: the best of a coarse grid, then golden sections beside it. */
function maximise(value: (x: number) => number, low: number, high: number): number {
  const cells = 10;
  const width = (high - low) / cells;
  let best = low;
  let height = Number.NEGATIVE_INFINITY;
  for (let i = 0; i <= cells; i++) {
    const here = value(low + i * width);
    if (here > height) {
      height = here;
      best = low + i * width;
    }
  }
  let a = Math.max(low, best - width);
  let b = Math.min(high, best + width);
  const golden = (Math.sqrt(5) - 1) / 2;
  let left = b - golden * (b - a);
  let right = a + golden * (b - a);
  let leftValue = value(left);
  let rightValue = value(right);
  while (b - a > 2e-3) {
    if (leftValue >= rightValue) {
      b = right;
      right = left;
      rightValue = leftValue;
      left = b - golden * (b - a);
      leftValue = value(left);
    } else {
      a = left;
      left = right;
      leftValue = rightValue;
      right = a + golden * (b - a);
      rightValue = value(right);
    }
  }
  return (a + b) / 2;
}
