import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { parse } from "yaml";
import type { SessionStudy } from "../../../protocols/study.ts";
import { useBackend } from "../../../server/model/backends.ts";
import { modelDigest } from "../../../server/model/digest.ts";
import { type ModelFolder, readModel, readModelFolder } from "../../../server/model/model-folder.ts";
import { evaluate } from "../../../server/model/training/evaluation.ts";
import { readFactors } from "../../../server/model/training/factors.ts";
import { readImages } from "../../../server/model/training/images.ts";
import type { SessionSummary } from "../../../server/session/summary.ts";
import type { FactorName } from "../../../sim/faces/factors.ts";
import { fitLatentFactors } from "../../../sim/faces/fit-factors.ts";
import { targetNames } from "../../../sim/faces/head.ts";
import { makehumanPackage } from "../../../sim/faces/makehuman.ts";
import { findLatentFactors } from "../../../sim/faces/model-factors.ts";
import type { StudyFigures } from "../../../sim/study/analysis/figures.ts";
import { cellKey } from "../../../sim/study/cell.ts";
import { planSessions } from "../../../sim/study/plan.ts";
import { smallExperiment, start } from "../../cli.ts";
import { writeMakehuman } from "../faces/package.ts";
import { openRedis, redisServer } from "./redis.ts";
import { PROCESSES_MS, studyOf } from "./study.ts";

const text = `
name: seen
experiment: ${resolve("protocols/experiments/one-to-one.yaml")}
trials: 10
seeds: 2
populations: { cells: { factor: 3 }, ramps: { ramp: 1 } }
models: [faces-64, models/own]
designs:
  variance: { choice: { objective: variance } }
  random: { choice: { objective: random-range } }
reference: random
checkpoints: [5, 10]
measures: [curveError, bestShare]
levels: [{ measure: curveError, value: 0.9 }]
`;

