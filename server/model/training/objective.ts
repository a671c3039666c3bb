import * as tf from "@tensorflow/tfjs-core";
import type { Architecture } from "../architecture.ts";
import { decodeLogits, encode, type Parameters } from "../network.ts";

/** How pixels x are distributed about the decoder's picture p = sigmoid(logits). */
export type Likelihood =
  /** log p(x|z) = Σ x·log p + (1 − x)·log(1 − p). */
  | { kind: "bernoulli" }
  /** log p(x|z) = −Σ (x − p)² / (2·sd²), up to a constant. */
  | { kind: "gaussian"; sd: number };

/** What a batch costs, in nats per image. */
export interface Bound {
  /** −log p(x|z), summed over pixels and channels, mean over the batch; scalar. */
  nll: tf.Scalar;
  /** KL(q(z_i|x) ‖ N(0, 1)) of each latent, mean over the batch; [latents]. */
  kl: tf.Tensor1D;
  /** Total correlation of the aggregate posterior, KL(q(z) ‖ Π q(z_i)), estimated; scalar, undefined if not asked for. */
  tc: tf.Scalar | undefined;
}

/**
 * The parts of the objectives of β-VAE (Higgins et al. 2017) and β-TCVAE (Chen et al. 2018), z = mean + sd · noise.
 * `images` [n, side, side, channels] in [0, 1]; `noise` [n, latents], standard normal (or zeros for the posterior's mean).
 * `population`: number of training images, if the total correlation is wanted.
 */
export function bound(
  a: Architecture,
  p: Parameters,
  images: tf.Tensor4D,
  noise: tf.Tensor2D,
  likelihood: Likelihood = { kind: "bernoulli" },
  population?: number,
): Bound {
  const n = images.shape[0];
  const { mean, logVariance } = encode(a, p, images);
  const latents = tf.add(mean, tf.mul(tf.exp(tf.mul(logVariance, 0.5)), noise)) as tf.Tensor2D;
  const logits = decodeLogits(a, p, latents);
  const cost =
    likelihood.kind === "bernoulli"
      ? // From logits l: −log p = Σ softplus(l) − x·l.
        tf.sub(tf.softplus(logits), tf.mul(images, logits))
      : tf.mul(tf.square(tf.sub(images, tf.sigmoid(logits))), 0.5 / likelihood.sd ** 2);
  const nll = tf.div(tf.sum(cost), n) as tf.Scalar;
  // ½ (mean² + variance − 1 − log variance)
  const each = tf.sub(tf.sub(tf.add(tf.square(mean), tf.exp(logVariance)), 1), logVariance);
  const kl = tf.mul(tf.mean(each, 0), 0.5) as tf.Tensor1D;
  const tc = population === undefined ? undefined : totalCorrelation(latents, mean, logVariance, population);
  return { nll, kl, tc };
}

/**
 * KL(q(z) ‖ Π_i q(z_i)) of a batch by minibatch-weighted sampling (Chen et al. 2018, equation S6): with n samples z_k and
 * posteriors q(z|x_m) of the same batch, log q(z_k) ≈ log Σ_m q(z_k|x_m) − log(n · population), and alike for each latent.
 * `latents`, `mean`, `logVariance` [n, latents]; scalar, nats.
 */
export function totalCorrelation(
  latents: tf.Tensor2D,
  mean: tf.Tensor2D,
  logVariance: tf.Tensor2D,
  population: number,
): tf.Scalar {
  const [n, d] = latents.shape;
  const z = tf.reshape(latents, [n, 1, d]);
  const spread = tf.reshape(logVariance, [1, n, d]);
  const distance = tf.div(tf.square(tf.sub(z, tf.reshape(mean, [1, n, d]))), tf.exp(spread));
  // log q(z_k,i | x_m) as [k, m, i]
  const density = tf.mul(tf.add(tf.add(distance, spread), Math.log(2 * Math.PI)), -0.5);
  const joint = tf.mean(logSumExp(tf.sum(density, 2), 1));
  const product = tf.sum(tf.mean(logSumExp(density, 1), 0));
  const log = Math.log(n * population);
  return tf.add(tf.sub(joint, product), (d - 1) * log) as tf.Scalar;
}

/** log Σ exp(x) along an axis, with its gradient, a softmax. */
function logSumExp(x: tf.Tensor, axis: number): tf.Tensor {
  return tf.customGrad((input, save) => {
    const value = tf.logSumExp(input as tf.Tensor, axis);
    (save as tf.GradSaveFunc)([input as tf.Tensor, value]);
    const gradFunc = (dy: tf.Tensor, [of, sum]: tf.Tensor[]) =>
      tf.mul(tf.expandDims(dy, axis), tf.exp(tf.sub(of, tf.expandDims(sum, axis))));
    return { value, gradFunc };
  })(x);
}
