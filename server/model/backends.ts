import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { ConfigurationError } from "../failure.ts";
import { type BackendName, backendNames } from "./backend-name.ts";
import { type Decoder, openDecoder } from "./decoder.ts";
import { type OnnxProvider, onnxRuntime, requireCudaProvider } from "./foreign/onnx.ts";
import type { FaceModel, ModelCard } from "./model-folder.ts";
import { optional } from "./optional.ts";
import { probeFailure, takeProbe } from "./probe.ts";

const require = createRequire(import.meta.url);

/** What decodes: a backend of TensorFlow.js, or onnxruntime for ONNX models, on a GPU or on the processor. */
export type RuntimeName = BackendName | "onnxruntime-cuda" | "onnxruntime";

export interface BackendChoice {
  name: RuntimeName;
  version: string;
  /** The ones tried before it, and in a few words why each was not taken. */
  passedOver: { name: RuntimeName; reason: string }[];
}

export interface OpenModel {
  decoder: Decoder;
  backend: BackendChoice;
}

/**
 * Opens a model on the first backend that decodes its probe right, or on the `forced` one, which becomes the current one. A
 * model of another program without a probe is compared with what the plain `cpu` backend makes of it.
 *
 * @throws ConfigurationError if the forced one cannot be used, saying why, or if none can
 */
export async function openModel(model: FaceModel, forced?: BackendName | undefined): Promise<OpenModel> {
  const ways = waysToRun(model, forced);
  const probe = await referenceProbe(model);
  const passedOver: BackendChoice["passedOver"] = [];
  for (const { name, start, provider } of ways) {
    let decoder: Decoder | undefined;
    try {
      const version = await start();
      decoder = await openDecoder(model, provider);
      const failure = probe && (await probeFailure(decoder, model.card.image, probe));
      if (failure === undefined) return { decoder, backend: { name, version, passedOver } };
      passedOver.push({ name, reason: failure });
    } catch (error) {
      // What is wrong with the model itself is wrong on every backend.
      if (error instanceof ConfigurationError && name !== "onnxruntime-cuda") throw error;
      passedOver.push({ name, reason: firstLine(error) });
    }
    decoder?.dispose();
  }
  const reasons = passedOver.map(({ name, reason }) => `${name}: ${reason}`).join("; ");
  throw new ConfigurationError(
    forced === undefined ? `no backend can run the model: ${reasons}` : `backend ${forced} cannot be used: ${reasons}`,
  );
}

/** Makes the best backend for a model the current one: `openModel` without the decoder. */
export async function chooseBackend({
  model,
  forced,
}: {
  model: FaceModel;
  forced?: BackendName | undefined;
}): Promise<BackendChoice> {
  const { decoder, backend } = await openModel(model, forced);
  decoder.dispose();
  return backend;
}

interface Way {
  name: RuntimeName;
  provider?: OnnxProvider;
  /** Gives the version. */
  start(): Promise<string>;
}

function waysToRun({ card }: FaceModel, forced: BackendName | undefined): Way[] {
  if (!("network" in card && card.network.kind === "onnx"))
    return (forced === undefined ? backendNames : [forced]).map((name) => ({ name, start: () => useBackend(name) }));
  if (forced !== undefined)
    throw new ConfigurationError(
      `backend ${forced} cannot be used: model ${card.name} is ONNX, which onnxruntime runs`,
    );
  return (["cuda", "cpu"] as const).map((provider) => ({
    name: provider === "cuda" ? "onnxruntime-cuda" : "onnxruntime",
    provider,
    async start() {
      const { version } = await onnxRuntime();
      if (provider === "cuda") requireCudaProvider();
      return version;
    },
  }));
}

async function referenceProbe(model: FaceModel): Promise<ModelCard["probe"] | undefined> {
  const { card } = model;
  if (card.probe !== undefined || !("network" in card) || card.network.kind === "onnx") return card.probe;
  await useBackend("cpu");
  const decoder = await openDecoder(model);
  try {
    return await takeProbe(decoder, card);
  } finally {
    decoder.dispose();
  }
}

/** Loads a backend and makes it the current one; gives its version. Throws, saying why, if it cannot be had. */
export async function useBackend(name: BackendName): Promise<string> {
  return loaders[name]();
}

const loaders: Record<BackendName, () => Promise<string>> = {
  async "tfjs-node-gpu"() {
    const version = await native("@tensorflow/tfjs-node-gpu");
    if ((tf.backend() as { isUsingGpuDevice?: boolean }).isUsingGpuDevice !== true) throw new Error("finds no GPU");
    return version;
  },
  "tfjs-node": () => native("@tensorflow/tfjs-node"),
  async webgpu() {
    const dawn = await optional<{ create(options: string[]): GpuEntry; globals: object }>("webgpu");
    Object.assign(globalThis, dawn.globals);
    const gpu = dawn.create([]);
    const adapter = await gpu.requestAdapter();
    if (adapter === null) throw new Error("finds no adapter");
    if (adapter.info?.isFallbackAdapter !== false) throw new Error("finds only a software adapter");
    Object.defineProperty(globalThis, "navigator", { value: { gpu }, configurable: true, writable: true });
    const backend = await optional<{ version_webgpu?: string }>("@tensorflow/tfjs-backend-webgpu");
    await setBackend("webgpu");
    return backend.version_webgpu ?? "unknown";
  },
  async wasm() {
    const wasm = await import("@tensorflow/tfjs-backend-wasm");
    if (!wasmPathsSet) {
      // Resolved here, for a worker's or a bundle's own folder may not be the package's.
      wasm.setWasmPaths(join(dirname(require.resolve("@tensorflow/tfjs-backend-wasm")), "/"));
      wasmPathsSet = true;
    }
    await setBackend("wasm");
    return wasm.version_wasm;
  },
  async cpu() {
    const cpu = await import("@tensorflow/tfjs-backend-cpu");
    await setBackend("cpu");
    return cpu.version_cpu;
  },
};

let wasmPathsSet = false;

interface GpuEntry {
  requestAdapter(): Promise<{ info?: { isFallbackAdapter?: boolean } } | null>;
}

/** tfjs-node and tfjs-node-gpu both register themselves as "tensorflow". */
async function native(name: string): Promise<string> {
  // oneDNN's convolutions, which TensorFlow leaves off on some processors, train 1.4 to 1.7 times faster.
  process.env.TF_ENABLE_ONEDNN_OPTS ??= "1";
  const module = await optional<{ version: Record<string, string>; default?: { version: Record<string, string> } }>(
    name,
  );
  await setBackend("tensorflow");
  return (module.version ?? module.default?.version)?.["tfjs-node"] ?? "unknown";
}

async function setBackend(registered: string): Promise<void> {
  // Quietens tfjs, which otherwise advertises its native package on the console.
  tf.enableProdMode();
  if (!(await tf.setBackend(registered))) throw new Error("does not start");
  await tf.ready();
}

const firstLine = (error: unknown) => (error instanceof Error ? error.message : String(error)).split("\n")[0];
