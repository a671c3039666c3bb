import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { ConfigurationError } from "../../failure.ts";
import { optional } from "../optional.ts";
import type { ForeignNetwork, Numbers } from "./tensors.ts";

const require = createRequire(import.meta.url);

/** What is used of onnxruntime-node, an optional peer. */
interface Ort {
  InferenceSession: { create(file: string, options: { executionProviders: string[] }): Promise<Session> };
  Tensor: new (type: "float32", data: Float32Array, dims: number[]) => OrtTensor;
  env: { versions?: { node?: string; common?: string } };
}
interface OrtTensor {
  type: string;
  data: Numbers;
  dims: readonly number[];
}
interface Session {
  inputNames: readonly string[];
  outputNames: readonly string[];
  inputMetadata: readonly { isTensor: boolean; type?: string; shape?: readonly (number | string)[] }[];
  run(feeds: Record<string, OrtTensor>): Promise<Record<string, OrtTensor>>;
  release(): Promise<void>;
}

/** @throws ConfigurationError where onnxruntime-node is not installed */
export async function onnxRuntime(): Promise<{ ort: Ort; version: string }> {
  const module = await optional<Ort & { default?: Ort }>("onnxruntime-node").catch((error: Error) => {
    throw new ConfigurationError(
      `an ONNX model needs onnxruntime-node: ${error.message}; npm install --no-save onnxruntime-node@1.30.0`,
    );
  });
  const ort = module.InferenceSession ? module : (module.default as Ort);
  return { ort, version: ort.env.versions?.node ?? ort.env.versions?.common ?? "unknown" };
}

/** The providers tried, best first: CUDA where onnxruntime was installed with it, else the CPU. */
export type OnnxProvider = "cuda" | "cpu";

/** Throws where onnxruntime came without its CUDA part; asking it would tell the terminal instead. */
export function requireCudaProvider(): void {
  const installed = dirname(require.resolve("onnxruntime-node/package.json"));
  const folder = join(installed, "bin", "napi-v6", process.platform, process.arch);
  if (!existsSync(join(folder, "libonnxruntime_providers_cuda.so")))
    throw new Error("onnxruntime-node was installed without its CUDA provider");
}

/** @throws ConfigurationError for a file that onnxruntime cannot read, or with another number of inputs than one */
export async function openOnnx(file: string, provider: OnnxProvider): Promise<ForeignNetwork> {
  const { ort } = await onnxRuntime();
  const session = await ort.InferenceSession.create(file, { executionProviders: [provider] }).catch((error: Error) => {
    throw new ConfigurationError(`${file}: expected an ONNX model, ${error.message.split("\n")[0]}`);
  });
  const [input, ...more] = session.inputNames;
  if (more.length > 0)
    throw new ConfigurationError(`${file}: expected one input, found ${session.inputNames.join(", ")}`);
  const { type, shape } = session.inputMetadata[0];
  if (type !== undefined && type !== "float32")
    throw new ConfigurationError(`${file}: input ${input}: expected float32, found ${type}`);
  const batch = shape?.[0];
  if (typeof batch === "number" && batch > 0)
    throw new ConfigurationError(
      `${file}: input ${input}: expected a batch of any size, found one of ${batch}; export it with a dynamic first dimension`,
    );
  return {
    inputShape: shape ? shape.slice(1).map((size) => (typeof size === "number" && size > 0 ? size : null)) : null,
    async run(values, dims) {
      const results = await session.run({ [input]: new ort.Tensor("float32", values, dims) });
      return session.outputNames.map((name) => ({ shape: [...results[name].dims], values: results[name].data }));
    },
    dispose: () => void session.release(),
  };
}
