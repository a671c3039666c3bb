import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { parseStudy, type TrainingStudy } from "../../../protocols/study.ts";
import { agreement, type Codes, disentanglementRanking } from "../../../server/model/measures/udr.ts";
import type { ImageSet } from "../../../server/model/training/images.ts";
import { recipeOf } from "../../../server/model/training/recipe.ts";
import { type TrainingState, train } from "../../../server/model/training/trainer.ts";
import { random } from "../../../server/random.ts";
import { targetNames } from "../../../sim/faces/head.ts";
import { makehumanPackage } from "../../../sim/faces/makehuman.ts";
import { type CellResult, cellKey } from "../../../sim/study/cell.ts";
import { planTrainings } from "../../../sim/study/plan.ts";
import { keepCodes } from "../../../sim/study/training/codes.ts";
import { keptTraining } from "../../../sim/study/training/kept.ts";
import { underWay } from "../../../sim/study/training/progress.ts";
import { ranked } from "../../../sim/study/training/ranking.ts";
import { runTrainingCell } from "../../../sim/study/training/train.ts";
import { start } from "../../cli.ts";
import { writeMakehuman } from "../faces/package.ts";
import { openRedis, redisServer } from "./redis.ts";
import { PROCESSES_MS, runInto, studyOf } from "./study.ts";

const text = `
name: tiny
training: { faces: { count: 40, size: 16, seed: 1 }, unseen: { count: 60, seed: 2 } }
steps: 12
seeds: 2
designs:
  beta 0.5: { latents: 2, beta: 0.5, batch: 8 }
  gaussian: { latents: 3, beta: 2, tc: 1, batch: 8, likelihood: gaussian, gray: true }
reference: beta 0.5
checkpoints: [4, 10]
levels: [{ measure: psnrDb, value: 1 }]
`;
const staged = text.replace(
  "beta: 0.5, batch: 8 }",
  "beta: 0.5, batch: 8, stages: [{ steps: 7, beta: 0.05 }, { steps: 5, rotate: true, beta: 2, tc: 1 }] }",
);
const study = (changed = text) => studyOf<TrainingStudy>(changed);

let cache: string;
let folder: string;
beforeAll(async () => {
  // Heads of a few quads, so that no test waits for the registry.
  cache = await mkdtemp(join(tmpdir(), "latentloop-cache-"));
  vi.stubEnv("LATENTLOOP_CACHE", cache);
  const vertices = [-0.6, 6.4, 1, 0.6, 6.4, 1, 0.6, 7.6, 1, -0.6, 7.6, 1];
  const targets = new Map(targetNames.map((name, i) => [name, 20 * (i % 5)]));
  await writeMakehuman(join(cache, `${makehumanPackage.name}-${makehumanPackage.version}`), vertices, targets);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await rm(cache, { recursive: true });
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "latentloop-trainings-"));
});
afterEach(() => rm(folder, { recursive: true }));

/** Runs the study's trainings in a folder; stops after so many were done. */
const run = (name: string, workers: number, stopAfter = Number.POSITIVE_INFINITY) =>
  runInto(join(folder, name), planTrainings(study()), workers, stopAfter);

const path = (name: string) => join(folder, name);

/** The heads that the study names, as `faces` writes them. */
const drawSets = () =>
  Promise.all(
    [
      ["seen", "40", "1"],
      ["unseen", "60", "2"],
    ].map(
      ([name, count, seed]) =>
        start("faces", "--count", count, "--size", "16", "--seed", seed, "--out", path(name)).finished,
    ),
  );

const lines = async (name: string) => (await readFile(join(folder, name, "results.jsonl"), "utf8")).split("\n").sort();

