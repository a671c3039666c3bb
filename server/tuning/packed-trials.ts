import { borrow } from "./kernels/kernels.ts";

/**
 * Features of trials as a fit walks through them: chunks of trials, in each of them one contiguous row a feature. Sums over trials
 * then run along memory, several at once, and a chunk stays in the processor's cache while all pairs of features are formed.
 */
export interface PackedTrials {
  /** Trials. */
  n: number;
  /** P, features a trial. */
  size: number;
  /** Chunks × padded P × CHUNK; zero where there is no trial or no feature. */
  x: Float64Array;
}

/** Trials a chunk: 73 features of as many take 146 KiB. */
const CHUNK = 256;
/** Features are padded to a multiple of this, so that blocks of pairs need no edges. */
const BLOCK = 4;

const padded = (size: number): number => Math.ceil(size / BLOCK) * BLOCK;

/**
 * @param x features, trials × P
 * @param rows trials to take
 */
export function packTrials(x: Float64Array, size: number, rows: ArrayLike<number>): PackedTrials {
  const n = rows.length;
  const out = new Float64Array(Math.ceil(n / CHUNK) * padded(size) * CHUNK);
  for (let k = 0; k < n; k++) {
    const from = rows[k] * size;
    const to = chunkStart(k, size) + (k % CHUNK);
    for (let i = 0; i < size; i++) out[to + i * CHUNK] = x[from + i];
  }
  return { n, size, x: out };
}

const chunkStart = (trial: number, size: number): number => Math.floor(trial / CHUNK) * padded(size) * CHUNK;

/** out_k = x_k'θ. */
export function multiply({ n, size, x }: PackedTrials, theta: Float64Array, out: Float64Array): void {
  for (let first = 0; first < n; first += CHUNK) {
    const chunk = chunkStart(first, size);
    const count = Math.min(CHUNK, n - first);
    out.fill(0, first, first + count);
    let i = 0;
    for (; i + 3 < size; i += 4) {
      const [a, b, c, d] = [theta[i], theta[i + 1], theta[i + 2], theta[i + 3]];
      const at = chunk + i * CHUNK;
      for (let k = 0; k < count; k++)
        out[first + k] += a * x[at + k] + b * x[at + CHUNK + k] + c * x[at + 2 * CHUNK + k] + d * x[at + 3 * CHUNK + k];
    }
    for (; i < size; i++) for (let k = 0; k < count; k++) out[first + k] += theta[i] * x[chunk + i * CHUNK + k];
  }
}

/** out = Σ_k w_k x_k. Length P. */
export function combine({ n, size, x }: PackedTrials, w: Float64Array, out: Float64Array): void {
  out.fill(0, 0, size);
  for (let first = 0; first < n; first += CHUNK) {
    const chunk = chunkStart(first, size);
    const count = Math.min(CHUNK, n - first);
    for (let i = 0; i < size; i++) {
      const at = chunk + i * CHUNK;
      let even = 0;
      let odd = 0;
      for (let k = 0; k + 1 < count; k += 2) {
        even += w[first + k] * x[at + k];
        odd += w[first + k + 1] * x[at + k + 1];
      }
      if (count % 2 === 1) even += w[first + count - 1] * x[at + count - 1];
      out[i] += even + odd;
    }
  }
}

/** Lower triangle of Σ_k w_k x_k x_k' (P × P): n P²/2 products, where a fit spends its time. */
export function weightedGram({ n, size, x }: PackedTrials, w: Float64Array, out: Float64Array): void {
  const width = padded(size);
  const { kernels, numbers } = borrow(width * CHUNK + 3 * CHUNK + width * width);
  const weights = width * CHUNK;
  const scratch = weights + CHUNK;
  const sums = scratch + 2 * CHUNK;
  const at = (index: number) => numbers.byteOffset + 8 * index;
  numbers.fill(0, sums, sums + width * width);
  for (let first = 0; first < n; first += CHUNK) {
    const chunk = chunkStart(first, size);
    const count = Math.min(CHUNK, n - first);
    numbers.set(x.subarray(chunk, chunk + width * CHUNK));
    numbers.fill(0, weights, weights + CHUNK);
    numbers.set(w.subarray(first, first + count), weights);
    kernels.addGram(at(0), at(weights), at(sums), width, (count + 1) & ~1, CHUNK, at(scratch));
  }
  for (let i = 0; i < size; i++)
    for (let j = 0; j < size; j++) out[i * size + j] = j <= i ? numbers[sums + i * width + j] : 0;
}
