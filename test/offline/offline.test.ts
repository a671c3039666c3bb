import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import Papa from "papaparse";
import sharp from "sharp";
import { afterAll, describe, expect, test } from "vitest";
import { openModel } from "../../server/model/backends.ts";
import { bundledModel, readModel } from "../../server/model/model-folder.ts";
import { countResponses, standardise } from "../../server/offline/offline.ts";
import { random } from "../../server/random.ts";
import { readPresentationsCsv, readSpikesCsv } from "../../server/recordings/csv.ts";
import type { SessionSummary } from "../../server/session/summary.ts";
import type { UnitReport } from "../../server/tuning/report.ts";
import { start, temporaryFolder } from "../cli.ts";

const out = temporaryFolder();
afterAll(() => rm(out, { recursive: true }));
const file = (name: string) => join(out, name);
const rgc = "test/fixtures/recordings/rgc";

test("F6: counts of a real cell are those that its own lab published, in every trial", async () => {
  const recording = await readSpikesCsv(`${rgc}/spikes.csv`);
  const { onsetS, columns } = await readPresentationsCsv(`${rgc}/shown.csv`);
  const counts = countResponses(recording, onsetS, { latencyMs: 50, windowMs: 200 });
  expect(counts.map(([n]) => n)).toEqual(columns.count_50_250ms);
});

test("F6, P8: a real unit's second bump is missed by a smooth curve, which is warned of; the length scale that is asked for finds it", async () => {
  const rows = gunzipSync(readFileSync("sim/study/recorded/disparity_v1v2.csv.gz")).toString("utf8").split("\n");
  const shows = new Map<string, number>();
  const own = rows.flatMap((row) => {
    const [unit, , windowS, disparity, count] = row.split(",");
    if (unit !== "736" || Number(disparity) <= -1000) return [];
    const round = shows.get(disparity) ?? 0;
    shows.set(disparity, round + 1);
    return [{ round, windowS: Number(windowS), disparity, count: Number(count) }];
  });
  const trials = own.sort((a, b) => a.round - b.round);
  const spikes = trials.flatMap(({ windowS, count }, n) =>
    Array.from({ length: count }, (_, i) => ({ unit: "736", time_s: n + (windowS * (i + 0.5)) / count })),
  );
  writeFileSync(file("736.csv"), Papa.unparse(spikes));
  writeFileSync(file("736-shown.csv"), Papa.unparse(trials.map(({ disparity }, n) => ({ onset_s: n, disparity }))));
  writeFileSync(file("finer.yaml"), "tuning: { lengthScale: 0.25 }");
  const learned = async (...more: string[]) => {
    const { stderr, folder, summary } = await analyse(
      ...[file("736.csv"), "--presentations", file("736-shown.csv"), "--latents", "disparity", "--standardise"],
      ...["--latency", "0", "--window", "418", ...more],
    );
    const { units, shown } = JSON.parse(readFileSync(join(folder, "estimates.json"), "utf8")) as {
      units: UnitReport[];
      shown: { low: number[]; high: number[] };
    };
    expect([shown.low[0], shown.high[0]].map((z) => z.toFixed(1))).toEqual(["-1.6", "1.6"]);
    return { stderr, gain: summary.units[0].heldOutGain!.additive.estimate, fano: units[0].fano };
  };
  const smooth = await learned();
  expect(smooth.stderr).toContain("its curve over z1 is finer than the model can follow");
  const finer = await learned("--experiment", file("finer.yaml"));
  expect(finer.stderr).not.toContain("warning");
  expect(finer.gain).toBeGreaterThan(smooth.gain + 0.2);
  // The scatter about single disparities has a Fano factor of 1.0.
  expect([smooth.fano, finer.fano].map((fano) => fano.toFixed(1))).toEqual(["1.3", "1.1"]);
}, 60_000);

test("standardised latents have mean 0 and standard deviation 1, one that never moves is 0", () => {
  const rows = standardise([Float64Array.of(1, 5, 7), Float64Array.of(3, 9, 7), Float64Array.of(5, 1, 7)]);
  for (const d of [0, 1]) {
    expect(rows.reduce((sum, row) => sum + row[d], 0)).toBeCloseTo(0, 12);
    expect(rows.reduce((sum, row) => sum + row[d] ** 2, 0) / 3).toBeCloseTo(1, 12);
  }
  expect(rows.map((row) => row[2])).toEqual([0, 0, 0]);
});