describe("V8 a study of trainings", () => {
  test("V8 one training for each design and seed; what it is called does not matter to its result, settings and heads do", () => {
    const cells = planTrainings(study());
    expect(cells.map(({ design, seed }) => `${design}, ${seed}`)).toEqual([
      "beta 0.5, 1",
      "gaussian, 1",
      "beta 0.5, 2",
      "gaussian, 2",
    ]);
    expect(cells[0]).toMatchObject({
      checkpoints: [4, 10],
      training: { stages: [{ steps: 12, rotate: false, settings: { beta: 0.5 } }], unseen: { size: 16 } },
    });
    const key = cellKey(cells[0], "v");
    expect(cellKey({ ...cells[0], design: "other", population: "other" }, "v")).toBe(key);
    const others = (
      [
        ["beta: 0.5", "beta: 0.6"],
        ["steps: 12", "steps: 13"],
        ["seed: 2 }", "seed: 3 }"],
        ["count: 40", "count: 41"],
        ["[4, 10]", "[4, 11]"],
      ] as const
    ).map(([part, other]) => cellKey(planTrainings(study(text.replace(part, other)))[0], "v"));
    expect(new Set([key, ...others, cellKey(cells[2], "v")]).size).toBe(7);
  });

  test.each([
    ["training.unseen.seed: expected another seed than", text.replace("count: 60, seed: 2", "count: 60, seed: 1")],
    ["training.faces.size: expected 16, 32, 64, 128, 256 or 512, found 20", text.replace("size: 16", "size: 20")],
    ["training.unseen.count: expected number to be >=50, found 20", text.replace("count: 60", "count: 20")],
    ["checkpoints.1: expected at most 12 steps, found 13", text.replace("[4, 10]", "[4, 13]")],
    [
      "designs.beta 0.5.stages: expected stages of 12 steps together, as the study has, not 11",
      staged.replace("steps: 5", "steps: 4"),
    ],
    [
      "designs.beta 0.5.stages.0.rotate: expected no turn before the first stage",
      staged.replace("steps: 7", "steps: 7, rotate: true"),
    ],
    ['Unrecognized key: "latents" (known: steps, rotate, beta', staged.replace("steps: 7", "steps: 7, latents: 3")],
    ["designs.beta 0.5.latents: expected at least 2", text.replace("latents: 2", "latents: 1")],
    ['Unrecognized key: "tcc" (known: latents, beta, betaFrom, tc,', text.replace("tc: 1", "tcc: 1")],
    ["levels.0.measure: expected a measure of this study", text.replace("measure: psnrDb", "measure: curveError")],
    ["levels.0.referenceAtTrial: expected value in its place", text.replace("value: 1", "referenceAtTrial: 4")],
    ["measures.0: expected one of mig, ownLatents", `${text}measures: [peak]`],
    ['Unrecognized key: "trials"', `${text}trials: 12`],
  ])("V8 a file that can't be run is refused, by field: %s", (words, wrong) => {
    const parsed = parseStudy(wrong);
    expect(parsed.ok ? "no error" : parsed.errors).toContain(words);
  });

  test(
    "V8 any number of workers gives the same results; a study that is stopped goes on",
    async () => {
      const straight = await run("straight", 1);
      expect(straight.failed).toEqual([]);
      expect(straight.results.map((result) => result?.kinds)).toEqual(Array(4).fill(["model"]));
      const [{ values }] = straight.results as NonNullable<(typeof straight.results)[number]>[];
      expect(Object.keys(values)).toHaveLength(8);
      expect(values.psnrDb).toEqual([[expect.any(Number)], [expect.any(Number)]]);

      const stopped = await run("stopped", 2, 1);
      const done = stopped.results.filter((result) => result !== null).length;
      expect(done).toBeGreaterThanOrEqual(1);
      expect(done).toBeLessThan(4);
      const again = await run("stopped", 2);
      expect(again.kept).toBe(done);
      expect(await lines("stopped")).toEqual(await lines("straight"));
    },
    PROCESSES_MS,
  );

  test(
    "V8 V10 a training's figures are those that `faces`, `train` and `evaluate` give for the same settings",
    async () => {
      await drawSets();
      // `train` has no checkpoints: of 10 steps, where the last one is.
      const file = path("ten.yaml");
      await writeFile(file, text.replace("steps: 12", "steps: 10"));
      const settings = ["--latents", "2", "--beta", "0.5", "--batch", "8", "--steps", "10", "--backend", "wasm"];
      const trained = (out: string, seed: string) =>
        start("train", "--images", path("seen"), "--out", path(out), ...settings, "--seed", seed).finished;
      expect(await trained("model", "1")).toMatchObject({ code: 0 });
      expect(await trained("other", "2")).toMatchObject({ code: 0 });
      const against = ["--against", path("other"), "--backend", "wasm", "--json"];
      const evaluate = ["evaluate", path("model"), "--faces", path("unseen"), ...against];
      const found = JSON.parse((await start(...evaluate).finished).stdout);

      const ran = await start("study", file, "--out", path("out"), "--json").finished;
      expect(ran.code, ran.stderr).toBe(0);
      expect(ran.stderr).toContain("4 trainings (0 were there)");
      const { groups, ...figures } = JSON.parse(ran.stdout);
      expect(figures).toMatchObject({ ran: "trainings", trials: 10, sessions: { planned: 4, done: 4, failed: [] } });
      const last = (name: string): number =>
        groups[0].measures.find(({ measure }: { measure: string }) => measure === name).designs[0].values[0][1];
      const sumKl = found.klNats.reduce((sum: number, kl: number) => sum + kl, 0);
      expect({
        mig: last("mig"),
        disentanglement: last("disentanglement"),
        completeness: last("completeness"),
        informativeness: last("informativeness"),
        psnrDb: last("psnrDb"),
        klNats: last("klNats"),
        udr: last("udr"),
      }).toEqual({
        mig: expect.closeTo(found.mig, 5),
        disentanglement: expect.closeTo(found.dci.disentanglement, 5),
        completeness: expect.closeTo(found.dci.completeness, 5),
        informativeness: expect.closeTo(found.dci.informativeness, 5),
        psnrDb: expect.closeTo(found.psnrDb, 5),
        klNats: expect.closeTo(sumKl, 5),
        udr: expect.closeTo(found.udr.score, 5),
      });
      expect([last("activeLatents"), last("ownLatents")]).toEqual([found.active, found.ownLatents]);
      const page = await readFile(join(path("out"), "report.html"), "utf8");
      expect(page).toContain("Steps needed");
      expect(page).toContain("4 of 4 trainings, 10 steps each");
      expect(page).not.toMatch(/NaN|undefined|Infinity|sessions|trials|<script|https?:/);
    },
    PROCESSES_MS,
  );

  test("V8 a training that was interrupted goes on from where this machine kept it, to the same end", {
    timeout: PROCESSES_MS,
  }, async () => {
    const [cell] = planTrainings(study());
    const grey = (count: number) => new Uint8Array(count * 16 * 16 * 3).map((_, k) => (k * 7919) % 251);
    const heads = { faces: grey(40), unseen: grey(60) };
    const straight = await runTrainingCell(cell, "straight", heads, () => {});
    let state: TrainingState | undefined;
    const images: ImageSet = { count: 40, side: 16, channels: 3, pixels: heads.faces, manifest: undefined };
    const recipe = recipeOf(cell.training.stages[0].settings, images, { steps: 12, seed: cell.seed });
    await train(images, recipe, async ({ step }, current) => {
      if (step < 7) return "go on";
      state = await current();
      return "stop";
    });
    const kept = keptTraining("interrupted");
    // A figure that no training gives shows that it was taken up, and not begun anew.
    const values = { ...straight.values, psnrDb: [[-1]] };
    await kept.write({
      stage: 0,
      state: state!,
      result: { kinds: ["model"], values, codes: straight.codes!.slice(0, 1) },
    });
    const ended = await runTrainingCell(cell, "interrupted", heads, () => {});
    expect(ended.values).toEqual({ ...straight.values, psnrDb: [[-1], straight.values.psnrDb![1]] });
    expect(ended.codes).toEqual(straight.codes);
    expect(await kept.read()).toBeNull();
    expect(await keptTraining("straight").read()).toBeNull();
  });

  test(
    "V11 stages give the figures of `train`, and of `train --from --rotate` after it; one that was interrupted between them goes on to the same end",
    async () => {
      await drawSets();
      const stage = ["train", "--images", path("seen"), "--latents", "2", "--batch", "8", "--backend", "wasm"];
      const first = [...stage, "--out", path("code"), "--beta", "0.05", "--steps", "7"];
      expect(await start(...first).finished).toMatchObject({ code: 0 });
      const second = ["--from", path("code"), "--rotate", "--beta", "2", "--tc", "1", "--steps", "5"];
      expect(await start(...stage, "--out", path("model"), ...second).finished).toMatchObject({ code: 0 });
      const evaluate = ["evaluate", path("model"), "--faces", path("unseen"), "--backend", "wasm", "--json"];
      const found = JSON.parse((await start(...evaluate).finished).stdout);

      const [cell] = planTrainings(study(staged.replace("[4, 10]", "[7, 12]")));
      expect(cell.training.stages).toMatchObject([
        { steps: 7, rotate: false, settings: { latents: 2, beta: 0.05, tc: 0, batch: 8 } },
        { steps: 5, rotate: true, settings: { latents: 2, beta: 2, tc: 1, batch: 8 } },
      ]);
      const pixels = async (name: string) => new Uint8Array(await readFile(join(path(name), "images.u8")));
      const drawn = { faces: await pixels("seen"), unseen: await pixels("unseen") };
      const straight = await runTrainingCell(cell, "straight", drawn, () => {});
      const last = (name: "mig" | "psnrDb" | "klNats") => straight.values[name]![1][0];
      expect(last("mig")).toBeCloseTo(found.mig, 5);
      expect(last("psnrDb")).toBeCloseTo(found.psnrDb, 5);
      expect(last("klNats")).toBeCloseTo(
        found.klNats.reduce((sum: number, kl: number) => sum + kl, 0),
        5,
      );

      // At the first stage's end, which is a checkpoint.
      const images: ImageSet = { count: 40, side: 16, channels: 3, pixels: drawn.faces, manifest: undefined };
      const recipe = recipeOf(cell.training.stages[0].settings, images, { steps: 7, seed: cell.seed });
      const state = await train(images, recipe, async () => "go on");
      const values = Object.fromEntries(
        Object.entries(straight.values).map(([name, rows]) => [name, rows.slice(0, 1)]),
      );
      const result = { kinds: ["model"], values, codes: straight.codes!.slice(0, 1) };
      await keptTraining("interrupted").write({ stage: 0, state, result });
      expect(await runTrainingCell(cell, "interrupted", drawn, () => {})).toEqual(straight);
    },
    PROCESSES_MS,
  );

  test("V10 each seed's UDR is the ranking among its design's seeds, of codes that are kept as ranks, ties and all", () => {
    const r = random("codes");
    const heads = 300;
    const draw = () => Float64Array.from({ length: heads }, () => r.normal());
    const shared = [draw(), draw()];
    // Seeds of the first design agree on two latents, more or less; one latent of each is constant but for ties.
    const codes = [0.1, 0.5, 1].map((noise) => ({
      latents: [
        ...shared.map((values) => values.map((value) => value + noise * r.normal())),
        Float64Array.from({ length: heads }, (_, i) => i % 3),
      ],
      klNats: [2, 1, 0.02],
    }));
    const cells = ["a", "a", "b", "a"].map((design, i) => ({ ...planTrainings(study())[0], design, seed: i }));
    const result = (which: Codes): CellResult => ({
      kinds: ["model"],
      values: { mig: [[0], [0]] },
      codes: [keepCodes(which), keepCodes(codes[0])],
    });
    const results = [result(codes[0]), result(codes[1]), result(codes[2]), result(codes[2])];
    const scored = ranked(cells, results).map((one) => one!.values.udr?.map(([value]) => value));
    const expected = disentanglementRanking(codes);
    [0, 1, 3].forEach((i, k) => {
      expect(scored[i]![0]).toBeCloseTo(expected[k], 6);
      // At the second checkpoint all say the same; a latent that goes with no other scores 1, those that share some ρ less.
      expect(scored[i]![1]).toBeCloseTo(agreement(codes[0], codes[0]), 6);
    });
    expect(expected[0]).toBeGreaterThan(expected[2]);
    // A seed alone has nothing to be compared with.
    expect(scored[2]).toBeUndefined();
    expect(ranked(cells, [results[0], null, null, null])).toEqual([results[0], null, null, null]);
  });

  test("V8 how far trainings are is told in a few words", () => {
    expect(underWay(new Map())).toBe("");
    expect(underWay(new Map([["a", 0.312]]))).toBe("1 under way, 31 % done");
    expect(underWay(new Map(Object.entries({ a: 0.5, b: 0.25 })))).toBe("2 under way, 25 to 50 % done");
  });

  test(
    "V8 heads that can't be drawn for want of MakeHuman's data end it at once, exit code 2",
    async () => {
      const file = join(folder, "tiny.yaml");
      await writeFile(file, text);
      const broken = join(folder, "cache");
      await mkdir(broken);
      await writeFile(join(broken, `${makehumanPackage.name}-${makehumanPackage.version}.tgz`), "something else");
      vi.stubEnv("LATENTLOOP_CACHE", broken);
      const { code, stderr } = await start("study", file, "--out", join(folder, "out")).finished;
      vi.stubEnv("LATENTLOOP_CACHE", cache);
      expect(stderr).toContain("expected integrity sha512-");
      expect(code).toBe(2);
    },
    PROCESSES_MS,
  );

  test.skipIf(!redisServer)(
    "V8 V6 two workers on a cluster give the bytes of one machine (skipped where no redis-server is installed)",
    async () => {
      const redis = await openRedis();
      const workers = [0, 1].map(() => start("study-worker", "--cluster", redis.address, "--workers", "1"));
      try {
        const file = join(folder, "tiny.yaml");
        await writeFile(file, text);
        const out = (name: string) => ["study", file, "--json", "--out", join(folder, name)];
        await Promise.all(workers.map((worker) => worker.says(/ready/)));
        const cluster = await start(...out("cluster"), "--cluster", redis.address).finished;
        expect(cluster.code, cluster.stderr).toBe(0);
        const alone = await start(...out("alone"), "--workers", "1").finished;
        expect(alone.stdout).toBe(cluster.stdout);
        expect(await lines("alone")).toEqual(await lines("cluster"));
      } finally {
        for (const worker of workers) worker.signal("SIGKILL");
        await Promise.all(workers.map(({ finished }) => finished));
        await redis.dispose();
      }
    },
    PROCESSES_MS,
  );
});
