import { Worker } from "node:worker_threads";
import { compiledModule } from "../../server/package-root.ts";

/** Heads that a thread is asked for at once. */
export const headsAtOnce = 16;

/**
 * Renders heads of a set on several threads.
 *
 * @param makehuman folder of MakeHuman's data
 * @param starts first heads of the batches that are wanted, each of `headsAtOnce`, the set's last one shorter
 * @param rendered told of each batch: the index of its first head, and its RGB bytes [heads][size][size][3]
 * @throws what `rendered` throws, and the reason of `stopped`
 */
export async function renderHeads(
  makehuman: string,
  { count, size, seed }: { count: number; size: number; seed: number },
  starts: readonly number[],
  threads: number,
  rendered: (from: number, pixels: Uint8Array) => Promise<void> | void,
  stopped?: AbortSignal,
): Promise<void> {
  const waiting = starts.values();
  const lane = async () => {
    const worker = new Worker(compiledModule("sim/faces/render-worker.js"), {
      workerData: { folder: makehuman, size, seed },
    });
    try {
      for (const from of waiting) {
        stopped?.throwIfAborted();
        await rendered(from, await answer(worker, { from, to: Math.min(count, from + headsAtOnce) }));
      }
    } finally {
      await worker.terminate();
    }
  };
  await Promise.all(Array.from({ length: Math.min(threads, starts.length) }, lane));
}

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
