import * as tf from "@tensorflow/tfjs-core";
import { type Random, random } from "../../random.ts";
import { type Architecture, decodeLogits, encode, features, parameterShapes } from "../network.ts";
import type { ImageSet } from "./images.ts";
import { imageTensor, prepare, type Weights } from "./trainer.ts";

/** Images that the residuals are looked at on, and the side to which they are averaged down. */
const looked = 2000;
const coarse = 16;
/** Batches of 32 that the encoder is taught on. */
const lessons = 300;
/** Keeps the regression on the encoder's features from leaning on accidents. */
const ridge = 1e-2;

/**
 * Gives latents that a model does not use something to say. An unused latent sits on a saddle: the decoder ignores it, so
 * the encoder learns nothing for it, and the other way round. Here the k-th of them is made to report the k-th principal
 * component of what the model leaves unexplained (residuals, averaged to 16 × 16): the encoder's silent units are drawn
 * anew, ridge regression on its last features gives a start, and some lessons the rest. Means have variance 1 over the
 * images, sd 0.3. Decoder weights of these latents are 0, so that no picture changes; they have a gradient from the first
 * step on. `dead` lists the latents; the others say nearly what they said. Runs on the current backend.
 */
export async function revived(
  a: Architecture,
  weights: Weights,
  dead: readonly number[],
  images: ImageSet,
  chosen: Uint32Array,
): Promise<Weights> {
  prepare();
  const some = chosen.subarray(0, looked);
  const curious = withFreshUnits(a, weights, (await look(a, weights, images, some)).highest);
  const { residuals, seen } = await look(a, curious, images, some);
  const posterior = curious["encoder/posterior/kernel"].slice();
  const components = principalComponents(residuals, dead.length, random("revival"));
  const bias = weights["encoder/posterior/bias"].slice();
  const decoder = weights["decoder/hidden/kernel"].slice();
  for (const [k, latent] of dead.entries()) {
    const { slope, intercept } = regression(seen, standardised(components[k].scores));
    for (let h = 0; h < a.hidden; h++) {
      posterior[h * 2 * a.latents + latent] = slope[h];
      posterior[h * 2 * a.latents + a.latents + latent] = 0;
      decoder[latent * a.hidden + h] = 0;
    }
    bias[latent] = intercept;
    bias[latent + a.latents] = 2 * Math.log(0.3);
  }
  const begun = {
    ...curious,
    "encoder/posterior/kernel": posterior,
    "encoder/posterior/bias": bias,
    "decoder/hidden/kernel": decoder,
  };
  return taught(a, weights, begun, dead, components, images, chosen);
}

/**
 * Trains the encoder alone to report the components at the `dead` latents and, at the others, what the old one said: mean
 * squared error against the components' scores (of variance 1) and the old posterior's means and log variances.
 */
async function taught(
  a: Architecture,
  old: Weights,
  begun: Weights,
  dead: readonly number[],
  components: readonly Component[],
  images: ImageSet,
  chosen: Uint32Array,
): Promise<Weights> {
  const tensors = (weights: Weights) =>
    Object.fromEntries(parameterShapes(a).map(({ name, shape }) => [name, tf.tensor(weights[name], shape)]));
  const teacher = tensors(old);
  const pupil = tensors(begun);
  const learning: Record<string, tf.Variable> = {};
  for (const name of Object.keys(pupil)) {
    if (name.startsWith("encoder/")) learning[name] = tf.variable(pupil[name]);
  }
  // [pixels, latents]: a dead latent's column is its component's axis over the sd of its scores.
  const side = Math.min(coarse, a.side);
  const axes = new Float32Array(side * side * 3 * a.latents);
  for (const [k, latent] of dead.entries()) {
    const { axis, scores } = components[k];
    const sd = Math.sqrt(dot(scores, scores) / scores.length) || 1;
    for (let i = 0; i < axis.length; i++) axes[i * a.latents + latent] = axis[i] / sd;
  }
  const projection = tf.tensor2d(axes, [side * side * 3, a.latents]);
  const isDead = tf.tensor1d(Array.from({ length: a.latents }, (_, i) => (dead.includes(i) ? 1 : 0)));
  const optimizer = tf.train.adam(1e-3);
  const draws = random("revival").split("lessons");
  for (let lesson = 0; lesson < lessons; lesson++) {
    const part = Uint32Array.from({ length: 32 }, () => chosen[draws.int(chosen.length)]);
    tf.tidy(() => {
      const x = imageTensor(images, part);
      const said = encode(a, teacher, x);
      const residual = coarsened(tf.sub(x, tf.sigmoid(decodeLogits(a, teacher, said.mean))), part.length, side);
      const scores = tf.matMul(residual, projection);
      const target = tf.add(said.mean, tf.mul(isDead, tf.sub(scores, said.mean)));
      optimizer.minimize(() => {
        const { mean, logVariance } = encode(a, learning, x);
        const spread = tf.mul(tf.sub(logVariance, said.logVariance), tf.sub(1, isDead));
        return tf.mean(tf.add(tf.square(tf.sub(mean, target)), tf.mul(tf.square(spread), 0.1))) as tf.Scalar;
      });
    });
    await new Promise((resolve) => setImmediate(resolve));
  }
  const result = { ...begun };
  for (const [name, variable] of Object.entries(learning)) result[name] = Float32Array.from(await variable.data());
  optimizer.dispose();
  tf.dispose([teacher, pupil, learning, projection, isDead]);
  return result;
}

