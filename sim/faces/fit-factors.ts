import { EigenvalueDecomposition, Matrix } from "ml-matrix";
import type { LatentFactor } from "../../protocols/experiment.ts";
import { type FactorName, factors } from "./factors.ts";
import { placeOf } from "./latent-factors.ts";

/** Weights are kept to this; R² to a per cent. */
const DIGITS = 3;

/**
 * Where each factor lies in its range, u = logistic(offset + w'z), by linear regression of logit u on the latents with a prior w ~ N(0, I/α) (`regress`): what
 * the heads tell well is least squares, and what they do not is 0. Plain least squares would give a factor that the latents do not carry large weights where
 * their means vary little. R² = 1 − Σ (u − û)² / Σ (u − ½)² of every second head, of what is fitted to the other half.
 *
 * Faces are drawn as if all latents varied by 1. Where w'z varies less over heads, weights are scaled down to that: a face is not more of a factor than heads are.
 * Decoded and encoded again, faces z ~ N(0, I) come out with 0.84 to 0.94 of the slope that the weights of faces-64 ask for, and with 0.46 to 0.76 where a plain VAE's ask for more than heads have.
 *
 * @param means the posterior's mean of each head, [heads][latents]
 * @param known the heads' factors by name, in the same order
 */
export function fitLatentFactors(
  means: readonly ArrayLike<number>[],
  known: ReadonlyMap<FactorName, ArrayLike<number>>,
): LatentFactor[] {
  const half = (which: number) => means.map((_, i) => i).filter((i) => i % 2 === which);
  const [fitted, judged] = [half(0), half(1)];
  // What lies on a range's end is taken to lie half a head inside.
  const edge = 0.5 / means.length;
  const some = (heads: readonly number[]) => spectrum(heads.map((i) => means[i]));
  const [ofHalf, ofAll] = [some(fitted), some(means.map((_, i) => i))];
  return factors.map(({ name, range: [low, high] }) => {
    const places = Array.from(known.get(name)!, (value) => (value - low) / (high - low));
    const logits = places.map((place) => {
      const inside = Math.min(1 - edge, Math.max(edge, place));
      return Math.log(inside / (1 - inside));
    });
    const guess = {
      factor: name,
      r2: 0,
      ...regress(
        ofHalf,
        fitted.map((i) => logits[i]),
      ),
    };
    let error = 0;
    let spread = 0;
    for (const i of judged) {
      error += (places[i] - placeOf(guess, means[i])) ** 2;
      spread += (places[i] - 0.5) ** 2;
    }
    const { offset, weights } = withinHeads(regress(ofAll, logits), ofAll.mean);
    return {
      factor: name,
      offset: rounded(offset, DIGITS),
      weights: weights.map((weight) => rounded(weight, DIGITS)),
      r2: rounded(1 - error / spread, 2),
    };
  });
}

/** The weights scaled down, about the heads' mean, so that w'z varies over N(0, I) by no more than over heads. */
function withinHeads({ offset, weights, sdOverHeads }: ReturnType<typeof regress>, mean: readonly number[]) {
  const scale = Math.min(1, sdOverHeads / (Math.hypot(...weights) || 1));
  const atMean = weights.reduce((sum, w, d) => sum + w * mean[d], 0);
  return { offset: offset + (1 - scale) * atMean, weights: weights.map((w) => scale * w) };
}

/** `+ 0` turns −0 into 0, which JSON does not tell apart. */
const rounded = (value: number, digits: number): number => Number(value.toFixed(digits)) + 0;

/** Rows less their mean, and what their scatter X'X is made of. */
interface Spectrum {
  centred: Matrix;
  mean: number[];
  eigenvalues: number[];
  eigenvectors: Matrix;
}

function spectrum(rows: readonly ArrayLike<number>[]): Spectrum {
  const centred = new Matrix(rows.map((row) => Array.from(row)));
  const mean = centred.mean("column");
  centred.subRowVector(mean);
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(centred.transpose().mmul(centred), {
    assumeSymmetric: true,
  });
  // Rounding may leave those that are 0 a little below.
  return {
    centred,
    mean,
    eigenvalues: realEigenvalues.map((value) => Math.max(0, value)),
    eigenvectors: eigenvectorMatrix,
  };
}

const ROUNDS = 1000;
/** Beyond it, in units of the noise's precision a head, no weight is left. */
const NO_WEIGHT = 1e6;

/**
 * Bayesian linear regression y = offset + w'x + noise with w ~ N(0, I/α), the offset free; α and the noise's precision β are those of the highest evidence, by
 * MacKay's fixed point (1992, eqs. 4.8 to 4.10): α = γ / w'w and β = (n − γ) / Σ residuals², with γ = Σ βs / (βs + α) over the eigenvalues s of X'X.
 */
function regress({ centred, mean, eigenvalues, eigenvectors }: Spectrum, y: readonly number[]) {
  const n = y.length;
  const average = y.reduce((sum, value) => sum + value, 0) / n;
  const deviations = Matrix.columnVector(y.map((value) => value - average));
  const total = deviations.dot(deviations);
  const along = eigenvectors.transpose().mmul(centred.transpose().mmul(deviations)).to1DArray();
  // What does not vary is told by its mean.
  if (total === 0) return { offset: average, weights: mean.map(() => 0), sdOverHeads: 0 };
  let [alpha, beta] = [1, n / total];
  let turned = along;
  for (let round = 0; round < ROUNDS; round++) {
    turned = along.map((b, k) => (beta * b) / (beta * eigenvalues[k] + alpha));
    const determined = eigenvalues.reduce((sum, s) => sum + (beta * s) / (beta * s + alpha), 0);
    const square = turned.reduce((sum, w) => sum + w * w, 0);
    const residuals = turned.reduce((sum, w, k) => sum + w * (eigenvalues[k] * w - 2 * along[k]), total);
    const before = alpha;
    alpha = square > 0 ? determined / square : Number.POSITIVE_INFINITY;
    // An exact fit leaves no noise to speak of.
    beta = (n - determined) / Math.max(residuals, 1e-12 * total);
    if (alpha > NO_WEIGHT * beta) {
      turned = turned.map(() => 0);
      break;
    }
    if (Math.abs(alpha - before) < 1e-9 * alpha) break;
  }
  const weights = eigenvectors.mmul(Matrix.columnVector(turned)).to1DArray();
  return {
    offset: average - weights.reduce((sum, w, d) => sum + w * mean[d], 0),
    weights,
    /** Standard deviation of w'x. */
    sdOverHeads: Math.sqrt(turned.reduce((sum, w, k) => sum + w * w * eigenvalues[k], 0) / n),
  };
}
