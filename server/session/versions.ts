import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { compiledModule, packageVersion } from "../package-root.ts";

/** What a session's numbers depend on besides its journal. */
export interface Versions {
  latentloop: string;
  node: string;
  v8: string;
  platform: string;
  /** Digest of the compiled kernels. */
  kernels: string;
}

export const versions = (): Versions => ({
  latentloop: packageVersion,
  node: process.version,
  v8: process.versions.v8,
  platform: `${process.platform}-${process.arch}`,
  kernels: createHash("sha256")
    .update(readFileSync(fileURLToPath(compiledModule("server/tuning/kernels.wasm"))))
    .digest("hex")
    .slice(0, 16),
});

/** What is another one here, a line each. */
export const otherVersions = (then: Versions, now: Versions = versions()): string[] =>
  (Object.keys(now) as (keyof Versions)[])
    .filter((key) => then[key] !== now[key])
    .map((key) => `${key}: the session ran with ${then[key] ?? "none told"}, this is ${now[key]}`);
