/**
 * Small dense symmetric matrices, row-major, lower triangle in use. Loops run along rows, several rows at a time, so that
 * memory is walked in order and sums do not wait for one another.
 */

/**
 * A = L L' of a positive definite A, in place: the lower triangle of `a` becomes L, the upper is not touched.
 *
 * @param a n × n
 * @returns false where A is not positive definite to working precision; `a` is then spoilt
 */
export function factor(a: Float64Array, n: number): boolean {
  for (let i = 0; i < n; i++) {
    const row = i * n;
    for (let j = 0; j < i; j++) {
      const other = j * n;
      let even = 0;
      let odd = 0;
      let k = 0;
      for (; k + 1 < j; k += 2) {
        even += a[row + k] * a[other + k];
        odd += a[row + k + 1] * a[other + k + 1];
      }
      if (k < j) even += a[row + k] * a[other + k];
      a[row + j] = (a[row + j] - even - odd) / a[other + j];
    }
    let pivot = a[row + i];
    for (let k = 0; k < i; k++) pivot -= a[row + k] * a[row + k];
    if (!(pivot > 0)) return false;
    a[row + i] = Math.sqrt(pivot);
  }
  return true;
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

/** M = L⁻¹, lower triangle; the upper triangle of `m` is left as it was. */
export function invertFactor(l: Float64Array, n: number, m: Float64Array): void {
  for (let i = 0; i < n; i++) {
    const row = i * n;
    m.fill(0, row, row + i);
    let k = 0;
    for (; k + 3 < i; k += 4) {
      const a = l[row + k];
      const b = l[row + k + 1];
      const c = l[row + k + 2];
      const d = l[row + k + 3];
      const [ra, rb, rc, rd] = [k * n, (k + 1) * n, (k + 2) * n, (k + 3) * n];
      for (let j = 0; j <= k; j++) m[row + j] -= a * m[ra + j] + b * m[rb + j] + c * m[rc + j] + d * m[rd + j];
      m[row + k + 1] -= b * m[rb + k + 1] + c * m[rc + k + 1] + d * m[rd + k + 1];
      m[row + k + 2] -= c * m[rc + k + 2] + d * m[rd + k + 2];
      m[row + k + 3] -= d * m[rd + k + 3];
    }
    for (; k < i; k++) for (let j = 0; j <= k; j++) m[row + j] -= l[row + k] * m[k * n + j];
    const pivot = 1 / l[row + i];
    for (let j = 0; j < i; j++) m[row + j] *= pivot;
    m[row + i] = pivot;
  }
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

/** A⁻¹ = M'M from M = L⁻¹, both triangles. n × n. */
export function inverse(m: Float64Array, n: number, out = new Float64Array(n * n)): Float64Array {
  out.fill(0);
  for (let k = 0; k < n; k++) {
    const row = k * n;
    for (let i = 0; i <= k; i++) {
      const v = m[row + i];
      for (let j = 0; j <= i; j++) out[i * n + j] += v * m[row + j];
    }
  }
  mirror(out, n);
  return out;
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
