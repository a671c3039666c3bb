import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { packageRoot } from "../../../server/package-root.ts";
import { codeVersion, importsOf } from "../../../sim/study/version.ts";

test("V2: results depend on every compiled file that a session imports", () => {
  const files = importsOf("sim/study/worker.js");
  for (const file of [
    "server/loop.js",
    "server/trials/trial.js",
    "server/tuning/posterior.js",
    "server/choice/decider.js",
    "sim/neurons/families.js",
    "stimulus-client/frame-count.js",
    "sim/study/recorded/data.js",
  ])
    expect(files).toContain(file);
  expect(files.every((file) => existsSync(join(packageRoot, "dist", file)))).toBe(true);
  // What only reports or deals out sessions does not decide them.
  expect(files.filter((file) => /report\/|cluster\/|analysis\/|commands\//.test(file))).toEqual([]);
  expect(codeVersion()).toBe(codeVersion());
});
