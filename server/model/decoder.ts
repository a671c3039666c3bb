import * as tf from "@tensorflow/tfjs-core";
import { parameterShapes } from "./architecture.ts";
import { openForeignDecoder } from "./foreign/decoder.ts";
import type { OnnxProvider } from "./foreign/onnx.ts";
import { luma } from "./luma.ts";
import type { FaceModel, ModelFolder } from "./model-folder.ts";
import { decodeLogits, encode, type Parameters } from "./network.ts";

/** A model on the backend that was in use when it was made. For one backend, the same latents give the same bytes. */
export interface Decoder {
  /** Faces, RGBA bytes [n][height][width][4], of `latents` [n][D]. Throws RangeError for a broken length or number. */
  decode(latents: Float32Array): Promise<Uint8Array>;
  /**
   * Posterior's mean, [n][D], of `faces`, RGBA bytes as `decode` gives (alpha ignored), and its standard deviation where it
   * is known; not there for a model without an encoder.
   */
  encode?(faces: Uint8Array): Promise<{ mean: Float32Array; sd?: Float32Array }>;
  /** Frees the weights on the backend. */
  dispose(): void;
}

/** The decoder of a model that was trained here, which always has its encoder. */
export interface OwnDecoder extends Decoder {
  encode(faces: Uint8Array): Promise<{ mean: Float32Array; sd: Float32Array }>;
}

/** Opens any model; those of TensorFlow on the current backend (see `chooseBackend`). */
export async function openDecoder(model: FaceModel, provider?: OnnxProvider): Promise<Decoder> {
  return "weights" in model ? createDecoder(model) : openForeignDecoder(model, provider);
}

/** Puts the model's weights on the current backend (see `chooseBackend`). */
export function createDecoder({ card, weights }: ModelFolder): OwnDecoder {
  const { architecture } = card;
  const { width, height } = card.image;
  const dimensions = architecture.latents;
  const { channels } = architecture;
  const pixels = width * height;
  const parameters: Parameters = {};
  for (const { name, shape } of parameterShapes(architecture)) parameters[name] = tf.tensor(weights[name], shape);
  return {
    async decode(latents) {
      const n = latents.length / dimensions;
      if (!Number.isInteger(n) || n === 0) {
        throw new RangeError(`expected a multiple of ${dimensions} latents, got ${latents.length}`);
      }
      if (!latents.every(Number.isFinite)) throw new RangeError("expected finite latents");
      const bytes = tf.tidy(() => {
        const z = tf.tensor2d(latents, [n, dimensions]);
        return tf.round(tf.mul(tf.sigmoid(decodeLogits(architecture, parameters, z)), 255));
      });
      const values = await bytes.data();
      bytes.dispose();
      const rgba = new Uint8Array(n * pixels * 4);
      for (let pixel = 0; pixel < n * pixels; pixel++) {
        for (let c = 0; c < 3; c++) rgba[pixel * 4 + c] = values[channels === 3 ? pixel * 3 + c : pixel];
        rgba[pixel * 4 + 3] = 255;
      }
      return rgba;
    },
    async encode(faces) {
      const n = faces.length / (pixels * 4);
      if (!Number.isInteger(n) || n === 0) {
        throw new RangeError(
          `expected a multiple of ${pixels * 4} bytes (RGBA, ${width} × ${height}), got ${faces.length}`,
        );
      }
      const values = new Float32Array(n * pixels * channels);
      for (let pixel = 0; pixel < n * pixels; pixel++) {
        if (channels === 3) for (let c = 0; c < 3; c++) values[pixel * 3 + c] = faces[pixel * 4 + c] / 255;
        else values[pixel] = luma(faces[pixel * 4], faces[pixel * 4 + 1], faces[pixel * 4 + 2]) / 255;
      }
      const [mean, sd] = tf.tidy(() => {
        const posterior = encode(architecture, parameters, tf.tensor4d(values, [n, height, width, channels]));
        return [posterior.mean, tf.exp(tf.mul(posterior.logVariance, 0.5))];
      });
      const result = { mean: Float32Array.from(await mean.data()), sd: Float32Array.from(await sd.data()) };
      tf.dispose([mean, sd]);
      return result;
    },
    dispose: () => tf.dispose(parameters),
  };
}
