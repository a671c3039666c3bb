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

/** Lower triangle of Σ_k w_k x_k x_k' (P × P): n P²/2 products, where a fit spends its time. Two by four sums at a time. */
export function weightedGram({ n, size, x }: PackedTrials, w: Float64Array, out: Float64Array): void {
  out.fill(0, 0, size * size);
  const left = new Float64Array(CHUNK);
  const right = new Float64Array(CHUNK);
  for (let first = 0; first < n; first += CHUNK) {
    const chunk = chunkStart(first, size);
    const count = Math.min(CHUNK, n - first);
    for (let i = 0; i < size; i += 2) {
      const own = chunk + i * CHUNK;
      for (let k = 0; k < count; k++) {
        left[k] = w[first + k] * x[own + k];
        right[k] = w[first + k] * x[own + CHUNK + k];
      }
      for (let j = 0; j <= i + 1; j += 4) {
        const a = chunk + j * CHUNK;
        const b = a + CHUNK;
        const c = b + CHUNK;
        const d = c + CHUNK;
        let [l0, l1, l2, l3, r0, r1, r2, r3] = [0, 0, 0, 0, 0, 0, 0, 0];
        for (let k = 0; k < count; k++) {
          const l = left[k];
          const r = right[k];
          const x0 = x[a + k];
          const x1 = x[b + k];
          const x2 = x[c + k];
          const x3 = x[d + k];
          l0 += l * x0;
          l1 += l * x1;
          l2 += l * x2;
          l3 += l * x3;
          r0 += r * x0;
          r1 += r * x1;
          r2 += r * x2;
          r3 += r * x3;
        }
        add(out, size, i, j, l0, l1, l2, l3);
        add(out, size, i + 1, j, r0, r1, r2, r3);
      }
    }
  }
}

/** Adds four sums at row i from column j on, those at or below the diagonal. */
function add(out: Float64Array, size: number, i: number, j: number, a: number, b: number, c: number, d: number): void {
  if (i >= size) return;
  const at = i * size + j;
  if (j <= i) out[at] += a;
  if (j + 1 <= i) out[at + 1] += b;
  if (j + 2 <= i) out[at + 2] += c;
  if (j + 3 <= i) out[at + 3] += d;
}
