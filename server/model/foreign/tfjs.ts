import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { ConfigurationError } from "../../failure.ts";
import { isInside } from "./inside.ts";
import type { ForeignNetwork } from "./tensors.ts";

/** A TensorFlow.js layers or graph model on the current backend, from its model.json and the weight files beside it. */
export async function openTfjs(file: string, kind: "tfjs-layers" | "tfjs-graph"): Promise<ForeignNetwork> {
  const artifacts = await readArtifacts(file);
  const expectedFormat = kind === "tfjs-layers" ? "layers-model" : "graph-model";
  if (artifacts.format !== undefined && artifacts.format !== expectedFormat)
    throw new ConfigurationError(`${file}: expected a ${expectedFormat}, found a ${artifacts.format}`);
  const handler = tf.io.fromMemory(artifacts);
  const model = await (kind === "tfjs-layers" ? openLayers(handler) : openGraph(handler)).catch((error: Error) => {
    throw new ConfigurationError(`${file}: expected a TensorFlow.js model, ${error.message.split("\n")[0]}`);
  });
  if (model.inputs.length !== 1)
    throw new ConfigurationError(`${file}: expected one input, found ${model.inputs.length}`);
  const { shape } = model.inputs[0];
  const batch = shape?.[0];
  if (batch !== undefined && batch !== null && batch > 0)
    throw new ConfigurationError(`${file}: expected a batch of any size, found one of ${batch}`);
  return {
    inputShape: shape ? shape.slice(1).map((size) => (size !== null && size > 0 ? size : null)) : null,
    async run(values, dims) {
      const outputs = tf.tidy(() => [model.predict(tf.tensor(values, dims))].flat());
      const results = await Promise.all(
        outputs.map(async (output) => ({ shape: output.shape, values: await output.data() })),
      );
      tf.dispose(outputs);
      return results;
    },
    dispose: () => void model.dispose(),
  };
}

interface LoadedModel {
  inputs: readonly { shape?: readonly (number | null)[] | undefined }[];
  predict(x: tf.Tensor): tf.Tensor | tf.Tensor[];
  dispose(): unknown;
}

async function openLayers(handler: tf.io.IOHandler): Promise<LoadedModel> {
  const { loadLayersModel } = await import("@tensorflow/tfjs-layers");
  return (await loadLayersModel(handler)) as LoadedModel;
}

async function openGraph(handler: tf.io.IOHandler): Promise<LoadedModel> {
  const { loadGraphModel } = await import("@tensorflow/tfjs-converter");
  const model = await loadGraphModel(handler);
  return {
    inputs: model.inputs,
    predict: (x) => model.predict(x) as tf.Tensor | tf.Tensor[],
    dispose: () => model.dispose(),
  };
}

async function readArtifacts(file: string): Promise<tf.io.ModelArtifacts> {
  const json = JSON.parse(
    await readFile(file, "utf8").catch(() => {
      throw new ConfigurationError(`${file}: expected a readable model.json, found none`);
    }),
  ) as tf.io.ModelJSON;
  return tf.io.getModelArtifactsForJSON(json, async (manifest) => {
    const files = manifest.flatMap(({ paths }) => paths);
    const outside = files.find((path) => !isInside(dirname(file), path));
    if (outside !== undefined)
      throw new ConfigurationError(`${file}: expected its weights in files beside it, found ${outside}`);
    const parts = await Promise.all(
      files.map((path) =>
        readFile(join(dirname(file), path)).catch(() => {
          throw new ConfigurationError(`${file}: expected its weights in ${path}, found none`);
        }),
      ),
    );
    const weights = Buffer.concat(parts);
    const specs = manifest.flatMap((group) => group.weights);
    return [specs, weights.buffer.slice(weights.byteOffset, weights.byteOffset + weights.byteLength) as ArrayBuffer];
  });
}
