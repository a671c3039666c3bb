import { constants, getPriority, setPriority } from "node:os";
import { parentPort, Worker, workerData } from "node:worker_threads";
import { expose, transfer, wrap } from "comlink";
import nodeEndpoint from "comlink/dist/esm/node-adapter.mjs";
import { compiledModule } from "./package-root.ts";

export interface WorkerHandle<Api> {
  /** Calls one of the worker's functions; calls are served in order. Rejects if the worker dies. */
  call<Name extends keyof Api>(name: Name, ...args: Parameters<Method<Api[Name]>>): Promise<Answer<Api[Name]>>;
  dispose(): Promise<void>;
}

type Method<F> = F extends (...args: infer A) => infer R ? (...args: A) => R : never;
type Answer<F> = Awaited<ReturnType<Method<F>>>;

/**
 * Starts a worker thread from a compiled module (path below dist/) that calls `serve`.
 *
 * @param failed called once if the worker dies
 */
export function openWorker<Api>(module: string, data: unknown, failed: (error: Error) => void): WorkerHandle<Api> {
  const worker = new Worker(compiledModule(module), { workerData: data });
  const remote = wrap<Record<string, (...args: unknown[]) => unknown>>(nodeEndpoint(worker));
  let disposed = false;
  let death: Error | null = null;
  /** Of calls that wait for their answers. A race of each with one promise of the worker's death would keep every answer until then. */
  const waiting = new Set<(error: Error) => void>();
  const die = (error: Error) => {
    if (death) return;
    death = error;
    for (const reject of waiting) reject(error);
    if (!disposed) failed(error);
  };
  worker.once("error", die);
  worker.once("exit", (code) => die(new Error(`${module} ended with code ${code}`)));
  return {
    call: (name, ...args) =>
      new Promise<Answer<Api[typeof name]>>((resolve, reject) => {
        if (death) return reject(death);
        waiting.add(reject);
        (remote[name as string](...args) as Promise<Answer<Api[typeof name]>>)
          .then(resolve, reject)
          .finally(() => waiting.delete(reject));
      }),
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

/**
 * In a worker: lets every thread of the loop go first where cores are few. Only Linux gives a thread a priority of its own;
 * elsewhere it would be the whole process that waits.
 */
export function giveWay(): void {
  const { PRIORITY_BELOW_NORMAL } = constants.priority;
  // In a program that was started at a lower one this would be a rise, which not everybody may have.
  if (process.platform === "linux" && getPriority() < PRIORITY_BELOW_NORMAL) setPriority(PRIORITY_BELOW_NORMAL);
}

/** Hands an array's buffer over instead of copying it. */
export const handOver = <T extends { buffer: ArrayBufferLike }>(array: T): T =>
  transfer(array, [array.buffer as ArrayBuffer]);

/** Hands over a value with the buffers of those of its arrays that are named. */
export const handAllOver = <T extends object>(value: T, arrays: readonly { buffer: ArrayBufferLike }[]): T =>
  transfer(
    value,
    arrays.map(({ buffer }) => buffer as ArrayBuffer),
  );