/** Spikes of two units to so many presentations of 0.3 s: one answers to the first latent, one to nothing. */
function simulated(presentations: readonly Float64Array[]): string {
  const r = random("offline");
  const rows: { unit: string; time_s: number }[] = [];
  presentations.forEach((z, i) => {
    for (const [unit, rate] of [
      ["tuned", 15 * Math.exp(0.5 * z[0])],
      ["flat", 12],
    ] as const)
      for (let t = -Math.log(1 - r.uniform()) / rate; t < 0.3; t += -Math.log(1 - r.uniform()) / rate)
        rows.push({ unit, time_s: 0.3 * i + t });
  });
  const path = file(`spikes-${presentations.length}.csv`);
  writeFileSync(path, Papa.unparse(rows));
  return path;
}

let analyses = 0;
const analyse = async (...args: string[]) => {
  const folder = file(`analysis-${++analyses}`);
  const { code, stdout, stderr } = await start("analyse", ...args, "--out", folder, "--json").finished;
  return { code, stderr, folder, summary: (code === 0 ? JSON.parse(stdout) : null) as SessionSummary };
};

describe("F6: a recording made elsewhere is learned from as if it had been online", () => {
  const r = random("faces");
  const faces = Array.from({ length: 200 }, () => Float64Array.from({ length: 3 }, () => r.normal() * 0.9));
  const table = file("shown.csv");
  writeFileSync(
    table,
    Papa.unparse(faces.map(([z1, z2, z3], i) => ({ onset_s: 0.3 * i, z1, z2, z3, picture: `p${i}.png` }))),
  );

  test("latents from the table: which unit is tuned to what, and files with the counts that were learned from", async () => {
    const { code, stderr, folder, summary } = await analyse(
      ...[simulated(faces), "--presentations", table, "--latency", "0", "--window", "300"],
    );
    expect(code, stderr).toBe(0);
    expect(stderr).toContain(`200 trials, `);
    expect(stderr).not.toMatch(/session|frames/);
    expect(summary).toMatchObject({ trials: 200, usableTrials: 200 });
    const [tuned, flat] = ["tuned", "flat"].map((name) => summary.units.find(({ unit }) => unit === name)!);
    expect(tuned.bestLatent).toBe(0);
    // A line in one latent is explained as well by lines in several, of which the others are flat.
    expect(tuned.share).toBeGreaterThan(0.9);
    expect(tuned.notTuned).toBeLessThan(0.01);
    expect(flat.notTuned).toBeGreaterThan(0.5);
    const rows = Papa.parse<Record<string, string>>(readFileSync(join(folder, "counts.csv"), "utf8"), {
      header: true,
    });
    const total = rows.data.reduce((sum, row) => sum + Number(row["count tuned"] ?? 0), 0);
    expect(total).toBe(tuned.spikes);
  });

  test("units that hardly fire are not said to be tuned, nor warned of", async () => {
    const rows = [5, 25, 60, 120].flatMap((spikes) =>
      Array.from({ length: spikes }, () => ({ unit: `${spikes} spikes`, time_s: 0.3 * r.int(600) + 0.1 })),
    );
    const many = Array.from({ length: 600 }, (_, i) => ({
      onset_s: 0.3 * i,
      ...Object.fromEntries(Array.from({ length: 12 }, (_, d) => [`z${d + 1}`, 5 * (r.uniform() - 0.5)])),
    }));
    writeFileSync(file("hardly.csv"), Papa.unparse(rows));
    writeFileSync(file("many.csv"), Papa.unparse(many));
    const { code, stderr, summary } = await analyse(
      ...[file("hardly.csv"), "--presentations", file("many.csv"), "--latency", "0", "--window", "300"],
    );
    expect(code, stderr).toBe(0);
    for (const { notTuned, warning } of summary.units) {
      expect(notTuned).toBeGreaterThan(0.5);
      expect(warning).toBeNull();
    }
    expect(stderr).toMatch(/5 spikes .*too few spikes/);
  });

  test("a folder that holds something else is not written over", async () => {
    const args = ["--presentations", table, "--latency", "0", "--window", "300", "--out", file("kept")];
    const first = simulated(faces);
    const second = file("second.csv");
    copyFileSync(first, second);
    expect((await start("analyse", first, ...args).finished).code).toBe(0);
    const before = readFileSync(file("kept/summary.json"), "utf8");
    expect(await start("analyse", second, ...args).finished).toMatchObject({
      code: 2,
      stderr: `latentloop: --out ${file("kept")}: expected a new folder or an analysis of ${second}, found ${first}\n`,
    });
    expect(readFileSync(file("kept/summary.json"), "utf8")).toBe(before);
    expect((await start("analyse", first, ...args).finished).code).toBe(0);
    writeFileSync(file("kept/summary.json"), '{ "experiment": "one-to-one" }');
    const { code, stderr } = await start("analyse", first, ...args).finished;
    expect([code, stderr]).toEqual([2, expect.stringMatching(/found one that does not say of what\n$/)]);
    mkdirSync(file("running"));
    writeFileSync(file("running/journal.llj"), "");
    const session = await start("analyse", first, ...args.slice(0, -1), file("running")).finished;
    expect([session.code, session.stderr]).toEqual([2, expect.stringMatching(/found a session\n$/)]);
    expect(readdirSync(file("running"))).toEqual(["journal.llj"]);
  });

  test("latents from images, by the model's encoder", async () => {
    const { decoder } = await openModel(await readModel(bundledModel("faces-64")));
    const few = Array.from({ length: 40 }, () => Float64Array.from({ length: 12 }, () => r.normal() * 0.8));
    const rgba = await decoder.decode(Float32Array.from(few.flatMap((z) => [...z])));
    decoder.dispose();
    mkdirSync(file("pictures"));
    for (let i = 0; i < few.length; i++) {
      const pixels = rgba.subarray(i * 64 * 64 * 4, (i + 1) * 64 * 64 * 4);
      await sharp(Buffer.from(pixels), { raw: { width: 64, height: 64, channels: 4 } })
        .png()
        .toFile(file(`pictures/${i}.png`));
    }
    const images = file("pictures/shown.csv");
    writeFileSync(images, Papa.unparse(few.map((_, i) => ({ onset_s: 0.3 * i, picture: `${i}.png` }))));
    const { code, stderr, folder } = await analyse(
      ...[simulated(few), "--presentations", images, "--images", "picture", "--latency", "0", "--window", "300"],
    );
    expect(code, stderr).toBe(0);
    const rows = Papa.parse<Record<string, string>>(readFileSync(join(folder, "counts.csv"), "utf8"), {
      header: true,
      skipEmptyLines: true,
    }).data;
    const encoded = rows.map((row) => Object.values(row).slice(1, 13).map(Number));
    const squares = encoded.flatMap((z, i) => z.map((value, d) => (value - few[i][d]) ** 2));
    // The encoder's own error on what its decoder made.
    expect(Math.sqrt(squares.reduce((a, b) => a + b, 0) / squares.length)).toBeLessThan(0.6);
  });

  test("what is missing or does not fit is named", async () => {
    const spikes = simulated(faces);
    const none = await analyse(spikes);
    expect([none.code, none.stderr]).toEqual([
      2,
      expect.stringContaining("expected a table of presentations, found none"),
    ]);
    const column = await analyse(spikes, "--presentations", table, "--latents", "z1", "smile");
    expect([column.code, column.stderr]).toEqual([
      2,
      expect.stringContaining("expected a column smile, found z1, z2, z3, picture"),
    ]);
    const word = await analyse(spikes, "--presentations", table, "--latents", "picture");
    expect([word.code, word.stderr]).toEqual([
      2,
      expect.stringContaining("picture: expected a number in row 1, found p0.png"),
    ]);
    const far = file("far.csv");
    writeFileSync(far, "onset_s,z1\n0,80\n1,20\n");
    const scaled = await analyse(spikes, "--presentations", far);
    expect([scaled.code, scaled.stderr]).toEqual([2, expect.stringContaining("found 80.0; --standardise")]);
  });
});
