import { constants, existsSync } from "node:fs";
import { mkdir, open, readFile, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { ConfigurationError } from "../../server/failure.ts";
import { drawFactors, type FactorName, factors } from "./factors.ts";
import { makehumanPackage } from "./makehuman.ts";
import { headsAtOnce, renderHeads } from "./render-pool.ts";
import { varianceShares } from "./variance.ts";

export interface FacesRecipe {
  count: number;
  size: number;
  seed: number;
}

/** Version of what a seed gives: raise it whenever a head with the same factors would look different. */
export const rendererVersion = 2;

/** So many heads are enough to measure shares of variance to a per cent. */
const measuredHeads = 4000;

/**
 * Renders a set of heads into `folder`: images/000000.png…, factors.csv, images.u8 (RGB bytes [count][size][size][3], for
 * training) and manifest.json. Image i is a function of (seed, i) and the renderer's version. An interrupted rendering goes
 * on where it stopped. `done(n)` reports progress. Resolves to the factors' shares of the pixels' variance. Throws
 * ConfigurationError if the folder holds another set.
 */
export async function writeFaces(
  folder: string,
  makehuman: string,
  recipe: FacesRecipe,
  done: (heads: number) => void,
  threads = availableParallelism(),
): Promise<Record<FactorName, number>> {
  const { count, size, seed } = recipe;
  const bytes = size * size * 3;
  await mkdir(join(folder, "images"), { recursive: true });
  const ledger = await openLedger(folder, { ...recipe, rendererVersion });
  const packed = await open(join(folder, "images.u8"), constants.O_RDWR | constants.O_CREAT);
  const waiting: number[] = [];
  for (let from = 0; from < count; from += headsAtOnce) if (!ledger.finished.has(from)) waiting.push(from);
  let finished = count - waiting.reduce((sum, from) => sum + Math.min(headsAtOnce, count - from), 0);
  const measured = Math.min(count, measuredHeads);
  const sample = new Uint8Array(measured * bytes);
  try {
    await renderHeads(makehuman, recipe, waiting, threads, async (from, pixels) => {
      await packed.write(pixels, 0, pixels.length, from * bytes);
      const heads = pixels.length / bytes;
      for (let k = 0; k < heads; k++) {
        await sharp(pixels.subarray(k * bytes, (k + 1) * bytes), { raw: { width: size, height: size, channels: 3 } })
          .png({ compressionLevel: 6 })
          .toFile(join(folder, "images", imageName(from + k)));
      }
      await ledger.add(from);
      finished += heads;
      done(finished);
    });
    await packed.read(sample, 0, sample.length, 0);
  } finally {
    await ledger.close();
    await packed.close();
  }
  const drawn = Array.from({ length: count }, (_, i) => drawFactors(seed, i));
  const header = ["image", ...factors.map(({ name }) => name)].join(",");
  const rows = drawn.map((f, i) => [imageName(i), ...factors.map(({ name }) => f[name].toFixed(6))].join(","));
  await writeFile(join(folder, "factors.csv"), `${[header, ...rows].join("\n")}\n`);
  const shares = varianceShares(
    factors.map(({ name }) => Float64Array.from(drawn.slice(0, measured), (f) => f[name])),
    factors.map(({ range }) => range),
    (i) => sample.subarray(i * bytes, (i + 1) * bytes),
  );
  const shareOf = Object.fromEntries(factors.map(({ name }, f) => [name, shares[f]])) as Record<FactorName, number>;
  const manifest = {
    format: "latentloop-faces/1",
    count,
    seed,
    image: { width: size, height: size, channels: 3 },
    packed: "images.u8",
    rendererVersion,
    source: makehumanPackage,
    factors,
    varianceShares: shareOf,
  };
  await writeFile(join(folder, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  return shareOf;
}

/**
 * Which batches of a set are on disk: rendered.txt, a line of JSON with the recipe, then the first index of each batch,
 * written when its pixels are. Throws ConfigurationError if the file is of another recipe.
 */
async function openLedger(folder: string, recipe: FacesRecipe & { rendererVersion: number }) {
  const path = join(folder, "rendered.txt");
  const { count, size, seed } = recipe;
  const label = JSON.stringify({ count, size, seed, rendererVersion: recipe.rendererVersion });
  const [found, ...batches] = existsSync(path) ? (await readFile(path, "utf8")).split("\n") : [label];
  if (found !== label) {
    throw new ConfigurationError(`--out ${folder}: expected no heads there or those of ${label}, found ${found}`);
  }
  if (!existsSync(path)) await writeFile(path, `${label}\n`);
  const file = await open(path, "a");
  return {
    // A line cut short by a crash is a batch to do again.
    finished: new Set(batches.slice(0, -1).map(Number)),
    add: (from: number) => file.appendFile(`${from}\n`),
    close: () => file.close(),
  };
}

const imageName = (index: number) => `${String(index).padStart(6, "0")}.png`;
