import { mkdtemp, readFile, truncate, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ConfigurationError } from "../../server/failure.ts";
import { bundledModel, readModelFolder, writeModelFolder } from "../../server/model/model-folder.ts";
import { packageRoot } from "../../server/package-root.ts";
import { tinyArchitecture, untrained } from "./tiny.ts";

const model = untrained(tinyArchitecture);

async function written(): Promise<string> {
  const folder = join(await mkdtemp(join(tmpdir(), "model-")), "tiny");
  await writeModelFolder(folder, model.card, model.weights);
  return folder;
}

// biome-ignore lint/suspicious/noExplicitAny: the point is to break a card in ways that its type forbids
async function withCard(change: (card: any) => void): Promise<string> {
  const folder = await written();
  const card = JSON.parse(await readFile(join(folder, "card.json"), "utf8"));
  change(card);
  await writeFile(join(folder, "card.json"), JSON.stringify(card));
  return folder;
}

async function refused(folder: string, reason: RegExp) {
  const error: Error = await readModelFolder(folder).then(
    () => expect.unreachable("the model was accepted"),
    (error) => error,
  );
  expect(error).toBeInstanceOf(ConfigurationError);
  expect(error.message).toMatch(reason);
  expect(error.message).not.toContain("\n");
}

test("a model read is the model written", async () => {
  const read = await readModelFolder(await written());
  expect(read.weights).toEqual(model.weights);
  expect({ ...read.card, weights: model.card.weights }).toEqual(model.card);
});

test("a missing folder, card or weights file is named", async () => {
  await refused("/nowhere/at/all", /\/nowhere\/at\/all: expected a folder/);
  for (const file of ["card.json", "weights.bin"]) {
    const folder = await written();
    await unlink(join(folder, file));
    await refused(folder, new RegExp(`expected a readable ${file}`));
  }
});

test("a card's missing or wrong field is named, with what was expected and found", async () => {
  await refused(await withCard((card) => delete card.image), /image: .*expected object.*found nothing/);
  await refused(await withCard((card) => (card.latents.count = "3")), /latents\.count: .*number/);
  await refused(await withCard((card) => (card.latents.count = 4)), /latents\.count: expected 3, found 4/);
  await refused(
    await withCard((card) => (card.format = "latentloop-model/9")),
    /format: .*latentloop-model\/1.*found "latentloop-model\/9"/,
  );
  const folder = await written();
  await writeFile(join(folder, "card.json"), "{");
  await refused(folder, /card\.json: expected JSON/);
});

test("weights that are cut short, altered or not finite are refused", async () => {
  const short = await written();
  await truncate(join(short, "weights.bin"), 100);
  await refused(short, /expected at least \d+ bytes.*found 100/);
  const altered = await written();
  const bytes = await readFile(join(altered, "weights.bin"));
  bytes.writeFloatLE(0.125, 0);
  await writeFile(join(altered, "weights.bin"), bytes);
  await refused(altered, /expected SHA-256/);
  bytes.writeFloatLE(Number.NaN, 8);
  await writeFile(join(altered, "weights.bin"), bytes);
  await refused(altered, /encoder\/conv0\/kernel: expected finite numbers, found NaN at 2/);
});

test("weights of another shape than the architecture's are refused", async () => {
  const folder = await withCard((card) => {
    card.architecture.hidden = 7;
  });
  await refused(folder, /encoder\/hidden\/kernel: expected shape \[20,7\], found \[20,6\]/);
});

test("the model that ships is found by name and is sound; other names are paths", async () => {
  expect(bundledModel("faces-64")).toBe(join(packageRoot, "server", "model", "faces-64"));
  expect(bundledModel("./mine", "/data/session.yaml")).toBe("/data/mine");
  const { card } = await readModelFolder(bundledModel("faces-64"));
  expect(card.latents.count).toBe(12);
  expect(card.image).toMatchObject({ width: 64, height: 64 });
});
