import * as tf from "@tensorflow/tfjs-core";
import { type Architecture, parameterShapes } from "../architecture.ts";
import type { Codes } from "../measures/udr.ts";
import type { LatentSummary } from "../model-folder.ts";
import { decodeLogits, encode } from "../network.ts";
import type { ImageSet } from "./images.ts";
import { imageTensor, type Weights } from "./trainer.ts";

export interface Evaluation {
  latents: Omit<LatentSummary, "name">[];
  /** The posterior's own variance, mean over images, of each latent. */
  noiseVariance: number[];
  /** Of reconstructions from the posterior's mean: 10 · log₁₀(1 / mean squared error over all pixels). */
  psnrDb: number;
  /** −log p(x|z) of Bernoulli pixels at the posterior's mean, nats per image. */
  nll: number;
  /** Posterior means, [images][latents]. */
  means: Float32Array[];
}

/** What a model says of the images, latent by latent. */
export const codesOf = ({ means, latents }: Evaluation): Codes => ({
  latents: latents.map((_, l) => Float64Array.from(means, (mean) => mean[l])),
  klNats: latents.map(({ klNats }) => klNats),
});

/** What a model does with images, on the current backend. */
export async function evaluate(
  a: Architecture,
  weights: Weights,
  images: ImageSet,
  chosen: Uint32Array,
): Promise<Evaluation> {
  const parameters = Object.fromEntries(
    parameterShapes(a).map(({ name, shape }) => [name, tf.tensor(weights[name], shape)]),
  );
  const means: Float32Array[] = [];
  const kl = new Float64Array(a.latents);
  let squares = 0;
  const noise = new Float64Array(a.latents);
  let nll = 0;
  for (let from = 0; from < chosen.length; from += 64) {
    const part = chosen.subarray(from, from + 64);
    const [mean, nats, error, cost, variance] = tf.tidy(() => {
      const x = imageTensor(images, part);
      const { mean, logVariance } = encode(a, parameters, x);
      const each = tf.mul(tf.sub(tf.sub(tf.add(tf.square(mean), tf.exp(logVariance)), 1), logVariance), 0.5);
      const logits = decodeLogits(a, parameters, mean);
      const error = tf.sum(tf.squaredDifference(tf.sigmoid(logits), x));
      const cost = tf.sum(tf.sub(tf.softplus(logits), tf.mul(x, logits)));
      return [mean, tf.sum(each, 0), error, cost, tf.sum(tf.exp(logVariance), 0)];
    });
    const values = await mean.data();
    for (let i = 0; i < part.length; i++)
      means.push(Float32Array.from(values.slice(i * a.latents, (i + 1) * a.latents)));
    for (const [i, value] of (await nats.data()).entries()) kl[i] += value / chosen.length;
    squares += (await error.data())[0];
    nll += (await cost.data())[0] / chosen.length;
    for (const [i, value] of (await variance.data()).entries()) noise[i] += value / chosen.length;
    tf.dispose([mean, nats, error, cost, variance]);
  }
  tf.dispose(parameters);
  const mse = squares / (chosen.length * images.side ** 2 * images.channels);
  return {
    latents: Array.from(kl, (klNats, i) => ({
      klNats: Math.max(0, klNats),
      ...summary(means.map((m) => m[i])),
    })),
    noiseVariance: Array.from(noise),
    psnrDb: -10 * Math.log10(mse),
    nll,
    means,
  };
}

function summary(values: number[]): { mean: number; sd: number; low: number; high: number } {
  const sorted = Float64Array.from(values).sort();
  const mean = sorted.reduce((sum, value) => sum + value, 0) / sorted.length;
  const variance = sorted.reduce((sum, value) => sum + (value - mean) ** 2, 0) / sorted.length;
  const point = (part: number) => sorted[Math.round(part * (sorted.length - 1))];
  return { mean, sd: Math.sqrt(variance), low: point(0.01), high: point(0.99) };
}

/** Latents in the order of their KL, the largest first: as models are saved. */
export const orderOfKl = ({ latents }: Evaluation): number[] =>
  latents.map((_, i) => i).sort((i, j) => latents[j].klNats - latents[i].klNats);

/** The same model with latents in another order: new latent i is old latent order[i]. */
export function reordered(a: Architecture, weights: Weights, order: readonly number[]): Weights {
  const columns = [...order, ...order.map((i) => i + a.latents)];
  const posterior = weights["encoder/posterior/kernel"];
  const width = 2 * a.latents;
  const kernel = posterior.map((_, k) => posterior[k - (k % width) + columns[k % width]]);
  const hidden = weights["decoder/hidden/kernel"];
  return {
    ...weights,
    "encoder/posterior/kernel": kernel,
    "encoder/posterior/bias": Float32Array.from(columns, (c) => weights["encoder/posterior/bias"][c]),
    "decoder/hidden/kernel": hidden.map((_, k) => hidden[order[Math.floor(k / a.hidden)] * a.hidden + (k % a.hidden)]),
  };
}
