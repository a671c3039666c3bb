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

/** Side of the decoder's smallest feature map. */
export const smallestSide = (a: Architecture) => a.side / (a.patch * 2 ** (a.decoder.length - 1));
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
