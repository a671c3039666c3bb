import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Folder that holds package.json, the same whether this file runs from the source tree or from dist/. */
export const packageRoot = (() => {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return folder;
})();

/** A compiled module of this package as a URL: what a worker or a child process must be started from. */
export const compiledModule = (path: string): URL => new URL(`file://${join(packageRoot, "dist", path)}`);

export const packageVersion: string = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")).version;

/** The built pages of stimulus-client/. */
export const clientFolder = join(packageRoot, "dist", "client");
