/** Which of our code ran, from V8's own counters: what a coverage-guided fuzzer goes by, without a native library. */
import { Session } from "node:inspector/promises";

/** By script: 1 for each character that ran. */
export type Ran = Map<string, Uint8Array>;

export interface Coverage {
  /** What ran since the last call, in files whose URL holds one of the given parts. */
  ran(): Promise<Ran>;
  dispose(): void;
}

export async function openCoverage(parts: readonly string[]): Promise<Coverage> {
  const session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
  return {
    async ran() {
      const { result } = await session.post("Profiler.takePreciseCoverage");
      const ran: Ran = new Map();
      for (const { scriptId, url, functions } of result) {
        if (!parts.some((part) => url.includes(part))) continue;
        const ranges = functions.flatMap((one) => one.ranges);
        const characters = new Uint8Array(Math.max(0, ...ranges.map(({ endOffset }) => endOffset)));
        // Inner ranges come after those that hold them.
        for (const { count, startOffset, endOffset } of ranges)
          characters.fill(Number(count > 0), startOffset, endOffset);
        ran.set(scriptId, characters);
      }
      return ran;
    },
    dispose: () => session.disconnect(),
  };
}

/** Takes from `ran` what is in `known`; whether anything was left. */
export function takeAway(ran: Ran, known: Ran): boolean {
  let isLeft = false;
  for (const [script, characters] of ran) {
    const own = known.get(script);
    for (let i = 0; i < characters.length; i++) {
      if (own?.[i]) characters[i] = 0;
      isLeft ||= characters[i] === 1;
    }
  }
  return isLeft;
}

/** Whether two have a character in common. */
export const overlap = (a: Ran, b: Ran): boolean =>
  [...a].some(([script, characters]) => characters.some((v, i) => v === 1 && b.get(script)?.[i] === 1));

/** Adds `ran` to `known`. */
export function add(known: Ran, ran: Ran): void {
  for (const [script, characters] of ran) {
    const own = known.get(script) ?? new Uint8Array(0);
    const all = new Uint8Array(Math.max(own.length, characters.length));
    all.set(own);
    characters.forEach((v, i) => {
      all[i] |= v;
    });
    known.set(script, all);
  }
}
