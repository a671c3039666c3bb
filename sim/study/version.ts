import { createHash, type Hash } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { compiledModule, packageRoot, packageVersion } from "../../server/package-root.ts";
import { type Cell, type CellKind, cellKey, cellKinds, kindOf } from "./cell.ts";

const below = (...files: string[]) => files.map((file) => join(packageRoot, file));
const [disparity, rgc] = below("sim/study/recorded/disparity_v1v2.csv.gz", "sim/study/recorded/rgc.csv.gz");
const libraries = below("package-lock.json");
const kernels = fileURLToPath(compiledModule("server/tuning/kernels.wasm"));

/**
 * What runs each kind of cell, and draws the heads of a training: a result depends on these and on all that they import; and on what is not imported: compiled
 * loops, data that is replayed or that units are simulated after, the versions of libraries.
 */
const sources: Record<CellKind, { entries: string[]; given: string[] }> = {
  simulated: { entries: ["sim/study/simulated.js"], given: [kernels, disparity, ...libraries] },
  recorded: { entries: ["sim/study/recorded/replay.js"], given: [kernels, disparity, rgc, ...libraries] },
  training: { entries: ["sim/study/training/train.js", "sim/faces/render-worker.js"], given: libraries },
};

/** Compiled files that decide what a kind of cell gives. */
export const filesOf = (kind: CellKind): string[] => importsOf(...sources[kind].entries);

/** Compiled files of this package that some import, directly or not, themselves among them; sorted, as paths below the compiled root. */
function importsOf(...paths: string[]): string[] {
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

/** V8's version, whose `Math.exp` may differ in the last digit, behind the package's and a hash. */
function versionWith(hash: Hash): string {
  const [major, minor] = process.versions.v8.split(".");
  return `${packageVersion}+${hash.digest("hex").slice(0, 16)}.v8-${major}-${minor}`;
}

const known = new Map<CellKind, string>();

/**
 * The version of what a kind of cell runs on: results of another are not taken for one's own, on this machine or on others. Another kind's code says nothing of it.
 */
export function cellVersion(kind: CellKind): string {
  let version = known.get(kind);
  if (version === undefined) {
    const hash = createHash("sha256");
    for (const file of filesOf(kind)) hash.update(file).update(readFileSync(compiledModule(file)));
    for (const file of sources[kind].given) hash.update(readFileSync(file));
    known.set(kind, (version = versionWith(hash)));
  }
  return version;
}

/** The name under which a cell's result is kept on this version of the program. */
export const keyOfCell = (cell: Cell): string => cellKey(cell, cellVersion(kindOf(cell)));

/** The version of all that workers run, which take any kind of cell. */
export const codeVersion = (): string =>
  versionWith(createHash("sha256").update(JSON.stringify(cellKinds.map(cellVersion))));
