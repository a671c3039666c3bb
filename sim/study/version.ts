import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { compiledModule, packageRoot, packageVersion } from "../../server/package-root.ts";

/** What runs sessions and trainings, and what draws the heads of these: a result depends on them and on all that they import. */
const entries = ["sim/study/worker.js", "sim/faces/render-worker.js"];
/** And on what is not imported: compiled loops, data that is replayed, the versions of libraries. */
const given = [
  fileURLToPath(compiledModule("server/tuning/kernels.wasm")),
  ...["sim/study/recorded/disparity_v1v2.csv.gz", "sim/study/recorded/rgc.csv.gz", "package-lock.json"].map((file) =>
    join(packageRoot, file),
  ),
];

/** Compiled files of this package that some import, directly or not, themselves among them; sorted, as paths below the compiled root. */
export function importsOf(...paths: string[]): string[] {
  const found = new Set<string>();
  const follow = (file: string) => {
    if (found.has(file)) return;
    found.add(file);
    const text = readFileSync(compiledModule(file), "utf8");
    for (const [, imported] of text.matchAll(/(?:from|import|import\()\s*"(\.[^"]+)"/g))
      follow(join(dirname(file), imported));
  };
  for (const path of paths) follow(path);
  return [...found].sort();
}

/**
 * The package's version, a hash of the code and data that sessions and trainings run on, and V8's version, whose `Math.exp` may differ in the last digit:
 * results of another are not taken for one's own, on this machine or on others.
 */
export function codeVersion(): string {
  const hash = createHash("sha256");
  for (const file of importsOf(...entries)) hash.update(file).update(readFileSync(compiledModule(file)));
  for (const file of given) hash.update(readFileSync(file));
  const [major, minor] = process.versions.v8.split(".");
  return `${packageVersion}+${hash.digest("hex").slice(0, 16)}.v8-${major}-${minor}`;
}
