import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { ConfigurationError } from "../failure.ts";
import type { ModelFolder } from "./model-folder.ts";
import { probeFailure } from "./probe.ts";

const require = createRequire(import.meta.url);

/** In the order in which they are tried. */
export const backendNames = ["tfjs-node-gpu", "tfjs-node", "webgpu", "wasm", "cpu"] as const;
export type BackendName = (typeof backendNames)[number];

export interface BackendChoice {
  name: BackendName;
  version: string;
  /** The ones tried before it, and in a few words why each was not taken. */
  passedOver: { name: BackendName; reason: string }[];
}

/**
 * Makes the first backend that decodes the model's probe right the current one, or the `forced` one.
 * Throws ConfigurationError if the forced one cannot be used, saying why, or if none can.
 */
export async function chooseBackend({
  model,
  forced,
}: {
  model: ModelFolder;
  forced?: BackendName | undefined;
}): Promise<BackendChoice> {
  const passedOver: BackendChoice["passedOver"] = [];
  for (const name of forced === undefined ? backendNames : [forced]) {
    try {
      const version = await useBackend(name);
      const failure = await probeFailure(model);
      if (failure === undefined) return { name, version, passedOver };
      passedOver.push({ name, reason: failure });
    } catch (error) {
      passedOver.push({ name, reason: firstLine(error) });
    }
  }
  const reasons = passedOver.map(({ name, reason }) => `${name}: ${reason}`).join("; ");
  throw new ConfigurationError(
    forced === undefined ? `no TensorFlow backend works: ${reasons}` : `backend ${forced} cannot be used: ${reasons}`,
  );
}

/** Loads a backend and makes it the current one; gives its version. Throws, saying why, if it cannot be had. */
export async function useBackend(name: BackendName): Promise<string> {
  return loaders[name]();
}

/** Name of an installed backend, or ConfigurationError for a word that is none. */
export function backendName(text: string): BackendName {
  const name = backendNames.find((known) => known === text);
  if (name === undefined) throw new ConfigurationError(`backend: expected ${backendNames.join(", ")}, got "${text}"`);
  return name;
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

/** An optional peer dependency: not known to the compiler, not there on a plain install. */
async function optional<T>(name: string): Promise<T> {
  try {
    require.resolve(name);
  } catch {
    throw new Error("not installed");
  }
  return (await import(name)) as T;
}

const firstLine = (error: unknown) => (error instanceof Error ? error.message : String(error)).split("\n")[0];
