import { parentPort, workerData } from "node:worker_threads";
import { drawFactors } from "./factors.ts";
import { headModel, targetNames } from "./head.ts";
import { readHeadData } from "./makehuman.ts";
import { createRenderer } from "./render.ts";

/** Renders the ranges of images that it is asked for: {from, to} → {from, pixels: RGB of all of them}. */
const { folder, size, seed } = workerData as { folder: string; size: number; seed: number };
const renderer = createRenderer(headModel(await readHeadData(folder, targetNames)), size);

parentPort!.on("message", ({ from, to }: { from: number; to: number }) => {
  const pixels = new Uint8Array((to - from) * size * size * 3);
  for (let i = from; i < to; i++) pixels.set(renderer.render(drawFactors(seed, i)), (i - from) * size * size * 3);
  parentPort!.postMessage({ from, pixels }, [pixels.buffer]);
});