/** Means of equal blocks of pictures: [n, side · side · 3]. */
function coarsened(pictures: tf.Tensor, n: number, side: number): tf.Tensor2D {
  const block = pictures.shape[1]! / side;
  const rows = tf.mean(tf.reshape(pictures, [n * side, block, side, block * 3]), 1);
  return tf.reshape(tf.mean(tf.reshape(rows, [n * side * side, block, 3]), 1), [n, side * side * 3]);
}

/**
 * Draws the encoder's silent units anew (those that ReLU holds at 0 for every image: most of them, after a while at high
 * β), and lets no other unit listen to them, so that the code stays what it was. Without them an encoder that never needed,
 * say, the background has nothing left to see it with.
 */
function withFreshUnits(a: Architecture, weights: Weights, highest: Map<string, Float32Array>): Weights {
  const fresh = { ...weights };
  const layers = [...a.encoder.map((_, i) => `encoder/conv${i}`), "encoder/hidden"];
  for (const [l, layer] of layers.entries()) {
    const silent = Array.from(highest.get(layer)!, (value) => value < 1e-4);
    const kernel = fresh[`${layer}/kernel`].slice();
    const bias = fresh[`${layer}/bias`].slice();
    const inputs = kernel.length / silent.length;
    const draws = random("revival").split(layer);
    for (const [unit, is] of silent.entries()) {
      if (!is) continue;
      for (let i = 0; i < inputs; i++) kernel[i * silent.length + unit] = Math.sqrt(2 / inputs) * draws.normal();
      bias[unit] = 0;
    }
    fresh[`${layer}/kernel`] = kernel;
    fresh[`${layer}/bias`] = bias;
    // Kernels are [..., input unit, output unit], also after flattening [y, x, unit].
    const next = layers[l + 1] ?? "encoder/posterior";
    const heard = fresh[`${next}/kernel`].slice();
    const listeners = fresh[`${next}/bias`].length;
    const deaf = layers[l + 1] === undefined ? undefined : highest.get(next)!;
    for (let k = 0; k < heard.length; k++) {
      const from = Math.floor(k / listeners) % silent.length;
      if (silent[from] && (deaf === undefined || deaf[k % listeners] >= 1e-4)) heard[k] = 0;
    }
    fresh[`${next}/kernel`] = heard;
  }
  return fresh;
}

/** Residuals of the reconstructions, coarse, and the encoder's last features, an array each image; each unit's maximum. */
async function look(a: Architecture, weights: Weights, images: ImageSet, chosen: Uint32Array) {
  const p = Object.fromEntries(parameterShapes(a).map(({ name, shape }) => [name, tf.tensor(weights[name], shape)]));
  const residuals: Float32Array[] = [];
  const seen: Float32Array[] = [];
  const highest = new Map<string, Float32Array>();
  const note = (layer: string, output: tf.Tensor) => {
    const most = tf
      .max(
        output,
        Array.from({ length: output.rank - 1 }, (_, axis) => axis),
      )
      .dataSync() as Float32Array;
    const before = highest.get(layer);
    highest.set(
      layer,
      most.map((value, unit) => Math.max(value, before?.[unit] ?? 0)),
    );
  };
  const side = Math.min(coarse, a.side);
  for (let from = 0; from < chosen.length; from += 64) {
    const part = chosen.subarray(from, from + 64);
    const [residual, feature] = tf.tidy(() => {
      const x = imageTensor(images, part);
      const left = tf.sub(x, tf.sigmoid(decodeLogits(a, p, encode(a, p, x).mean)));
      return [coarsened(left, part.length, side), features(a, p, x, note)];
    });
    const [r, f] = [await residual.data(), await feature.data()];
    for (let i = 0; i < part.length; i++) {
      residuals.push(Float32Array.from(r.slice(i * side * side * 3, (i + 1) * side * side * 3)));
      seen.push(Float32Array.from(f.slice(i * a.hidden, (i + 1) * a.hidden)));
    }
    tf.dispose([residual, feature]);
  }
  tf.dispose(p);
  return { residuals, seen, highest };
}

export interface Component {
  /** Of unit length. */
  axis: Float64Array;
  /** Of the rows, less their mean, along the axis. */
  scores: Float64Array;
}

/** The rows' first `count` principal components, by power iteration with deflation of the rows. */
export function principalComponents(rows: readonly Float32Array[], count: number, draws: Random): Component[] {
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
    const length = Math.sqrt(dot(axis, axis)) || 1;
    axis = axis.map((value) => value / length);
    for (const [i, row] of left.entries()) for (let k = 0; k < width; k++) row[k] -= scores[i] * axis[k];
    return { axis, scores };
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
