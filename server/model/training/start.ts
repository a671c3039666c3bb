import { ConfigurationError } from "../../failure.ts";
import { type BackendName, backendNames } from "../backend-name.ts";
import { useBackend } from "../backends.ts";

/** Starts the first backend that is there, or the forced one, to train on. @throws ConfigurationError if there is none */
export async function bestBackend(forced?: BackendName): Promise<{ name: BackendName; version: string }> {
  const reasons: string[] = [];
  for (const name of forced === undefined ? backendNames : [forced]) {
    try {
      return { name, version: await useBackend(name) };
    } catch (error) {
      reasons.push(`${name}: ${(error as Error).message}`);
    }
  }
  throw new ConfigurationError(`no backend to train on: ${reasons.join("; ")}`);
}
