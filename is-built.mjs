/** Exits with 0 where dist/ is whole and newer than all it is made from. npx asks for `prepare` at its first use of a package's folder. */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";

/** What each step of the build writes; the pages come last. */
const BUILT = ["server/tuning/kernels.wasm", "server/main.js", "client/index.html"];
const FOLDERS = ["protocols", "server", "sim", "stimulus-client", "test"];
const FILES = ["package.json", "package-lock.json", "tsconfig.json", "tsconfig.build.json", "vite.config.ts"];

const root = import.meta.dirname;
const changedMs = (path) => statSync(join(root, path), { throwIfNoEntry: false })?.mtimeMs ?? 0;
// A folder is as new as the last file that was added or taken away.
const within = FOLDERS.flatMap((folder) => [
  folder,
  ...readdirSync(join(root, folder), { recursive: true }).map((file) => join(folder, file)),
]);
const oldestMs = Math.min(...BUILT.map((file) => changedMs(join("dist", file))));
process.exitCode = oldestMs > Math.max(...[...FILES, ...within].map(changedMs)) ? 0 : 1;
