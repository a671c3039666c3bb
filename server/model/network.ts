import * as tf from "@tensorflow/tfjs-core";
import { type Architecture, smallestSide } from "./architecture.ts";

/** Parameters by name, as tensors of the backend in use. */
export type Parameters = Record<string, tf.Tensor>;

/** Slope of the leaky activation below 0. */
const leak = 0.1;

/**
 * Posterior of the latents given images: q(z|x) = N(mean, diag exp(logVariance)).
 * `images` [n, side, side, channels] in [0, 1]; both results [n, latents].
 */
export function encode(
  a: Architecture,
  p: Parameters,
  images: tf.Tensor4D,
): { mean: tf.Tensor2D; logVariance: tf.Tensor2D } {
  const x = features(a, p, images);
  const posterior = dense(p, "encoder/posterior", x);
  return {
    mean: tf.slice(posterior, [0, 0], [-1, a.latents]) as tf.Tensor2D,
    // Far outside these bounds exp overflows; no useful posterior lies there.
    logVariance: tf.clipByValue(tf.slice(posterior, [0, a.latents], [-1, a.latents]), -12, 6) as tf.Tensor2D,
  };
}

/**
 * What the encoder's last layer sees, [n, hidden]; `images` as for `encode`. `each` hears of every layer's output on the
 * way, [n, …, units], by the name of its parameters.
 */
export function features(
  a: Architecture,
  p: Parameters,
  images: tf.Tensor4D,
  each?: (layer: string, output: tf.Tensor) => void,
): tf.Tensor2D {
  let x: tf.Tensor = images;
  for (const i of a.encoder.keys()) {
    x = convolution(p, `encoder/conv${i}`, x, i === 0 ? a.patch : 2, a.activation);
    each?.(`encoder/conv${i}`, x);
  }
  x = dense(p, "encoder/hidden", tf.reshape(x, [images.shape[0], -1]), a.activation);
  each?.("encoder/hidden", x);
  return x as tf.Tensor2D;
}

/** Logits of the image's pixels, [n, side, side, channels], for `latents` [n, latents]; the image is their sigmoid. */
export function decodeLogits(a: Architecture, p: Parameters, latents: tf.Tensor2D): tf.Tensor4D {
  const side = smallestSide(a);
  let x: tf.Tensor = dense(p, "decoder/hidden", latents, a.activation);
  x = dense(p, "decoder/spread", x, a.activation);
  x = tf.reshape(x, [latents.shape[0], side, side, a.decoder[0]]);
  for (const i of a.decoder.keys()) {
    // The activation before the rearrangement gives the same numbers, and fuses with the convolution.
    const last = i === a.decoder.length - 1;
    const y = convolution(p, `decoder/conv${i}`, x, 1, last ? undefined : a.activation) as tf.Tensor4D;
    x = depthToSpace(y, last ? a.patch : 2);
  }
  return x as tf.Tensor4D;
}

type Activation = Architecture["activation"];

/** As the fused operations of TensorFlow.js name it. */
const fused = (activation: Activation | undefined) =>
  activation === undefined ? "linear" : activation === "relu" ? "relu" : "leakyrelu";

function dense(p: Parameters, name: string, x: tf.Tensor, activation?: Activation): tf.Tensor {
  const [b, bias] = [p[`${name}/kernel`], p[`${name}/bias`]];
  return tf.fused.matMul({ a: x, b, bias, activation: fused(activation), leakyreluAlpha: leak });
}

function convolution(p: Parameters, name: string, x: tf.Tensor, strides: number, activation?: Activation) {
  return tf.fused.conv2d({
    x: x as tf.Tensor4D,
    filter: p[`${name}/kernel`] as tf.Tensor4D,
    strides,
    pad: "same",
    bias: p[`${name}/bias`],
    activation: fused(activation),
    leakyreluAlpha: leak,
  });
}

/**
 * Depth to space with blocks of side b: [n, h, w, b²c] → [n, bh, bw, c], out[by + i][bx + j][c] = in[y][x][(b·i + j)·C + c].
 * Done as a transposition, since wasm's own kernel for it is 15 times slower; the gradient is the inverse transposition.
 */
export function depthToSpace(x: tf.Tensor4D, b: number): tf.Tensor4D {
  const [n, h, w, depth] = x.shape;
  const c = depth / b ** 2;
  return tf.customGrad((input) => {
    const blocks = tf.reshape(input as tf.Tensor, [n * h, w, b, b * c]);
    return {
      value: tf.reshape(tf.transpose(blocks, [0, 2, 1, 3]), [n, b * h, b * w, c]),
      gradFunc: (dy: tf.Tensor) => {
        const rows = tf.reshape(dy, [n * h, b, w, b * c]);
        return tf.reshape(tf.transpose(rows, [0, 2, 1, 3]), [n, h, w, depth]);
      },
    };
  })(x) as tf.Tensor4D;
}
