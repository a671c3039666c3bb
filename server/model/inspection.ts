import { ConfigurationError } from "../failure.ts";
import type { Decoder } from "./decoder.ts";
import type { Outliers } from "./foreign/tensors.ts";
import type { FaceModel } from "./model-folder.ts";

export interface Inspection {
  /** What works and should be known, with its numbers. */
  warnings: string[];
  /**
   * How far each latent moves the picture over its typical range, the others at 0: largest change of a pixel, in levels of
   * 255.
   */
  reach: number[];
}

/** Less than this many levels of 255 at the pixel that changes most is no change that an eye or a neuron could see. */
const visibleLevels = 2;

/**
 * Looks a model over when it is loaded: one decode of a batch that moves each latent over its typical range.
 *
 * @throws ConfigurationError for a decoder that gives other pictures for the same latents, in a batch or alone
 */
export async function inspectModel(decoder: Decoder, { folder, card }: FaceModel): Promise<Inspection> {
  const { count, each } = card.latents;
  const codes = new Float32Array((2 * count + 1) * count);
  each.forEach(({ low, high }, i) => {
    codes[(1 + 2 * i) * count + i] = low;
    codes[(2 + 2 * i) * count + i] = high;
  });
  const faces = await decoder.decode(codes);
  const size = card.image.width * card.image.height * 4;
  const face = (i: number) => faces.subarray(i * size, (i + 1) * size);
  const warnings: string[] = [];

  const outliers: Outliers | undefined = "outliers" in decoder ? (decoder.outliers as () => Outliers)() : undefined;
  if (outliers && outliers.beyond > 0.001 && "pixelRange" in card.image) {
    const [black, white] = card.image.pixelRange;
    warnings.push(
      `the decoder gives ${outliers.lowest.toPrecision(3)} to ${outliers.highest.toPrecision(3)} where image.pixelRange is ${black} to ${white}: ` +
        `${(100 * outliers.beyond).toFixed(1)} % of values are clipped (logits? export it with its last sigmoid)`,
    );
  }

  // A decoder left in training mode, or one that samples, shows itself.
  const alone = await decoder.decode(codes.slice(0, count));
  const off = largestDifference(alone, face(0));
  if (off > 1)
    throw new ConfigurationError(
      `model ${folder}: expected the same picture for the same latents, found one that differs by ${off} of 255 when decoded alone or in a batch (exported in training mode, or with sampling?)`,
    );

  const reach = each.map((_, i) => largestDifference(face(1 + 2 * i), face(2 + 2 * i)));
  const ignored = each.filter((_, i) => reach[i] < visibleLevels);
  if (ignored.length === count)
    throw new ConfigurationError(
      `model ${folder}: expected latents that change the picture, found none of ${count} that does`,
    );
  if (ignored.length > 0) {
    const numbers = each.flatMap(({ name, low, high }, i) =>
      reach[i] < visibleLevels ? [`${name} moves no pixel by more than ${reach[i]} of 255 from ${low} to ${high}`] : [],
    );
    warnings.push(`the decoder ignores ${ignored.length} of ${count} latents: ${numbers.join("; ")}`);
  }
  return { warnings, reach };
}

function largestDifference(a: Uint8Array, b: Uint8Array): number {
  let most = 0;
  for (let i = 0; i < a.length; i++) most = Math.max(most, Math.abs(a[i] - b[i]));
  return most;
}
