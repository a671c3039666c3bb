import { fork } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { compiledModule } from "../../package-root.ts";
import { type BackendName, backendNames } from "../backend-name.ts";
import { onnxRuntime, requireCudaProvider } from "../foreign/onnx.ts";
import { installLine } from "../native/extras.ts";
import type { Finding } from "./measure-main.ts";

export interface Diagnosis {
  backends: { name: BackendName; finding: Finding }[];
  /** What runs ONNX models: its version, and what keeps it from a GPU; or why it is not there. */
  onnxruntime: { works: true; version: string; cuda: string | null } | { works: false; reason: string };
  /** The backend that decodes in a session: the first in order that works and agrees. */
  chosen: BackendName | null;
  advice: string[];
}

/** A face may differ in the last bit of a byte. */
export const pixelTolerance = 1;
/** Loss and gradients in single precision, summed in another order. */
export const trainingTolerance = 1e-5;

export const agrees = ({ pixelsOff }: { pixelsOff: number }): boolean => pixelsOff <= pixelTolerance;

/** Tries everything that could decode here, each in a process of its own. */
export async function diagnose(told: (name: BackendName, finding: Finding) => void): Promise<Diagnosis> {
  const backends: Diagnosis["backends"] = [];
  for (const name of backendNames) {
    const finding = await measureApart(name, "cpu");
    backends.push({ name, finding });
    told(name, finding);
  }
  const chosen = backends.find(({ finding }) => finding.works && agrees(finding.measured))?.name ?? null;
  const onnxruntime = await onnxDiagnosis();
  return { backends, onnxruntime, chosen, advice: adviceFor(backends, onnxruntime, hasNvidia()) };
}

/** Measures a backend in a child process; one that crashes there is told as a reason. */
export function measureApart(name: BackendName, reference: BackendName): Promise<Finding> {
  return new Promise((resolve) => {
    const child = fork(fileURLToPath(compiledModule("server/model/doctor/measure-main.js")), [name, reference], {
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
    child.once("message", (finding) => resolve(finding as Finding));
    child.once("exit", (code, signal) => resolve({ works: false, reason: `crashed (${signal ?? `code ${code}`})` }));
  });
}

async function onnxDiagnosis(): Promise<Diagnosis["onnxruntime"]> {
  try {
    const { version } = await onnxRuntime();
    try {
      requireCudaProvider();
      return { works: true, version, cuda: null };
    } catch (error) {
      return { works: true, version, cuda: (error as Error).message };
    }
  } catch (error) {
    return { works: false, reason: (error as Error).message };
  }
}

const hasNvidia = () => existsSync("/proc/driver/nvidia/version");

/** What to install to do better. */
export function adviceFor(
  backends: Diagnosis["backends"],
  onnxruntime: Diagnosis["onnxruntime"],
  nvidia: boolean,
): string[] {
  const works = (name: BackendName) => backends.find((backend) => backend.name === name)?.finding.works === true;
  const advice: string[] = [];
  if (nvidia && !works("tfjs-node-gpu"))
    advice.push("this machine has an NVIDIA GPU: npx latentloop link-tensorflow --gpu");
  if (!nvidia && !works("tfjs-node"))
    advice.push("to train several times faster on the processor: npx latentloop link-tensorflow");
  if (!works("webgpu") && !nvidia)
    advice.push(`with a GPU of another maker: ${installLine("@tensorflow/tfjs-backend-webgpu", "webgpu")}`);
  if (!onnxruntime.works) advice.push(`for models in ONNX (PyTorch): ${installLine("onnxruntime-node")}`);
  return advice;
}
