import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { compiledModule, packageVersion } from "../../server/package-root.ts";

/** Compiled files on which a session's result depends. */
const decisive = [
  "protocols/experiment.js",
  "server/choice",
  "server/loop.js",
  "server/presentation",
  "server/random.js",
  "server/session",
  "server/trials",
  "server/tuning",
  "sim/faces/factors.js",
  "sim/faces/latent-factors.js",
  "sim/neurons",
  "sim/study",
  "stimulus-client/schedule.js",
];
/** Those below them on which it does not. */
const indifferent = ["sim/study/report", "sim/study/analysis", "sim/study/cluster"];

/**
 * The package's version, a hash of the code that sessions run, and V8's version, whose `Math.exp` may differ in the last digit: results
 * of another are not taken for one's own, on this machine or on others.
 */
export function codeVersion(): string {
  const hash = createHash("sha256");
  const read = (path: string) => {
    if (indifferent.includes(path)) return;
    const file = fileURLToPath(compiledModule(path));
    if (statSync(file).isDirectory()) for (const name of readdirSync(file).sort()) read(join(path, name));
    else if (!path.endsWith(".map")) hash.update(path).update(readFileSync(file));
  };
  for (const path of decisive) read(path);
  const [major, minor] = process.versions.v8.split(".");
  return `${packageVersion}+${hash.digest("hex").slice(0, 16)}.v8-${major}-${minor}`;
}
