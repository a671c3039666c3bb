import { existsSync } from "node:fs";
import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { random } from "../../server/random.ts";
import type { PaperRow } from "../../sim/paper/paper.ts";
import { start } from "../cli.ts";

/** Blobs of known place and colour, 16 × 16, as `faces` writes them. */
async function blobs(count: number): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "blobs-"));
  const r = random(1);
  const lines = ["image,x,y,red"];
  const pixels = new Uint8Array(count * 16 * 16 * 3);
  for (let i = 0; i < count; i++) {
    const [x, y, red] = [r.uniform(), r.uniform(), r.uniform()];
    lines.push(`${i}.png,${x},${y},${red}`);
    for (let v = 0; v < 16; v++)
      for (let u = 0; u < 16; u++) {
        const light = Math.exp(-((u - 3 - 10 * x) ** 2 + (v - 3 - 10 * y) ** 2) / 18);
        pixels.set([255 * light * red, 255 * light * (1 - red), 128 * light], ((i * 16 + v) * 16 + u) * 3);
      }
  }
  const manifest = { format: "latentloop-faces/1", count, image: { width: 16 }, packed: "images.u8" };
  await writeFile(join(folder, "manifest.json"), JSON.stringify(manifest));
  await writeFile(join(folder, "images.u8"), pixels);
  await writeFile(join(folder, "factors.csv"), lines.join("\n"));
  return folder;
}

test("the paper's question, on blobs: trained, judged, written, and taken up again", async () => {
  const faces = await blobs(400);
  const out = join(await mkdtemp(join(tmpdir(), "paper-")), "out");
  const args = [
    ...["paper", "--faces", faces, "--out", out, "--seeds", "1", "--size", "16", "--train", "200", "--held-out", "200"],
    ...["--latents", "4", "--steps", "80", "--batch", "16", "--beta", "0.05", "--beta-from", "0.05", "--cells", "18"],
    ...["--learning-rate", "0.003", "--rotations", "3", "--backend", "wasm", "--json"],
  ];
  const { code, stdout, stderr } = await start(...args).finished;
  expect(code, stderr).toBe(0);
  const rows = JSON.parse(stdout) as PaperRow[];
  expect(rows.map(({ model }) => model)).toEqual([
    "β-VAE",
    "VAE (β = 1)",
    "AE",
    "PCA 4",
    "PCA, as many as the β-VAE",
    "true factors",
  ]);
  // What the cells code has its margin, and none where they code mixtures.
  const truth = rows.at(-1)!.alignment;
  expect(truth["single factors"].margin.mean).toBeGreaterThan(0.3);
  expect(Math.abs(truth.mixtures.margin.mean)).toBeLessThan(0.15);
  for (const file of ["table.md", "figure.svg", "figures.json", "models/ae-1/card.json"])
    expect(existsSync(join(out, file)), file).toBe(true);
  expect(await readFile(join(out, "figure.svg"), "utf8")).toMatch(/^<svg/);
  const again = await start(...args).finished;
  expect(JSON.parse(again.stdout)).toEqual(rows);
}, 240_000);

test("a set without known factors, or too small, is refused with what was expected", async () => {
  const faces = await blobs(20);
  const small = await start("paper", "--faces", faces, "--size", "16").finished;
  expect(small.code).toBe(2);
  expect(small.stderr).toMatch(/expected at least 8000 \+ 1500 images .*found 20/);
  const odd = await start("paper", "--faces", faces, "--size", "17").finished;
  expect(odd.stderr).toMatch(/--size: expected 16 or a half of it/);
});
