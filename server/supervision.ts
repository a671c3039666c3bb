/** A worker thread that is replaced when it dies or hangs: whoever calls it notices no more than a delay (SPEC.md, rules J). */
import { LostEdgeError } from "./failure.ts";
import type { WorkerHandle } from "./worker.ts";

/** A call that is not answered. */
export interface OpenCall {
  name: string;
  args: unknown[];
}

/** What becomes of a call that the lost worker had not answered: it is made again, or answered or refused without. */
export type Verdict = "again" | { answer: unknown } | { refusal: Error };

export interface SupervisionOptions<Api> {
  open(died: (error: Error) => void): WorkerHandle<Api>;
  /**
   * Takes a new worker to where the lost one would stand with every call served that is open when this is called.
   *
   * @returns what becomes of each of those calls; later ones are made as they are
   * @throws LostEdgeError where no other worker could be taken there either
   */
  restore(worker: WorkerHandle<Api>): Promise<(call: OpenCall) => Verdict>;
  /** Calls whose answer is missed after `limitMs`. */
  quick: readonly (keyof Api & string)[];
  limitMs: number;
  lost(why: string): void;
  back(tookMs: number): void;
  /** It can't be replaced, or is lost again and again. */
  failed(error: Error): void;
}

/** Losses in a row, with no answer in between, after which the fault is not chance. */
const MOST_LOSSES = 3;
const TICK_MS = 1000;

/** Opens a worker and watches over it. */
export function superviseWorker<Api>(options: SupervisionOptions<Api>): WorkerHandle<Api> {
  type Call = OpenCall & { resolve(value: unknown): void; reject(error: Error): void };
  /** Oldest first: a worker serves calls in order. */
  let open: Call[] = [];
  /** Null while it is being replaced. */
  let worker: WorkerHandle<Api> | null = null;
  let losses = 0;
  let over: Error | null = null;
  let disposed = false;
  // Counted in turns of this thread's own loop: a computer that slept, or a loop that was held up, blames no worker.
  let waitedFor: Call | null = null;
  let waitedMs = 0;

  const openOne = (): WorkerHandle<Api> => {
    const opened: WorkerHandle<Api> = options.open((error) => {
      if (worker === opened) lose(error.message);
    });
    return opened;
  };

  function make(call: Call): void {
    const asked = worker!;
    const settle = (how: () => void) => {
      // After `dispose` nobody waits, and nothing has failed.
      if (disposed || worker !== asked) return;
      open = open.filter((one) => one !== call);
      how();
    };
    asked.call(call.name as keyof Api, ...(call.args as never)).then(
      (value) =>
        settle(() => {
          losses = 0;
          call.resolve(value);
        }),
      // A turn later: one whose worker has died is to be made again.
      (error) => setImmediate(() => settle(() => call.reject(error))),
    );
  }

  function lose(why: string): void {
    const lost = worker!;
    worker = null;
    waitedFor = null;
    void lost.dispose();
    options.lost(why);
    void replace(why);
  }

  async function replace(why: string): Promise<void> {
    const startedMs = performance.now();
    for (let latest = why; !disposed; ) {
      if (++losses > MOST_LOSSES) return give(new Error(`${latest} (${MOST_LOSSES} times in a row)`));
      let died: (error: Error) => void = () => {};
      const death = new Promise<never>((_, reject) => {
        died = reject;
      });
      death.catch(() => {});
      let isUp = false;
      const next = options.open((error) => {
        if (!isUp) died(error);
        else if (worker === next) lose(error.message);
      });
      try {
        const known = [...open];
        const verdictOn = await Promise.race([options.restore(next), death]);
        if (disposed) return void next.dispose();
        isUp = true;
        worker = next;
        options.back(performance.now() - startedMs);
        for (const call of [...open]) {
          const verdict = known.includes(call) ? verdictOn(call) : "again";
          if (verdict === "again") make(call);
          else {
            open = open.filter((one) => one !== call);
            if ("answer" in verdict) call.resolve(verdict.answer);
            else call.reject(verdict.refusal);
          }
        }
        return;
      } catch (error) {
        await next.dispose();
        if (error instanceof LostEdgeError) return give(error);
        latest = (error as Error).message;
      }
    }
  }

  function give(error: Error): void {
    over = error;
    for (const call of open.splice(0)) call.reject(error);
    options.failed(error);
  }

  const watch = setInterval(() => {
    // One that may take long keeps no quick one waiting: what it takes long over is another thread's work.
    const first = open.find(({ name }) => options.quick.includes(name as keyof Api & string)) ?? null;
    waitedMs = worker && first === waitedFor ? waitedMs + TICK_MS : 0;
    waitedFor = first;
    if (worker && first && waitedMs >= options.limitMs) lose(`no answer to ${first.name} for ${waitedMs / 1000} s`);
  }, TICK_MS);
  watch.unref();

  worker = openOne();
  return {
    call: (name, ...args) =>
      new Promise((resolve, reject) => {
        if (over) return reject(over);
        const call: Call = { name: name as string, args, resolve: resolve as Call["resolve"], reject };
        open.push(call);
        if (worker) make(call);
      }),
    async dispose() {
      disposed = true;
      clearInterval(watch);
      await worker?.dispose();
    },
  };
}
