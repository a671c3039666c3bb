import { existsSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../package-root.ts";

/** What makes the program faster or able to do more, and is never installed by itself. */
export const extras = {
  "@tensorflow/tfjs-node": "4.22.0",
  "@tensorflow/tfjs-node-gpu": "4.22.0",
  "@tensorflow/tfjs-backend-webgpu": "4.22.0",
  webgpu: "0.6.2",
  "onnxruntime-node": "1.30.0",
} as const;
export type Extra = keyof typeof extras;

const installed = (name: string) => existsSync(join(packageRoot, "node_modules", name, "package.json"));

/**
 * Arguments for npm that install extras beside those that are there. npm removes what is neither asked for nor in
 * package.json, hence all in one command; package.json and its lock stay as they are.
 */
export function installArguments(wanted: readonly Extra[]): string[] {
  const all = (Object.keys(extras) as Extra[]).filter((name) => wanted.includes(name) || installed(name));
  return ["install", "--no-save", "--save-optional", ...all.map((name) => `${name}@${extras[name]}`)];
}

/** The same as a line to type. */
export function installLine(...wanted: Extra[]): string {
  const line = `npm ${installArguments(wanted).join(" ")}`;
  // Its own step fetches CUDA libraries, which fails on networks that do not reach their host.
  return wanted.includes("onnxruntime-node") ? `ONNXRUNTIME_NODE_INSTALL=skip ${line}` : line;
}
