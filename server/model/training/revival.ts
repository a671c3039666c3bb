import * as tf from "@tensorflow/tfjs-core";
import { type Random, random } from "../../../sim/random.ts";
import { type Architecture, decodeLogits, encode, features, parameterShapes } from "../network.ts";
import type { ImageSet } from "./images.ts";
import { imageTensor, type Weights } from "./trainer.ts";

/** Images that the residuals are looked at on, and the side to which they are averaged down. */
const looked = 2000;
const coarse = 16;
/** Keeps the regression on the encoder's features from leaning on accidents. */
const ridge = 1e-2;

/**
 * Gives latents that a model does not use something to say. An unused latent sits on a saddle: the decoder ignores it, so
 * the encoder learns nothing for it, and the other way round. Here the k-th of them is made to report the k-th principal
 * component of what the model leaves unexplained (residuals, averaged to 16 × 16), by ridge regression on the encoder's
 * last features: mean of variance 1 over the images, sd 0.3. Its decoder weights are 0, so no picture changes; they have
 * a gradient from the first step on. `dead` lists the latents; the others' weights stay. Runs on the current backend.
 */
export async function revived(
  a: Architecture,
  weights: Weights,
  dead: readonly number[],
  images: ImageSet,
  chosen: Uint32Array,
): Promise<Weights> {
  const some = chosen.subarray(0, looked);
  const { residuals, seen } = await look(a, weights, images, some);
  const components = principalComponents(residuals, dead.length, random("revival"));
  const posterior = weights["encoder/posterior/kernel"].slice();
  const bias = weights["encoder/posterior/bias"].slice();
  const decoder = weights["decoder/hidden/kernel"].slice();
  for (const [k, latent] of dead.entries()) {
    const { slope, intercept } = regression(seen, standardised(components[k]));
    for (let h = 0; h < a.hidden; h++) {
      posterior[h * 2 * a.latents + latent] = slope[h];
      posterior[h * 2 * a.latents + a.latents + latent] = 0;
      decoder[latent * a.hidden + h] = 0;
    }
    bias[latent] = intercept;
    bias[latent + a.latents] = 2 * Math.log(0.3);
  }
  return {
    ...weights,
    "encoder/posterior/kernel": posterior,
    "encoder/posterior/bias": bias,
    "decoder/hidden/kernel": decoder,
  };
}

/** Residuals of the reconstructions, coarse, and the encoder's last features, an array each image. */
async function look(a: Architecture, weights: Weights, images: ImageSet, chosen: Uint32Array) {
  const p = Object.fromEntries(parameterShapes(a).map(({ name, shape }) => [name, tf.tensor(weights[name], shape)]));
  const residuals: Float32Array[] = [];
  const seen: Float32Array[] = [];
  const side = Math.min(coarse, a.side);
  for (let from = 0; from < chosen.length; from += 64) {
    const part = chosen.subarray(from, from + 64);
    const [residual, feature] = tf.tidy(() => {
      const x = imageTensor(images, part);
      const left = tf.sub(x, tf.sigmoid(decodeLogits(a, p, encode(a, p, x).mean)));
      const block = a.side / side;
      const blocks = tf.mean(tf.reshape(left, [part.length * side, block, side, block * 3]), 1);
      return [tf.mean(tf.reshape(blocks, [part.length * side * side, block, 3]), 1), features(a, p, x)];
    });
    const [r, f] = [await residual.data(), await feature.data()];
    for (let i = 0; i < part.length; i++) {
      residuals.push(Float32Array.from(r.slice(i * side * side * 3, (i + 1) * side * side * 3)));
      seen.push(Float32Array.from(f.slice(i * a.hidden, (i + 1) * a.hidden)));
    }
    tf.dispose([residual, feature]);
  }
  tf.dispose(p);
  return { residuals, seen };
}

/** Scores of the rows on their first `count` principal components, by power iteration with deflation of the rows. */
export function principalComponents(rows: readonly Float32Array[], count: number, draws: Random): Float64Array[] {
  const width = rows[0].length;
  const mean = new Float64Array(width);
  for (const row of rows) for (let k = 0; k < width; k++) mean[k] += row[k] / rows.length;
  const left = rows.map((row) => Float64Array.from(row, (value, k) => value - mean[k]));
  return Array.from({ length: count }, () => {
    let axis = Float64Array.from({ length: width }, () => draws.normal());
    let scores = new Float64Array(rows.length);
    for (let iteration = 0; iteration < 30; iteration++) {
      const length = Math.sqrt(dot(axis, axis)) || 1;
      const unit = axis.map((value) => value / length);
      scores = Float64Array.from(left, (row) => dot(row, unit));
      axis = new Float64Array(width);
      for (const [i, row] of left.entries()) for (let k = 0; k < width; k++) axis[k] += scores[i] * row[k];
    }
    const square = dot(scores, scores) || 1;
    for (const [i, row] of left.entries()) for (let k = 0; k < width; k++) row[k] -= (scores[i] * axis[k]) / square;
    return scores;
  });
}

/** Ridge regression of y on the rows, with intercept: normal equations by Cholesky's factorisation. */
export function regression(rows: readonly Float32Array[], y: Float64Array): { slope: Float64Array; intercept: number } {
  const n = rows.length;
  const width = rows[0].length;
  const mean = new Float64Array(width);
  for (const row of rows) for (let k = 0; k < width; k++) mean[k] += row[k] / n;
  const meanY = y.reduce((sum, value) => sum + value, 0) / n;
  const gram = new Float64Array(width * width);
  const slope = new Float64Array(width);
  for (const [i, row] of rows.entries()) {
    for (let k = 0; k < width; k++) {
      const centred = row[k] - mean[k];
      slope[k] += (centred * (y[i] - meanY)) / n;
      for (let l = 0; l <= k; l++) gram[k * width + l] += (centred * (row[l] - mean[l])) / n;
    }
  }
  let trace = 0;
  for (let k = 0; k < width; k++) trace += gram[k * width + k];
  for (let k = 0; k < width; k++) gram[k * width + k] += (ridge * trace) / width + 1e-12;
  // In place: gram becomes L with L·Lᵀ = gram; then L·u = slope and Lᵀ·slope = u.
  for (let k = 0; k < width; k++) {
    for (let l = 0; l <= k; l++) {
      let sum = gram[k * width + l];
      for (let m = 0; m < l; m++) sum -= gram[k * width + m] * gram[l * width + m];
      gram[k * width + l] = k === l ? Math.sqrt(sum) : sum / gram[l * width + l];
    }
  }
  for (let k = 0; k < width; k++) {
    for (let m = 0; m < k; m++) slope[k] -= gram[k * width + m] * slope[m];
    slope[k] /= gram[k * width + k];
  }
  for (let k = width - 1; k >= 0; k--) {
    for (let m = k + 1; m < width; m++) slope[k] -= gram[m * width + k] * slope[m];
    slope[k] /= gram[k * width + k];
  }
  return { slope, intercept: meanY - dot(slope, mean) };
}

function standardised(values: Float64Array): Float64Array {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const sd = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length) || 1;
  return values.map((value) => (value - mean) / sd);
}

function dot(x: Float64Array, y: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i] * y[i];
  return sum;
}
