import { ConfigurationError } from "../failure.ts";

/** In the order in which they are tried. */
export const backendNames = ["tfjs-node-gpu", "tfjs-node", "webgpu", "wasm", "cpu"] as const;
export type BackendName = (typeof backendNames)[number];

/** Name of an installed backend, or ConfigurationError for a word that is none. */
export function backendName(text: string): BackendName {
  const name = backendNames.find((known) => known === text);
  if (name === undefined) throw new ConfigurationError(`backend: expected ${backendNames.join(", ")}, got "${text}"`);
  return name;
}
