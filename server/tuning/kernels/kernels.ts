import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { compiledModule } from "../../package-root.ts";

/** The compiled loops of kernels.as.ts and dense.as.ts; see there for what each does. Addresses are in bytes. */
interface Exports {
  project(matrixAt: number, xAt: number, yAt: number, p: number, s: number): number;
  dot(xAt: number, yAt: number, s: number): number;
  addScaled(yAt: number, a: number, xAt: number, s: number): void;
  shrink(matrixAt: number, yAt: number, kappa: number, p: number): void;
  applyTarget(
    levelAt: number,
    secondAt: number,
    keep: number,
    yAt: number,
    vAt: number,
    latents: number,
    block: number,
    s: number,
  ): void;
  traverse(
    atBase: number,
    xAt: number,
    yAt: number,
    blocksAt: number,
    phiAt: number,
    squareAt: number,
    outAt: number,
    latents: number,
    block: number,
    steps: number,
  ): void;
  traverseLinear(
    atBase: number,
    xAt: number,
    weightsAt: number,
    phiAt: number,
    outAt: number,
    latents: number,
    block: number,
    steps: number,
  ): void;
  addWorth(
    softplus: boolean,
    mAt: number,
    s2At: number,
    reachAt: number,
    share: number,
    dispersion: number,
    priorCount: number,
    outAt: number,
    n: number,
  ): void;
  squares(blocksAt: number, phiAt: number, outAt: number, latents: number, block: number, steps: number): void;
  factor(at: number, n: number): number;
  invertFactor(lAt: number, mAt: number, n: number): void;
  addProducts(aAt: number, bAt: number, cAt: number, rows: number, n: number, lower: boolean): void;
  addGram(
    xAt: number,
    weightAt: number,
    outAt: number,
    features: number,
    count: number,
    chunk: number,
    scratchAt: number,
  ): void;
}

/** The loops, and the one memory on which they and TypeScript both work. */
export interface Kernels extends Exports {
  /** n zeros of that memory, aligned to 16 bytes; their address is `byteOffset`. Throws RangeError once it is used up. */
  take(n: number): Float64Array;
}

const PAGE = 65_536;
const path = fileURLToPath(compiledModule("server/tuning/kernels.wasm"));
let compiled: WebAssembly.Module | undefined;

/** @param numbers how many numbers will be taken at most, each `take` rounded up to even */
export function openKernels(numbers: number): Kernels {
  compiled ??= new WebAssembly.Module(readFileSync(path));
  const memory = new WebAssembly.Memory({ initial: Math.ceil((numbers * 8) / PAGE) + 1 });
  const { exports } = new WebAssembly.Instance(compiled, { env: { memory } });
  let next = 16;
  return {
    ...(exports as unknown as Exports),
    take(n) {
      const at = next;
      next += 16 * Math.ceil(n / 2);
      if (next > memory.buffer.byteLength)
        throw new RangeError(`kernel memory: expected at most ${numbers} numbers in all, ${n} more do not fit`);
      return new Float64Array(memory.buffer, at, n);
    },
  };
}

let scratch: { kernels: Kernels; numbers: Float64Array } | undefined;

/**
 * The loops with a memory for one call at a time, to copy into and out of. What is in it holds until the next `borrow`.
 *
 * @param numbers how many numbers the call needs
 */
export function borrow(numbers: number): { kernels: Kernels; numbers: Float64Array } {
  if (!scratch || scratch.numbers.length < numbers) {
    const kernels = openKernels(2 * numbers + 2);
    scratch = { kernels, numbers: kernels.take(2 * numbers) };
  }
  return scratch;
}

/** Entries of a packed symmetric matrix of size p: row i of the lower triangle has i + 1, rounded up to even. */
export function packedLength(p: number): number {
  let n = 0;
  for (let i = 0; i < p; i++) n += (i + 2) & ~1;
  return n;
}

/** Where row i of a packed symmetric matrix begins. */
export const rowStart = (i: number): number => {
  const k = i >> 1;
  return 2 * k * (k + 1) + (i & 1) * (2 * k + 2);
};

/** Entry (i, j) of a packed symmetric matrix. */
export const packedIndex = (i: number, j: number): number => (i >= j ? rowStart(i) + j : rowStart(j) + i);
