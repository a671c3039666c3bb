import { mkdir, open, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import sharp from "sharp";
import { compiledModule } from "../../server/package-root.ts";
import { drawFactors, type FactorName, factors } from "./factors.ts";
import { makehumanPackage } from "./makehuman.ts";
import { varianceShares } from "./variance.ts";

export interface FacesRecipe {
  count: number;
  size: number;
  seed: number;
}

/** Version of what a seed gives: raise it whenever a head with the same factors would look different. */
const rendererVersion = 2;

const batch = 16;
/** So many heads are enough to measure shares of variance to a per cent. */
const measuredHeads = 4000;

/**
 * Renders a set of heads into `folder`: images/000000.png…, factors.csv, images.u8 (RGB bytes [count][size][size][3], for
 * training) and manifest.json. Image i is a function of (seed, i) and the renderer's version. `done(n)` reports progress.
 * Resolves to the factors' shares of the pixels' variance.
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
  const packed = await open(join(folder, "images.u8"), "w");
  const measured = Math.min(count, measuredHeads);
  const sample = new Uint8Array(measured * bytes);
  let next = 0;
  let finished = 0;
  try {
    const work = async () => {
      const worker = new Worker(compiledModule("sim/faces/render-worker.js"), {
        workerData: { folder: makehuman, size, seed },
      });
      try {
        while (next < count) {
          const from = next;
          const to = Math.min(count, from + batch);
          next = to;
          const pixels = await answer(worker, { from, to });
          await packed.write(pixels, 0, pixels.length, from * bytes);
          if (from < measured)
            sample.set(pixels.subarray(0, Math.min(pixels.length, (measured - from) * bytes)), from * bytes);
          for (let i = from; i < to; i++) {
            await sharp(pixels.subarray((i - from) * bytes, (i - from + 1) * bytes), {
              raw: { width: size, height: size, channels: 3 },
            })
              .png({ compressionLevel: 6 })
              .toFile(join(folder, "images", imageName(i)));
          }
          finished += to - from;
          done(finished);
        }
      } finally {
        await worker.terminate();
      }
    };
    await Promise.all(Array.from({ length: Math.min(threads, Math.ceil(count / batch)) }, work));
  } finally {
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

const imageName = (index: number) => `${String(index).padStart(6, "0")}.png`;

function answer(worker: Worker, range: { from: number; to: number }): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const settle = () => {
      worker.off("message", arrived);
      worker.off("error", failed);
    };
    const arrived = (message: { pixels: Uint8Array }) => {
      settle();
      resolve(message.pixels);
    };
    const failed = (error: unknown) => {
      settle();
      reject(error);
    };
    worker.on("message", arrived);
    worker.on("error", failed);
    worker.postMessage(range);
  });
}
