import { ConfigurationError } from "../../failure.ts";
import { luma } from "../luma.ts";
import type { ForeignCard } from "./card.ts";

/** Numbers of any kind that a library hands out. */
export type Numbers = ArrayLike<number>;

/** A network of another program: a batch of rows in, arrays of the same number of rows out. */
export interface ForeignNetwork {
  /** @param input row-major; `shape` as the network wants it, the batch first */
  run(input: Float32Array, shape: number[]): Promise<{ shape: number[]; values: Numbers }[]>;
  /** Shape of the input as the file has it, without the batch; null where the file does not say. */
  inputShape: (number | null)[] | null;
  dispose(): void;
}

/** The model's own latents for standard normal ones, [n][D]. */
export function toOwnLatents({ latents }: ForeignCard, standard: Float32Array): Float32Array {
  const { each, count } = latents;
  return standard.map((z, k) => each[k % count].prior.mean + each[k % count].prior.sd * z);
}

/** Standard normal latents for the model's own, [n][D]. */
export function toStandardLatents({ latents }: ForeignCard, own: Numbers): Float32Array {
  const { each, count } = latents;
  return Float32Array.from(own, (z, k) => (z - each[k % count].prior.mean) / each[k % count].prior.sd);
}

/** The shape of n images in the networks' order of dimensions. */
export function imageShape({ image }: ForeignCard, n: number): number[] {
  const { width, height, channels, layout } = image;
  return layout === "nchw" ? [n, channels, height, width] : [n, height, width, channels];
}

/** Shares of values that no picture can show; a decoder trained on logits shows itself here. */
export interface Outliers {
  /** Values beyond black or white by more than a hundredth of the range. */
  beyond: number;
  lowest: number;
  highest: number;
}

/** Network output to RGBA bytes [n][height][width][4], clipped to black and white, and what had to be clipped. */
export function toBytes(card: ForeignCard, values: Numbers): { rgba: Uint8Array; outliers: Outliers } {
  const { width, height, channels, layout, pixelRange } = card.image;
  const [black, white] = pixelRange;
  const pixels = width * height;
  const n = values.length / (pixels * channels);
  const rgba = new Uint8Array(n * pixels * 4);
  const outliers = { beyond: 0, lowest: Number.POSITIVE_INFINITY, highest: Number.NEGATIVE_INFINITY };
  for (let i = 0; i < n; i++)
    for (let p = 0; p < pixels; p++) {
      const to = (i * pixels + p) * 4;
      for (let c = 0; c < 3; c++) {
        const channel = channels === 1 ? 0 : c;
        const value =
          values[layout === "nchw" ? (i * channels + channel) * pixels + p : (i * pixels + p) * channels + channel];
        const level = (value - black) / (white - black);
        if (level < -0.01 || level > 1.01) outliers.beyond += 1 / 3;
        if (value < outliers.lowest) outliers.lowest = value;
        if (value > outliers.highest) outliers.highest = value;
        rgba[to + c] = Math.round(255 * Math.min(1, Math.max(0, level)));
      }
      rgba[to + 3] = 255;
    }
  outliers.beyond /= n * pixels;
  return { rgba, outliers };
}

/** RGBA bytes to what the encoder reads; grey is Rec. 601 luma. */
export function fromBytes(card: ForeignCard, rgba: Uint8Array): Float32Array {
  const { width, height, channels, layout, pixelRange } = card.image;
  const [black, white] = pixelRange;
  const pixels = width * height;
  const n = rgba.length / (pixels * 4);
  const values = new Float32Array(n * pixels * channels);
  for (let i = 0; i < n; i++)
    for (let p = 0; p < pixels; p++) {
      const from = (i * pixels + p) * 4;
      for (let c = 0; c < channels; c++) {
        const level = channels === 1 ? luma(rgba[from], rgba[from + 1], rgba[from + 2]) : rgba[from + c];
        values[layout === "nchw" ? (i * channels + c) * pixels + p : (i * pixels + p) * channels + c] =
          black + (level / 255) * (white - black);
      }
    }
  return values;
}

/** @throws ConfigurationError for an output of another shape, or one with a number that is not finite */
export function checkOutput(what: string, found: { shape: number[]; values: Numbers }, expected: number[]): void {
  if (found.shape.join() !== expected.join())
    throw new ConfigurationError(
      `${what}: expected output [${expected.join(", ")}], found [${found.shape.join(", ")}]`,
    );
  let bad = 0;
  for (let i = 0; i < found.values.length; i++) if (!Number.isFinite(found.values[i])) bad++;
  if (bad > 0)
    throw new ConfigurationError(
      `${what}: expected finite numbers, found ${bad} of ${found.values.length} that are not`,
    );
}
