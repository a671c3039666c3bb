import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { packageRoot } from "../../../server/package-root.ts";
import { cellKinds } from "../../../sim/study/cell.ts";
import { cellVersion, codeVersion, filesOf } from "../../../sim/study/version.ts";

describe("V2 a result depends on every compiled file that its kind of cell imports, and on no other's", () => {
  test("sessions", () => {
    const files = filesOf("simulated");
    for (const file of [
      "server/loop.js",
      "server/trials/trial.js",
      "server/tuning/posterior.js",
      "server/choice/decider.js",
      "sim/neurons/families.js",
      "sim/faces/latent-factors.js",
      "stimulus-client/frame-count.js",
      "sim/study/recorded/data.js",
    ])
      expect(files).toContain(file);
    expect(filesOf("recorded")).toContain("sim/study/recorded/judge.js");
    // How a model is trained, or its factors are found, does not decide them: what of it they need is in the cell.
    for (const kind of ["simulated", "recorded"] as const)
      expect(filesOf(kind).filter((file) => /model\/training|study\/training|render|fit-factors/.test(file))).toEqual(
        [],
      );
  });

  test("trainings", () => {
    const files = filesOf("training");
    for (const file of [
      "server/model/training/trainer.js",
      "server/model/measures/mig.js",
      "sim/study/training/judge.js",
      "sim/faces/render.js",
    ])
      expect(files).toContain(file);
    expect(files.filter((file) => /server\/(loop|choice|trials|tuning\/posterior)|sim\/neurons/.test(file))).toEqual(
      [],
    );
  });

  test("what only reports or deals out cells decides none; versions are steady, and differ by kind", () => {
    for (const kind of cellKinds) {
      const files = filesOf(kind);
      expect(files.every((file) => existsSync(join(packageRoot, "dist", file)))).toBe(true);
      expect(files.filter((file) => /report\/|cluster\/|analysis\/|commands\//.test(file))).toEqual([]);
    }
    expect(new Set([...cellKinds.map(cellVersion), codeVersion()]).size).toBe(4);
    expect(codeVersion()).toBe(codeVersion());
  });
});
