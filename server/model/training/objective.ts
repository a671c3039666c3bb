import * as tf from "@tensorflow/tfjs-core";
import { type Architecture, decodeLogits, encode, type Parameters } from "../network.ts";

/** The two parts of the evidence lower bound, in nats per image, to be minimised: nll + β · Σ kl. */
export interface Bound {
  /** −log p(x|z), summed over pixels and channels, mean over the batch; scalar. */
  nll: tf.Scalar;
  /** KL(q(z_i|x) ‖ N(0, 1)) of each latent, mean over the batch; [latents]. */
  kl: tf.Tensor1D;
}

/**
 * The bound of β-VAE (Higgins et al. 2017) with a Bernoulli likelihood, z = mean + sd · noise.
 * `images` [n, side, side, 3] in [0, 1]; `noise` [n, latents], standard normal (or zeros for the posterior's mean).
 * From logits l: −log p = Σ softplus(l) − x·l.
 */
export function bound(a: Architecture, p: Parameters, images: tf.Tensor4D, noise: tf.Tensor2D): Bound {
  const n = images.shape[0];
  const { mean, logVariance } = encode(a, p, images);
  const latents = tf.add(mean, tf.mul(tf.exp(tf.mul(logVariance, 0.5)), noise)) as tf.Tensor2D;
  const logits = decodeLogits(a, p, latents);
  const nll = tf.div(tf.sum(tf.sub(tf.softplus(logits), tf.mul(images, logits))), n) as tf.Scalar;
  // ½ (mean² + variance − 1 − log variance)
  const each = tf.sub(tf.sub(tf.add(tf.square(mean), tf.exp(logVariance)), 1), logVariance);
  const kl = tf.mul(tf.mean(each, 0), 0.5) as tf.Tensor1D;
  return { nll, kl };
}
