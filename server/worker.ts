import { parentPort, Worker, workerData } from "node:worker_threads";
import { expose, type Remote, transfer, wrap } from "comlink";
import nodeEndpoint from "comlink/dist/esm/node-adapter.mjs";
import { compiledModule } from "./package-root.ts";

export interface WorkerHandle<Api> {
  /** The worker's functions, each answering with a promise; calls are served in order. */
  call: Remote<Api>;
  dispose(): Promise<void>;
}

/**
 * Starts a worker thread from a compiled module (path below dist/) that calls `serve`.
 *
 * @param failed called once if the worker dies: calls that are under way are then never answered
 */
export function openWorker<Api>(module: string, data: unknown, failed: (error: Error) => void): WorkerHandle<Api> {
  const worker = new Worker(compiledModule(module), { workerData: data });
  let disposed = false;
  worker.on("error", failed);
  worker.on("exit", (code) => {
    if (!disposed && code !== 0) failed(new Error(`${module} ended with code ${code}`));
  });
  return {
    call: wrap<Api>(nodeEndpoint(worker)),
    async dispose() {
      disposed = true;
      await worker.terminate();
    },
  };
}

/** In a worker: offers functions to the thread that started it. */
export function serve<Api extends object>(make: (data: never) => Api): void {
  expose(make(workerData as never), nodeEndpoint(parentPort!));
}

/** Hands an array's buffer over instead of copying it. */
export const handOver = <T extends { buffer: ArrayBufferLike }>(array: T): T =>
  transfer(array, [array.buffer as ArrayBuffer]);