let folder: string;
let file: string;
const path = (...names: string[]) => join(folder, ...names);
const done = async (...args: string[]) => {
  const { code, stdout, stderr } = await start(...args).finished;
  expect(code, stderr).toBe(0);
  return { stdout, stderr };
};
const found = async (name: string) => {
  const model = await readModel(path("models", name));
  return findLatentFactors({ ...model, digest: await modelDigest(model.folder) }, () => {});
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "latentloop-models-"));
  file = path("seen.yaml");
  await writeFile(file, text);
  // Heads of a few quads, so that no test waits for the registry.
  vi.stubEnv("LATENTLOOP_CACHE", path("cache"));
  const vertices = [-0.6, 6.4, 1, 0.6, 6.4, 1, 0.6, 7.6, 1, -0.6, 7.6, 1];
  const targets = new Map(targetNames.map((name, i) => [name, 20 * (i % 5)]));
  await writeMakehuman(path("cache", `${makehumanPackage.name}-${makehumanPackage.version}`), vertices, targets);
  await done("faces", "--count", "200", "--size", "16", "--seed", "2", "--out", path("heads"));
  const settings = ["--latents", "3", "--beta", "0.05", "--steps", "120", "--batch", "32", "--backend", "wasm"];
  await done("train", "--images", path("heads"), "--out", path("models", "own"), ...settings);
}, PROCESSES_MS);
afterAll(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

describe("V9 models of a study", () => {
  test("the factors in a model's latents are those that `faces` of another seed and its encoder give; they are found once", {
    timeout: PROCESSES_MS,
  }, async () => {
    // Trained on heads of seed 2: the first other one is 3.
    await done("faces", "--count", "600", "--size", "16", "--seed", "3", "--out", path("unseen"));
    const { card, weights }: ModelFolder = await readModelFolder(path("models", "own"));
    await useBackend("wasm");
    const images = await readImages(path("unseen"));
    const all = Uint32Array.from({ length: images.count }, (_, i) => i);
    const { means } = await evaluate(card.architecture, weights, images, all);
    const reference = fitLatentFactors(means, (await readFactors(path("unseen"))) as Map<FactorName, Float64Array>);
    const table = await found("own");
    table.forEach(({ factor, offset, weights, r2 }, f) => {
      // factors.csv has six decimals; what is fitted is kept to three.
      expect(factor).toBe(reference[f].factor);
      [offset, ...weights].forEach((value, k) => {
        expect(Math.abs(value - [reference[f].offset, ...reference[f].weights][k])).toBeLessThan(0.0021);
      });
      expect(Math.abs(r2 - reference[f].r2)).toBeLessThan(0.011);
    });
    // The background is what these heads show most.
    expect(table.find(({ factor }) => factor === "background")!.r2).toBeGreaterThan(0.5);
    // Found anew it would need MakeHuman's data, which are gone.
    vi.stubEnv("npm_config_offline", "true");
    const data = path("cache", `${makehumanPackage.name}-${makehumanPackage.version}`);
    await cp(data, path("data"), { recursive: true });
    await rm(data, { recursive: true });
    expect(await found("own")).toEqual(table);
    await cp(path("data"), data, { recursive: true });
  });

  test("each population is seen through each; cells have all of a model that they need, and depend on its content alone", async () => {
    const study = studyOf<SessionStudy>(text);
    const latentFactors = await found("own");
    const own = { name: "models/own", experiment: { model: "digest", latents: 3 }, latentFactors };
    const shipped = { name: "faces-64", experiment: { model: "faces-64", latents: 12 }, latentFactors: null };
    const base = parse(await readFile(study.experiment, "utf8"));
    const cells = planSessions(study, base, [shipped, own]);
    expect(cells.slice(0, 8).map(({ design, population, model }) => `${design} ${population} ${model}`)).toEqual([
      "variance cells faces-64",
      "random cells faces-64",
      "variance ramps faces-64",
      "random ramps faces-64",
      "variance cells models/own",
      "random cells models/own",
      "variance ramps models/own",
      "random ramps models/own",
    ]);
    expect(cells[4].experiment).toMatchObject({
      model: "digest",
      latents: 3,
      simulation: { factor: 3, latentFactors },
    });
    expect(cells[6].experiment.simulation).not.toHaveProperty("latentFactors");
    expect(new Set(cells.map((cell) => cellKey(cell, "v"))).size).toBe(16);
    // Through the model that ships a session is the one of a study that names no models.
    const [plain] = planSessions({ ...study, models: undefined }, base);
    expect(cellKey(cells[0], "v")).toBe(cellKey(plain, "v"));
    expect(plain).not.toHaveProperty("model");
    // Where its folder lies decides nothing.
    const [, , , , moved] = planSessions(study, base, [shipped, { ...own, name: "elsewhere" }]);
    expect(cellKey(moved, "v")).toBe(cellKey(cells[4], "v"));
    expect(() => planSessions(study, base, [{ ...own, experiment: { model: "digest", latents: 4 } }])).toThrow(
      "population cells, model models/own: latentFactors: expected 4 weights, one a latent, found 3 of gender",
    );
  });

  test("npx latentloop study: figures, page and words tell the models apart, and what of the factors each tells; a cluster gives the same bytes", {
    timeout: PROCESSES_MS,
  }, async () => {
    const alone = await done("study", file, "--out", path("alone"), "--json");
    const figures: StudyFigures = JSON.parse(alone.stdout);
    expect(figures.sessions).toEqual({ planned: 16, done: 16, failed: [] });
    expect(figures.groups.map(({ group, model }) => `${group}, ${model}`)).toEqual([
      "cells, faces-64",
      "cells, models/own",
      "ramps, faces-64",
      "ramps, models/own",
    ]);
    expect(figures.models!.map(({ model, latents }) => [model, latents])).toEqual([
      ["faces-64", 12],
      ["models/own", 3],
    ]);
    const table = await found("own");
    expect(figures.models![1].factors!.map(({ factor, r2 }) => [factor, r2])).toEqual(
      table.map(({ factor, r2 }) => [factor, r2]),
    );
    expect(figures.measures.map(({ name }) => name)).toEqual(["curveError", "bestShare"]);
    expect(alone.stderr).toContain("\ncells, models/own\n");
    expect(alone.stderr).toMatch(/models\/own: gender -?0\.\d\d \(z[123] \d\.\d\d\), age/);
    expect(alone.stderr).toMatch(/cells that follow .*smile.* respond to its faces by half of what/);
    const page = await readFile(path("alone", "report.html"), "utf8");
    expect(page).toContain("<h2>cells, models/own</h2>");
    expect(page).toContain("<th>models/own (3 latents)</th>");
    expect(page).not.toMatch(/NaN|undefined|Infinity|<script|https?:/);
    expect(`${page}${alone.stdout}`).not.toContain(folder);
    if (!redisServer) return;

    const redis = await openRedis();
    const worker = start("study-worker", "--cluster", redis.address, "--workers", "1");
    try {
      await worker.says(/ready/);
      const cluster = await done("study", file, "--out", path("cluster"), "--json", "--cluster", redis.address);
      expect(cluster.stdout).toBe(alone.stdout);
      expect(await readFile(path("cluster", "report.html"), "utf8")).toBe(page);
    } finally {
      worker.signal("SIGKILL");
      await worker.finished;
      await redis.dispose();
    }
  });

  test("a session alone sees its factor units through the experiment's model, and says how far; so does one that is run again from its folder", {
    timeout: PROCESSES_MS,
  }, async () => {
    const experiment = smallExperiment("own", 10, "{ factor: 2 }")
      .replace("model: faces-64", "model: models/own")
      .replace("latents: 12", "latents: 3");
    await writeFile(path("own.yaml"), experiment);
    const options = ["--virtual", "--seed", "1", "--out", path("sessions"), "--json"];
    const first = await done("run", path("own.yaml"), ...options);
    expect(first.stderr).toMatch(/factors in the latents of models\/own, R² on other heads: gender -?0\.\d\d, age/);
    const { sessionDir, units }: SessionSummary = JSON.parse(first.stdout);
    await cp(join(sessionDir, "experiment.yaml"), path("again.yaml"));
    const again = await done("run", path("again.yaml"), ...options);
    expect(JSON.parse(again.stdout).units).toEqual(units);
    const live = ["--display", "headless", "--port", "0", "--events", "tcp://127.0.0.1:*", "--out", path("sessions")];
    await done("run", path("own.yaml"), "--trials", "3", ...live);
  });

  test.each([
    ["no folder", "nonsense", /models\.1 "nonsense": model .*: expected a folder with card.json .*, found none/],
    ["no model", "heads", /models\.1 "heads": model .*: expected a readable card.json, found none/],
    ["no encoder", "mute", /models\.1 "mute": model .*: factor units: expected an encoder, .* found none/],
    ["oblong", "oblong", /models\.1 "oblong": .* expected square pictures of 16 to 512 .*, found 32 × 16/],
    ["twice", "faces-64", /models\.1: expected distinct models, found "faces-64"/],
  ])(
    "a study whose second model is none that it can use says what was expected and found: %s",
    async (_, name, words) => {
      for (const [model, width] of [["mute", 16] as const, ["oblong", 32] as const]) {
        await mkdir(path(model), { recursive: true });
        const network = { kind: "onnx", decoder: "d.onnx", ...(model === "oblong" && { encoder: "d.onnx" }) };
        const image = { width, height: 16, channels: 1, pixelRange: [0, 1] };
        const card = { format: "latentloop-model/1", name: model, latents: { count: 2 }, image, network };
        await writeFile(path(model, "card.json"), JSON.stringify(card));
        await writeFile(path(model, "d.onnx"), "");
      }
      await writeFile(path("wrong.yaml"), text.replace("models/own", name));
      const { code, stderr } = await start("study", path("wrong.yaml"), "--out", path("wrong")).finished;
      expect(stderr).toMatch(words);
      expect(code).toBe(2);
    },
  );
});
