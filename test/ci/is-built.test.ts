import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../cli.ts";

const sources = ["protocols/a.ts", "server/deep/b.ts", "sim/c.ts", "stimulus-client/d.ts", "test/e.ts", "package.json"];
const built = ["server/tuning/kernels.wasm", "server/main.js", "client/index.html"].map((file) => `dist/${file}`);

/** A package's folder whose files all changed at second 1000, and what was built of it at second 2000. */
function folder() {
  const root = temporaryFolder();
  copyFileSync("is-built.mjs", join(root, "is-built.mjs"));
  const change = (file: string, second: number) => utimesSync(join(root, file), second, second);
  for (const file of [...sources, ...built]) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), "");
  }
  for (const file of sources) for (let at = file; at !== "."; at = dirname(at)) change(at, 1000);
  for (const file of built) change(file, 2000);
  const isBuilt = () => spawnSync(process.execPath, [join(root, "is-built.mjs")]).status === 0;
  return { isBuilt, change, remove: (file: string) => rmSync(join(root, file)) };
}

test("npm's prepare builds only where dist/ is not whole or older than a source", () => {
  expect(folder().isBuilt()).toBe(true);
  for (const file of sources) {
    const { isBuilt, change } = folder();
    change(file, 3000);
    expect(isBuilt(), `${file} changed`).toBe(false);
  }
  for (const file of built) {
    const { isBuilt, remove } = folder();
    remove(file);
    expect(isBuilt(), `${file} missing`).toBe(false);
  }
  const { isBuilt, remove } = folder();
  remove("server/deep/b.ts");
  expect(isBuilt(), "a source taken away").toBe(false);
});
