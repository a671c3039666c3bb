import { join } from "node:path";
import { ConfigurationError } from "../../failure.ts";
import type { Decoder } from "../decoder.ts";
import type { ForeignCard, ForeignModel } from "./card.ts";
import { type OnnxProvider, openOnnx } from "./onnx.ts";
import {
  checkOutput,
  type ForeignNetwork,
  fromBytes,
  imageShape,
  type Outliers,
  toBytes,
  toOwnLatents,
  toStandardLatents,
} from "./tensors.ts";
import { openTfjs } from "./tfjs.ts";

/** A decoder that also says what it had to clip. */
export interface ForeignDecoder extends Decoder {
  /** Of the last decode. */
  outliers(): Outliers;
}

/**
 * Opens another program's model: with TensorFlow.js on the current backend, with onnxruntime on a provider of its own.
 *
 * @throws ConfigurationError for files that cannot be read, or networks of other shapes than the card says
 */
export async function openForeignDecoder(
  { folder, card }: ForeignModel,
  provider: OnnxProvider = "cpu",
): Promise<ForeignDecoder> {
  const { network, latents, image } = card;
  const open = (file: string) =>
    network.kind === "onnx" ? openOnnx(join(folder, file), provider) : openTfjs(join(folder, file), network.kind);
  const decoder = await open(network.decoder);
  const latentDims = decoderInput(card, decoder);
  const encoder = network.encoder === undefined ? undefined : await open(network.encoder);
  if (encoder) checkEncoderInput(card, encoder);
  let outliers: Outliers = { beyond: 0, lowest: 0, highest: 0 };
  return {
    outliers: () => outliers,
    async decode(codes) {
      const n = codes.length / latents.count;
      if (!Number.isInteger(n) || n === 0)
        throw new RangeError(`expected a multiple of ${latents.count} latents, got ${codes.length}`);
      if (!codes.every(Number.isFinite)) throw new RangeError("expected finite latents");
      const [output] = await decoder.run(toOwnLatents(card, codes), [n, ...latentDims]);
      checkOutput(network.decoder, output, imageShape(card, n));
      const picture = toBytes(card, output.values);
      outliers = picture.outliers;
      return picture.rgba;
    },
    ...(encoder && {
      async encode(faces: Uint8Array) {
        const size = image.width * image.height * 4;
        const n = faces.length / size;
        if (!Number.isInteger(n) || n === 0)
          throw new RangeError(`expected a multiple of ${size} bytes (RGBA), got ${faces.length}`);
        const [mean] = await encoder.run(fromBytes(card, faces), imageShape(card, n));
        checkOutput(network.encoder!, mean, [n, latents.count]);
        return { mean: toStandardLatents(card, mean.values) };
      },
    }),
    dispose() {
      decoder.dispose();
      encoder?.dispose();
    },
  };
}

/** The dimensions after the batch: [D], or D and ones, as decoders that begin with a convolution have it. */
function decoderInput({ network, latents }: ForeignCard, { inputShape }: ForeignNetwork): number[] {
  if (inputShape === null) return [latents.count];
  const [first, ...rest] = inputShape.length > 0 && inputShape[0] === 1 ? [...inputShape].reverse() : inputShape;
  const fits = (first === latents.count || first === null) && rest.every((size) => size === 1);
  if (!fits)
    throw new ConfigurationError(
      `${network.decoder}: expected input [n, ${latents.count}] (latents.count of card.json), found [n, ${inputShape.map((size) => size ?? "?").join(", ")}]`,
    );
  return inputShape.map((size) => size ?? latents.count);
}

function checkEncoderInput(card: ForeignCard, { inputShape }: ForeignNetwork): void {
  const expected = imageShape(card, 0).slice(1);
  if (
    inputShape === null ||
    (inputShape.length === 3 && inputShape.every((size, i) => size === null || size === expected[i]))
  )
    return;
  throw new ConfigurationError(
    `${card.network.encoder}: expected input [n, ${expected.join(", ")}] (image of card.json), found [n, ${inputShape.map((size) => size ?? "?").join(", ")}]`,
  );
}
