import * as tf from "@tensorflow/tfjs-core";
import { z } from "zod";

/**
 * A convolutional variational autoencoder. Encoder: 4×4 convolutions, the first of stride 2 or 4, the others of stride 2,
 * then dense layers to the posterior's mean and log variance. Decoder: sub-pixel convolutions (Shi et al. 2016): a 3×3 convolution to
 * 4·C channels and depth to space, each doubling the side, which a CPU does several times faster than transposed
 * convolution; the last one gives the image's logits, in blocks of 2 or 4 pixels a side.
 */
export const architectureSchema = z.strictObject({
  kind: z.literal("sub-pixel-vae/1"),
  latents: z.int().min(1).max(512),
  /** Width and height of the image in pixels. */
  side: z.int().min(8).max(512),
  channels: z.union([z.literal(1), z.literal(3)]),
  /** Output channels of each encoder convolution. */
  encoder: z.array(z.int().positive()).min(1),
  /** Width of the dense layers beside the latents. */
  hidden: z.int().positive(),
  /** Channels of the decoder's smallest feature map, then after each doubling; the last gives the image. */
  decoder: z.array(z.int().positive()).min(1),
  /** Pixels that the encoder's first convolution steps by, and side of the blocks of pixels that the decoder's last gives. */
  patch: z.union([z.literal(2), z.literal(4)]).default(2),
  /** Of every hidden layer; leaky has slope 0.1 below 0, which keeps units alive where a high β silences plain ReLU. */
  activation: z.enum(["relu", "leaky-relu"]).default("relu"),
});

export type Architecture = z.infer<typeof architectureSchema>;

/** Parameters by name, as tensors of the backend in use. */
export type Parameters = Record<string, tf.Tensor>;

/** A network for square images of side 16 or more; quick on a CPU: no feature map is wider than a quarter of the image. */
export function defaultArchitecture(side: number, latents: number, channels: 1 | 3 = 3): Architecture {
  const halvings = Math.log2(side / 16);
  return {
    kind: "sub-pixel-vae/1",
    latents,
    side,
    channels,
    encoder: [32, ...Array.from({ length: halvings }, (_, i) => [32, 48][i] ?? 64)],
    hidden: 256,
    decoder: [64, 32, 24, 24, 24, 24].slice(0, halvings + 1),
    patch: 4,
    activation: "leaky-relu",
  };
}

/** Slope of the leaky activation below 0. */
const leak = 0.1;

const smallestSide = (a: Architecture) => a.side / (a.patch * 2 ** (a.decoder.length - 1));
const encodedSide = (a: Architecture) => a.side / (a.patch * 2 ** (a.encoder.length - 1));

/** Name and shape of every parameter, in the order they are stored. */
export function parameterShapes(a: Architecture): { name: string; shape: number[] }[] {
  const shapes: { name: string; shape: number[] }[] = [];
  const layer = (name: string, shape: number[]) => {
    shapes.push({ name: `${name}/kernel`, shape }, { name: `${name}/bias`, shape: [shape[shape.length - 1]] });
  };
  let width: number = a.channels;
  for (const [i, channels] of a.encoder.entries()) {
    layer(`encoder/conv${i}`, [4, 4, width, channels]);
    width = channels;
  }
  layer("encoder/hidden", [encodedSide(a) ** 2 * width, a.hidden]);
  layer("encoder/posterior", [a.hidden, 2 * a.latents]);
  layer("decoder/hidden", [a.latents, a.hidden]);
  layer("decoder/spread", [a.hidden, smallestSide(a) ** 2 * a.decoder[0]]);
  for (const [i, channels] of a.decoder.entries()) {
    const last = i === a.decoder.length - 1;
    layer(`decoder/conv${i}`, [3, 3, channels, last ? a.patch ** 2 * a.channels : 4 * a.decoder[i + 1]]);
  }
  return shapes;
}

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
