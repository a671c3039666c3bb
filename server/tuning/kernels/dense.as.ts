/**
 * Dense matrices of a batch fit (cholesky.ts, packed-trials.ts), row-major f64 with n entries a row. Sums run along rows, two by four of
 * them at a time, so that what is loaded serves several products and sums do not wait for one another.
 */

// @ts-ignore: decorator
@inline
function total(sum: v128): f64 {
  return f64x2.extract_lane(sum, 0) + f64x2.extract_lane(sum, 1);
}

/** Subtracts a'b over `bytes` from the number at `at`. */
// @ts-ignore: decorator
@inline
function subtractDot(at: usize, aAt: usize, bAt: usize, bytes: usize): void {
  let sum: f64 = 0;
  for (let k: usize = 0; k < bytes; k += 8) sum += load<f64>(aAt + k) * load<f64>(bAt + k);
  store<f64>(at, load<f64>(at) - sum);
}

/** A = L L' in place, lower triangle; 0 where A is not positive definite, and then it is spoilt. */
export function factor(a: usize, n: i32): bool {
  const stride = usize(n) << 3;
  for (let first = 0; first < n; first += 4) {
    const width = min(4, n - first);
    const bytes = usize(first) << 3;
    const panel = a + usize(first) * stride;
    const column = a + bytes;
    // What the columns before take away: the triangle on the diagonal, and the rows below it.
    for (let i = 0; i < width; i++) {
      const row = panel + usize(i) * stride;
      for (let c = 0; c <= i; c++) subtractDot(row + bytes + (usize(c) << 3), row, panel + usize(c) * stride, bytes);
    }
    let i = first + width;
    if (width == 4) {
      for (; i + 1 < n; i += 2) {
        const row = a + usize(i) * stride;
        const next = row + stride;
        addTwoByFour(row, next, panel, stride, bytes, -1, row + bytes, next + bytes);
      }
      if (i < n) subtractOne(a + usize(i) * stride, stride, panel, bytes);
    }
    for (let c = 0; c < width; c++) {
      const row = panel + usize(c) * stride + bytes;
      const pivotAt = row + (usize(c) << 3);
      for (let e: usize = 0; e < usize(c) << 3; e += 8) {
        const l = load<f64>(row + e);
        store<f64>(pivotAt, load<f64>(pivotAt) - l * l);
      }
      const pivot = load<f64>(pivotAt);
      if (!(pivot > 0)) return false;
      const root = sqrt(pivot);
      store<f64>(pivotAt, root);
      for (let k = first + c + 1; k < n; k++) {
        const own = column + usize(k) * stride;
        const at = own + (usize(c) << 3);
        let value = load<f64>(at);
        for (let e: usize = 0; e < usize(c) << 3; e += 8) value -= load<f64>(own + e) * load<f64>(row + e);
        store<f64>(at, value / root);
      }
    }
  }
  return true;
}

/**
 * Adds sign · a'b over `bytes` for two rows a and four rows b, `stride` apart: to four numbers at `pAt` for the first row, and at `qAt` for
 * the second. `bytes` is a multiple of 16.
 */
// @ts-ignore: decorator
@inline
function addTwoByFour(
  pRow: usize,
  qRow: usize,
  rows: usize,
  stride: usize,
  bytes: usize,
  sign: f64,
  pAt: usize,
  qAt: usize,
): void {
  const b = rows + stride;
  const c = b + stride;
  const d = c + stride;
  let p0 = f64x2.splat(0);
  let p1 = f64x2.splat(0);
  let p2 = f64x2.splat(0);
  let p3 = f64x2.splat(0);
  let q0 = f64x2.splat(0);
  let q1 = f64x2.splat(0);
  let q2 = f64x2.splat(0);
  let q3 = f64x2.splat(0);
  for (let k: usize = 0; k < bytes; k += 16) {
    const p = v128.load(pRow + k);
    const q = v128.load(qRow + k);
    const x0 = v128.load(rows + k);
    const x1 = v128.load(b + k);
    const x2 = v128.load(c + k);
    const x3 = v128.load(d + k);
    p0 = f64x2.add(p0, f64x2.mul(p, x0));
    p1 = f64x2.add(p1, f64x2.mul(p, x1));
    p2 = f64x2.add(p2, f64x2.mul(p, x2));
    p3 = f64x2.add(p3, f64x2.mul(p, x3));
    q0 = f64x2.add(q0, f64x2.mul(q, x0));
    q1 = f64x2.add(q1, f64x2.mul(q, x1));
    q2 = f64x2.add(q2, f64x2.mul(q, x2));
    q3 = f64x2.add(q3, f64x2.mul(q, x3));
  }
  addFour(pAt, sign, p0, p1, p2, p3);
  addFour(qAt, sign, q0, q1, q2, q3);
}

// @ts-ignore: decorator
@inline
function subtractOne(row: usize, stride: usize, panel: usize, bytes: usize): void {
  for (let c: usize = 0; c < 4; c++) subtractDot(row + bytes + (c << 3), row, panel + c * stride, bytes);
}

// @ts-ignore: decorator
@inline
function addFour(at: usize, sign: f64, a: v128, b: v128, c: v128, d: v128): void {
  store<f64>(at, load<f64>(at) + sign * total(a));
  store<f64>(at, load<f64>(at, 8) + sign * total(b), 8);
  store<f64>(at, load<f64>(at, 16) + sign * total(c), 16);
  store<f64>(at, load<f64>(at, 24) + sign * total(d), 24);
}

