import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { compiledModule, packageRoot, packageVersion } from "../../server/package-root.ts";

/** Compiled files on which a session's result depends. */
const decisive = [
  "protocols/experiment.js",
  "protocols/wire",
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
  "stimulus-client/frame-count.js",
  "stimulus-client/schedule.js",
];
/** Files of the package, as they are installed: data that is replayed, and the versions of libraries that results go through. */
const given = ["sim/study/recorded/disparity_v1v2.csv.gz", "sim/study/recorded/rgc.csv.gz", "package-lock.json"];
/** Those below them on which it does not. */
const indifferent = ["sim/study/report", "sim/study/analysis", "sim/study/cluster"];

/**
 * The package's version, a hash of the code and data that sessions run on, and V8's version, whose `Math.exp` may differ in the last digit: results
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
  for (const path of given) hash.update(path).update(readFileSync(join(packageRoot, path)));
  const [major, minor] = process.versions.v8.split(".");
  return `${packageVersion}+${hash.digest("hex").slice(0, 16)}.v8-${major}-${minor}`;
}
