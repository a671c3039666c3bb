/**
 * Dense symmetric matrices, row-major, lower triangle in use. What costs n³ runs in compiled loops (kernels/dense.as.ts), on a copy.
 */
import { borrow } from "./kernels/kernels.ts";

/**
 * A = L L' of a positive definite A, in place: the lower triangle of `a` becomes L, the upper is not touched.
 *
 * @param a n × n
 * @returns false where A is not positive definite to working precision; `a` is then spoilt
 */
export function factor(a: Float64Array, n: number): boolean {
  const { kernels, numbers } = borrow(n * n);
  numbers.set(a);
  const isPositive = kernels.factor(numbers.byteOffset, n) !== 0;
  a.set(numbers.subarray(0, n * n));
  return isPositive;
}

/** b ← A⁻¹ b from the factor L of A. Length n. */
export function solve(l: Float64Array, n: number, b: Float64Array): void {
  for (let i = 0; i < n; i++) {
    let sum = b[i];
    for (let k = 0; k < i; k++) sum -= l[i * n + k] * b[k];
    b[i] = sum / l[i * n + i];
  }
  solveTransposed(l, n, b);
}

/** B ← A⁻¹ B from the factor L of A, for n rows of `columns` each. */
export function solveRows(l: Float64Array, n: number, b: Float64Array, columns: number): void {
  const combine = (i: number, k: number, factor: number) => {
    for (let j = 0; j < columns; j++) b[i * columns + j] -= factor * b[k * columns + j];
  };
  const divide = (i: number) => {
    for (let j = 0; j < columns; j++) b[i * columns + j] /= l[i * n + i];
  };
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) combine(i, k, l[i * n + k]);
    divide(i);
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) combine(i, k, l[k * n + i]);
    divide(i);
  }
}

/** b ← L'⁻¹ b. */
export function solveTransposed(l: Float64Array, n: number, b: Float64Array): void {
  for (let i = n - 1; i >= 0; i--) {
    const scaled = b[i] / l[i * n + i];
    b[i] = scaled;
    for (let k = 0; k < i; k++) b[k] -= l[i * n + k] * scaled;
  }
}

/** log |A| from its factor. */
export function logDeterminant(l: Float64Array, n: number): number {
  let sum = 0;
  for (let i = 0; i < n; i++) sum += Math.log(l[i * n + i]);
  return 2 * sum;
}

/** M = L⁻¹, lower triangle; the upper triangle of `m` becomes 0. */
export function invertFactor(l: Float64Array, n: number, m: Float64Array): void {
  const { kernels, numbers } = borrow(2 * n * n);
  numbers.set(l);
  kernels.invertFactor(numbers.byteOffset, numbers.byteOffset + 8 * n * n, n);
  m.set(numbers.subarray(n * n, 2 * n * n));
}

/** The block of A⁻¹ = M'M of `size` rows and columns from `first` on, from M = L⁻¹. size × size. */
export function inverseBlock(m: Float64Array, n: number, first: number, size: number): Float64Array {
  const out = new Float64Array(size * size);
  for (let k = first; k < n; k++) {
    const row = k * n + first;
    const reach = Math.min(size, k - first + 1);
    for (let i = 0; i < reach; i++) for (let j = 0; j < reach; j++) out[i * size + j] += m[row + i] * m[row + j];
  }
  return out;
}

/** A⁻¹ = M'M from M = L⁻¹ with an upper triangle of 0; both triangles. n × n. */
export function inverse(m: Float64Array, n: number): Float64Array {
  const out = new Float64Array(n * n);
  addProducts(m, m, n, n, out, true);
  mirror(out, n);
  return out;
}

/**
 * Lower triangle of C ← C + A'B.
 *
 * @param a, b rows × n
 * @param isLower whether both are lower triangles, with an upper one of 0
 * @param c n × n; nothing else of it is touched
 */
export function addProducts(
  a: Float64Array,
  b: Float64Array,
  rows: number,
  n: number,
  c: Float64Array,
  isLower = false,
): void {
  const { kernels, numbers } = borrow(2 * rows * n + n * n);
  const [from, to] = [rows * n, 2 * rows * n];
  numbers.set(a);
  numbers.set(b, from);
  numbers.set(c, to);
  const at = numbers.byteOffset;
  kernels.addProducts(at, at + 8 * from, at + 8 * to, rows, n, isLower);
  c.set(numbers.subarray(to, to + n * n));
}

/** Copies the lower triangle to the upper. */
export function mirror(a: Float64Array, n: number): void {
  for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) a[j * n + i] = a[i * n + j];
}

/** a'b over the length of a. */
export function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}