/** M = L⁻¹, lower triangle; the upper one becomes 0. */
export function invertFactor(l: usize, m: usize, n: i32): void {
  const stride = usize(n) << 3;
  memory.fill(m, 0, usize(n) * stride);
  for (let i = 0; i < n; i++) {
    const own = l + usize(i) * stride;
    const row = m + usize(i) * stride;
    let k = 0;
    for (; k + 3 < i; k += 4) {
      const at = own + (usize(k) << 3);
      const a = v128.load64_splat(at);
      const b = v128.load64_splat(at, 8);
      const c = v128.load64_splat(at, 16);
      const d = v128.load64_splat(at, 24);
      const from = m + usize(k) * stride;
      // Rows k to k + 3 of M end at their diagonals: all but the last two entries are in every row, or zero.
      for (let j: usize = 0; j < usize(k + 4) << 3; j += 16) {
        let sum = v128.load(row + j);
        sum = f64x2.sub(sum, f64x2.mul(a, v128.load(from + j)));
        sum = f64x2.sub(sum, f64x2.mul(b, v128.load(from + stride + j)));
        sum = f64x2.sub(sum, f64x2.mul(c, v128.load(from + 2 * stride + j)));
        sum = f64x2.sub(sum, f64x2.mul(d, v128.load(from + 3 * stride + j)));
        v128.store(row + j, sum);
      }
    }
    for (; k < i; k++) {
      const factor = load<f64>(own + (usize(k) << 3));
      const from = m + usize(k) * stride;
      for (let j: usize = 0; j <= usize(k) << 3; j += 8)
        store<f64>(row + j, load<f64>(row + j) - factor * load<f64>(from + j));
    }
    const pivot = 1 / load<f64>(own + (usize(i) << 3));
    for (let j: usize = 0; j < usize(i) << 3; j += 8) store<f64>(row + j, load<f64>(row + j) * pivot);
    store<f64>(row + (usize(i) << 3), pivot);
  }
}

/**
 * Lower triangle of C ← C + A'B, A and B of `rows` rows.
 *
 * @param lower whether row k of both is 0 beyond entry k
 */
export function addProducts(a: usize, b: usize, c: usize, rows: i32, n: i32, lower: bool): void {
  const stride = usize(n) << 3;
  for (let i = 0; i < n; i++) {
    const row = c + usize(i) * stride;
    const bytes = usize(i + 1) << 3;
    let k = lower ? i : 0;
    for (; k + 3 < rows; k += 4) {
      const at = a + usize(k) * stride + (usize(i) << 3);
      const w0 = v128.load64_splat(at);
      const w1 = v128.load64_splat(at + stride);
      const w2 = v128.load64_splat(at + 2 * stride);
      const w3 = v128.load64_splat(at + 3 * stride);
      const from = b + usize(k) * stride;
      let j: usize = 0;
      for (; j + 8 < bytes; j += 16) {
        let sum = v128.load(row + j);
        sum = f64x2.add(sum, f64x2.mul(w0, v128.load(from + j)));
        sum = f64x2.add(sum, f64x2.mul(w1, v128.load(from + stride + j)));
        sum = f64x2.add(sum, f64x2.mul(w2, v128.load(from + 2 * stride + j)));
        sum = f64x2.add(sum, f64x2.mul(w3, v128.load(from + 3 * stride + j)));
        v128.store(row + j, sum);
      }
      for (; j < bytes; j += 8) {
        let sum = load<f64>(row + j);
        for (let r: usize = 0; r < 4; r++) sum += load<f64>(at + r * stride) * load<f64>(from + r * stride + j);
        store<f64>(row + j, sum);
      }
    }
    for (; k < rows; k++) {
      const factor = load<f64>(a + usize(k) * stride + (usize(i) << 3));
      const from = b + usize(k) * stride;
      for (let j: usize = 0; j < bytes; j += 8)
        store<f64>(row + j, load<f64>(row + j) + factor * load<f64>(from + j));
    }
  }
}

/**
 * Adds Σ_k w_k x_ik x_jk over `count` trials to every pair i ≥ j of `out` (and to some above the diagonal).
 *
 * @param x features × `chunk` trials; features a multiple of 4, `count` even
 * @param scratch room for two rows of x
 */
export function addGram(x: usize, w: usize, out: usize, features: i32, count: i32, chunk: i32, scratch: usize): void {
  const stride = usize(chunk) << 3;
  const outStride = usize(features) << 3;
  const bytes = usize(count) << 3;
  const other = scratch + stride;
  for (let i = 0; i < features; i += 2) {
    const own = x + usize(i) * stride;
    for (let k: usize = 0; k < bytes; k += 16) {
      const weight = v128.load(w + k);
      v128.store(scratch + k, f64x2.mul(weight, v128.load(own + k)));
      v128.store(other + k, f64x2.mul(weight, v128.load(own + stride + k)));
    }
    for (let j = 0; j <= i + 1; j += 4) {
      const at = out + usize(i) * outStride + (usize(j) << 3);
      addTwoByFour(scratch, other, x + usize(j) * stride, stride, bytes, 1, at, at + outStride);
    }
  }
}
