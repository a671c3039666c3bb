import { readFileSync } from "node:fs";
import { appendFile, mkdir, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { expect, test } from "vitest";
import { openModel } from "../../server/model/backends.ts";
import { bundledModel, readModelFolder } from "../../server/model/model-folder.ts";
import { random } from "../../server/random.ts";
import { start, temporaryFolder } from "../cli.ts";

/** Pictures of two greys, with a factors.csv that knows them: what `faces` leaves behind, smaller. */
async function pictures(count: number, side = 16): Promise<string> {
  const folder = temporaryFolder();
  await mkdir(join(folder, "images"));
  const draws = random("greys");
  const rows = ["image,inside,outside"];
  for (let i = 0; i < count; i++) {
    const [inside, outside] = [draws.uniform(), draws.uniform()];
    const pixels = new Uint8Array(side * side * 3).map((_, k) => {
      const [x, y] = [Math.floor(k / 3) % side, Math.floor(k / 3 / side)];
      return 255 * (x > side / 4 && x < (3 * side) / 4 && y > side / 4 && y < (3 * side) / 4 ? inside : outside);
    });
    const name = `${String(i).padStart(6, "0")}.png`;
    await sharp(pixels, { raw: { width: side, height: side, channels: 3 } })
      .png()
      .toFile(join(folder, "images", name));
    rows.push(`${name},${inside},${outside}`);
  }
  await writeFile(join(folder, "factors.csv"), `${rows.join("\n")}\n`);
  return folder;
}

const train = (images: string, out: string, ...more: string[]) =>
  start("train", "--images", images, "--out", out, "--backend", "wasm", ...more);

test("a model is trained, interrupted, gone on with to the same end, and measured", { timeout: 180_000 }, async () => {
  const images = await pictures(60);
  const recipe = ["--latents", "2", "--steps", "40", "--batch", "8", "--beta", "1", "--seed", "3"];
  const whole = join(temporaryFolder(), "whole");
  expect(await train(images, whole, ...recipe).finished).toMatchObject({ code: 0 });
  const stopped = join(temporaryFolder(), "stopped");
  const running = train(images, stopped, ...recipe);
  await running.says(/images to train on/);
  running.signal("SIGINT");
  const { code, stderr } = await running.finished;
  expect([code, stderr]).toEqual([
    0,
    expect.stringMatching(/saving the model first[\s\S]* \d+ steps, \d of 2 latents/),
  ]);
  const begun = await readModelFolder(stopped);
  expect(begun.card.made.steps).toBeLessThan(40);

  const other = await train(images, stopped, "--resume", "--beta", "2").finished;
  expect([other.code, other.stderr]).toEqual([2, expect.stringContaining("--resume: expected no --beta")]);
  const again = await train(images, stopped, ...recipe).finished;
  expect([again.code, again.stderr]).toEqual([2, expect.stringContaining("go on with --resume")]);
  expect(await train(images, stopped, "--resume").finished).toMatchObject({ code: 0 });
  const [a, b] = [await readModelFolder(whole), await readModelFolder(stopped)];
  expect(b.weights).toEqual(a.weights);

  const next = join(temporaryFolder(), "next");
  const second = [...recipe.slice(0, 2), "--steps", "1", "--from", whole, "--learning-rate", "1e-7"];
  expect(await train(images, next, ...second).finished).toMatchObject({ code: 0 });
  const { card, weights } = await readModelFolder(next);
  expect(card.made.from).toEqual(a.card.made);
  expect(weights["decoder/conv0/bias"][0]).toBeCloseTo(a.weights["decoder/conv0/bias"][0], 5);
  const unlike = await train(images, join(temporaryFolder(), "unlike"), "--latents", "3", "--from", whole).finished;
  expect([unlike.code, unlike.stderr]).toEqual([
    2,
    expect.stringContaining("expected 3 latents, 16 pixels and RGB, found 2 latents"),
  ]);

  const report = await readFile(join(stopped, "report.html"), "utf8");
  for (const part of ["Reconstructions", "Traversals", "<polyline", "data:image/png;base64,", "<td>outside</td>"]) {
    expect(report).toContain(part);
  }
  const measured = await start("evaluate", stopped, "--faces", images, "--against", whole, "--json").finished;
  const found = JSON.parse(measured.stdout);
  expect(found).toMatchObject({ images: 60, udr: { score: expect.any(Number) }, mig: expect.any(Number) });
  expect(found.factors.map(({ name }: { name: string }) => name)).toEqual(["inside", "outside"]);
  // The same model twice agrees with itself as well as latents are told apart from one another.
  expect(found.udr.score).toBe(found.udr.against[0].score);
});

test("a grey model: trained with --gray, gone on with as such, and its faces are grey", {
  timeout: 120_000,
}, async () => {
  const images = await pictures(60);
  const out = join(temporaryFolder(), "grey");
  const recipe = ["--gray", "--latents", "2", "--steps", "30", "--batch", "8", "--beta", "0.1"];
  expect(await train(images, out, ...recipe).finished).toMatchObject({ code: 0 });
  expect((await train(images, out, "--resume").finished).code).toBe(0);
  const model = await readModelFolder(out);
  expect(model.card).toMatchObject({ image: { channels: 1 }, architecture: { channels: 1 } });
  expect(model.card.made.command).toContain("--gray");
  const { decoder } = await openModel(model, "wasm");
  const faces = await decoder.decode(Float32Array.of(0.5, -1, 2, 0));
  expect(faces.length).toBe(2 * 16 * 16 * 4);
  for (let i = 0; i < faces.length; i += 4)
    expect([...faces.subarray(i, i + 4)]).toEqual([faces[i], faces[i], faces[i], 255]);
  expect(Math.max(...faces.filter((_, i) => i % 4 === 0))).toBeGreaterThan(Math.min(...faces));
  const { mean } = await decoder.encode!(faces);
  expect(mean).toHaveLength(4);
  const colour = join(temporaryFolder(), "colour");
  const unlike = await train(images, colour, ...recipe.slice(1), "--from", out).finished;
  expect(unlike.stderr).toContain("expected 2 latents, 16 pixels and RGB, found 2 latents, 16 pixels and grey");
  const measured = await start("evaluate", out, "--faces", images, "--json").finished;
  expect(measured.code, measured.stderr).toBe(0);
  expect(JSON.parse(measured.stdout).psnrDb).toBeGreaterThan(5);
});

test("a checkpoint that is not one, or of other images, is refused", { timeout: 60_000 }, async () => {
  const images = await pictures(20);
  const out = join(temporaryFolder(), "model");
  const recipe = ["--latents", "2", "--steps", "2", "--batch", "4"];
  expect((await train(images, out, "--resume").finished).stderr).toMatch(
    /--resume: expected .*checkpoint\.bin.*found none/,
  );
  expect(await train(images, out, ...recipe).finished).toMatchObject({ code: 0 });
  expect((await train(await pictures(21), out, "--resume").finished).stderr).toMatch(
    /expected the 20 images.*found 21/,
  );
  const checkpoint = join(out, "checkpoint.bin");
  await appendFile(checkpoint, "x");
  const size = readFileSync(checkpoint).length;
  const longer = await train(images, out, "--resume").finished;
  expect([longer.code, longer.stderr]).toEqual([
    2,
    expect.stringContaining(`expected ${size - 1} bytes, found ${size}`),
  ]);
  await truncate(checkpoint, 10);
  expect((await train(images, out, "--resume").finished).stderr).toContain("expected a line of JSON first");
});

test("evaluate says what it wants", { timeout: 60_000 }, async () => {
  const few = await start("evaluate", "faces-64", "--faces", await pictures(10, 64)).finished;
  expect([few.code, few.stderr]).toEqual([2, expect.stringContaining("at least 50 images to measure on, found 10")]);
  const small = await start("evaluate", bundledModel("faces-64"), "--faces", await pictures(4)).finished;
  expect([small.code, small.stderr]).toEqual([2, expect.stringContaining("expected images of 64 pixels")]);
});
