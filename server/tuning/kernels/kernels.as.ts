/**
 * The loops that a decision spends its time in, for WebAssembly with 128-bit SIMD (AssemblyScript; `npm run build` compiles it).
 * Every argument that ends in `At` is an address in bytes; all numbers are f64. Vectors have length S: P rounded up to even, and
 * what pads them is 0. A symmetric matrix is its lower triangle row by row, rows 2k and 2k + 1 both with 2k + 2 entries; what pads
 * row 2k is 0. Half the memory of a square, and memory is what a large population waits for. Results do not depend on the
 * machine: WebAssembly fixes every rounding.
 */

export { addGram, addProducts, factor, invertFactor } from "./dense.as";

/** y = C x; returns x'y. Each entry is read once and serves its row and its column. */
export function project(matrixAt: usize, xAt: usize, yAt: usize, p: i32, s: i32): f64 {
  memory.fill(yAt, 0, usize(s) << 3);
  let a = matrixAt;
  let i = 0;
  for (; i + 3 < p; i += 4) {
    const bytes = usize(i + 2) << 3;
    const b = a + bytes;
    const c = b + bytes;
    const d = c + bytes + 16;
    const xA = v128.load64_splat(xAt + (usize(i) << 3));
    const xB = v128.load64_splat(xAt + (usize(i) << 3), 8);
    const xC = v128.load64_splat(xAt + (usize(i) << 3), 16);
    const xD = v128.load64_splat(xAt + (usize(i) << 3), 24);
    let sumA = f64x2.splat(0);
    let sumB = f64x2.splat(0);
    let sumC = f64x2.splat(0);
    let sumD = f64x2.splat(0);
    for (let j: usize = 0; j < bytes; j += 16) {
      const x = v128.load(xAt + j);
      const rowA = v128.load(a + j);
      const rowB = v128.load(b + j);
      const rowC = v128.load(c + j);
      const rowD = v128.load(d + j);
      sumA = f64x2.add(sumA, f64x2.mul(rowA, x));
      sumB = f64x2.add(sumB, f64x2.mul(rowB, x));
      sumC = f64x2.add(sumC, f64x2.mul(rowC, x));
      sumD = f64x2.add(sumD, f64x2.mul(rowD, x));
      const fromAB = f64x2.add(f64x2.mul(rowA, xA), f64x2.mul(rowB, xB));
      const fromCD = f64x2.add(f64x2.mul(rowC, xC), f64x2.mul(rowD, xD));
      v128.store(yAt + j, f64x2.add(v128.load(yAt + j), f64x2.add(fromAB, fromCD)));
    }
    const x = v128.load(xAt + bytes);
    const rowC = v128.load(c + bytes);
    const rowD = v128.load(d + bytes);
    sumC = f64x2.add(sumC, f64x2.mul(rowC, x));
    sumD = f64x2.add(sumD, f64x2.mul(rowD, x));
    v128.store(
      yAt + bytes,
      f64x2.add(v128.load(yAt + bytes), f64x2.add(f64x2.mul(rowC, xC), f64x2.mul(rowD, xD))),
    );
    addRow(a, xAt, yAt, i, sumA);
    addRow(b, xAt, yAt, i + 1, sumB);
    addRow(c, xAt, yAt, i + 2, sumC);
    addRow(d, xAt, yAt, i + 3, sumD);
    a = d + bytes + 16;
  }
  for (; i < p; i++) {
    const bytes = usize((i + 2) & ~1) << 3;
    const xA = v128.load64_splat(xAt + (usize(i) << 3));
    let sum = f64x2.splat(0);
    for (let j: usize = 0; j < bytes; j += 16) {
      const row = v128.load(a + j);
      sum = f64x2.add(sum, f64x2.mul(row, v128.load(xAt + j)));
      v128.store(yAt + j, f64x2.add(v128.load(yAt + j), f64x2.mul(row, xA)));
    }
    addRow(a, xAt, yAt, i, sum);
    a += bytes;
  }
  return dot(xAt, yAt, s);
}

/** Completes entry i of C x: what its row gave, less its diagonal, which the column gave too. */
// @ts-ignore: decorator
@inline
function addRow(rowAt: usize, xAt: usize, yAt: usize, i: i32, sum: v128): void {
  const entry = usize(i) << 3;
  const diagonal = load<f64>(rowAt + entry) * load<f64>(xAt + entry);
  const row = f64x2.extract_lane(sum, 0) + f64x2.extract_lane(sum, 1) - diagonal;
  store<f64>(yAt + entry, load<f64>(yAt + entry) + row);
}

/** x'y of two vectors of length S. */
export function dot(xAt: usize, yAt: usize, s: i32): f64 {
  let sum = f64x2.splat(0);
  const bytes = usize(s) << 3;
  for (let j: usize = 0; j < bytes; j += 16) sum = f64x2.add(sum, f64x2.mul(v128.load(xAt + j), v128.load(yAt + j)));
  return f64x2.extract_lane(sum, 0) + f64x2.extract_lane(sum, 1);
}

/** y ← y + a x, vectors of length S. */
export function addScaled(yAt: usize, a: f64, xAt: usize, s: i32): void {
  const factor = f64x2.splat(a);
  const bytes = usize(s) << 3;
  for (let j: usize = 0; j < bytes; j += 16)
    v128.store(yAt + j, f64x2.add(v128.load(yAt + j), f64x2.mul(factor, v128.load(xAt + j))));
}

/** C ← C − κ y y'. */
export function shrink(matrixAt: usize, yAt: usize, kappa: f64, p: i32): void {
  let a = matrixAt;
  for (let i = 0; i < p; i++) {
    const bytes = usize((i + 2) & ~1) << 3;
    const factor = f64x2.splat(kappa * load<f64>(yAt + (usize(i) << 3)));
    for (let j: usize = 0; j < bytes; j += 16)
      v128.store(a + j, f64x2.sub(v128.load(a + j), f64x2.mul(factor, v128.load(yAt + j))));
    if ((i & 1) == 0) store<f64>(a + bytes - 8, 0);
    a += bytes;
  }
}

/**
 * v = M y for the second moment M of a target set (target.ts): an arrowhead of `level` (length S), its mean, and `second`
 * (latents × B × B); of the part level level' only `keep` counts.
 */
export function applyTarget(
  levelAt: usize,
  secondAt: usize,
  keep: f64,
  yAt: usize,
  vAt: usize,
  latents: i32,
  block: i32,
  s: i32,
): void {
  const levelOfY = dot(levelAt, yAt, s);
  const y0 = load<f64>(yAt) - (1 - keep) * levelOfY;
  store<f64>(vAt, keep * levelOfY);
  const bytes = usize(block) << 3;
  let at: usize = 8;
  let row = secondAt;
  for (let d = 0; d < latents; d++, at += bytes)
    for (let i: usize = 0; i < bytes; i += 8) {
      let pairs = f64x2.splat(0);
      let j: usize = 0;
      for (; j + 8 < bytes; j += 16) pairs = f64x2.add(pairs, f64x2.mul(v128.load(row + j), v128.load(yAt + at + j)));
      let sum = load<f64>(levelAt + at + i) * y0 + f64x2.extract_lane(pairs, 0) + f64x2.extract_lane(pairs, 1);
      if (j < bytes) sum += load<f64>(row + j) * load<f64>(yAt + at + j);
      row += bytes;
      store<f64>(vAt + at + i, sum);
    }
}

/**
 * a'x of every face on the traversals through a base, for quadratic forms q = x'Ax: along latent d only block d of x moves,
 * so q(t) = q_rest + slope'φ(t) + φ(t)'A_dd φ(t), of which the last is given.
 *
 * @param atBase q at the base
 * @param yAt A x at the base, length S
 * @param blocksAt A_dd, latents × B × B
 * @param phiAt features of the grid, B × T, T even
 * @param squareAt φ(t)'A_dd φ(t), latents × T
 * @param outAt latents × T
 */
export function traverse(
  atBase: f64,
  xAt: usize,
  yAt: usize,
  blocksAt: usize,
  phiAt: usize,
  squareAt: usize,
  outAt: usize,
  latents: i32,
  block: i32,
  steps: i32,
): void {
  const blockBytes = usize(block) << 3;
  const stepBytes = usize(steps) << 3;
  let at: usize = 8;
  let a = blocksAt;
  for (let d = 0; d < latents; d++, at += blockBytes, squareAt += stepBytes, outAt += stepBytes) {
    let rest = atBase;
    for (let t: usize = 0; t < stepBytes; t += 8) store<f64>(outAt + t, load<f64>(squareAt + t));
    let phi = phiAt;
    for (let i: usize = 0; i < blockBytes; i += 8, phi += stepBytes) {
      let ax: f64 = 0;
      for (let j: usize = 0; j < blockBytes; j += 8, a += 8) ax += load<f64>(a) * load<f64>(xAt + at + j);
      const y = load<f64>(yAt + at + i);
      rest += load<f64>(xAt + at + i) * (ax - 2 * y);
      const slope = f64x2.splat(2 * (y - ax));
      for (let t: usize = 0; t < stepBytes; t += 16)
        v128.store(outAt + t, f64x2.add(v128.load(outAt + t), f64x2.mul(slope, v128.load(phi + t))));
    }
    const shift = f64x2.splat(rest);
    for (let t: usize = 0; t < stepBytes; t += 16) v128.store(outAt + t, f64x2.add(v128.load(outAt + t), shift));
  }
}

/** The same for a linear form w'x: w'x at the base, less what the block gives there, plus what it gives at each step. */
export function traverseLinear(
  atBase: f64,
  xAt: usize,
  weightsAt: usize,
  phiAt: usize,
  outAt: usize,
  latents: i32,
  block: i32,
  steps: i32,
): void {
  const blockBytes = usize(block) << 3;
  const stepBytes = usize(steps) << 3;
  let at: usize = 8;
  for (let d = 0; d < latents; d++, at += blockBytes, outAt += stepBytes) {
    let rest = atBase;
    for (let i: usize = 0; i < blockBytes; i += 8) rest -= load<f64>(weightsAt + at + i) * load<f64>(xAt + at + i);
    const shift = f64x2.splat(rest);
    for (let t: usize = 0; t < stepBytes; t += 16) v128.store(outAt + t, shift);
    let phi = phiAt;
    for (let i: usize = 0; i < blockBytes; i += 8, phi += stepBytes) {
      const w = f64x2.splat(load<f64>(weightsAt + at + i));
      for (let t: usize = 0; t < stepBytes; t += 16)
        v128.store(outAt + t, f64x2.add(v128.load(outAt + t), f64x2.mul(w, v128.load(phi + t))));
    }
  }
}

/** φ(t)'A_dd φ(t): latents × T, from blocks latents × B × B and features B × T. */
export function squares(blocksAt: usize, phiAt: usize, outAt: usize, latents: i32, block: i32, steps: i32): void {
  const stepBytes = usize(steps) << 3;
  let a = blocksAt;
  for (let d = 0; d < latents; d++, outAt += stepBytes) {
    for (let t: usize = 0; t < stepBytes; t += 16) {
      let sum = f64x2.splat(0);
      let entry = a;
      for (let i = 0; i < block; i++) {
        let inner = f64x2.splat(0);
        for (let j = 0; j < block; j++, entry += 8)
          inner = f64x2.add(inner, f64x2.mul(v128.load64_splat(entry), v128.load(phiAt + usize(j) * stepBytes + t)));
        sum = f64x2.add(sum, f64x2.mul(inner, v128.load(phiAt + usize(i) * stepBytes + t)));
      }
      v128.store(outAt + t, sum);
    }
    a += usize(block * block) << 3;
  }
}

/** Beyond it e^η and its inverse leave the range of numbers; no count is told apart there. */
const LARGEST_ETA: f64 = 700;

/**
 * e^x for |x| ≤ 700, to 2 units in the last place: x = k log 2 + r, the Taylor series of e^r to the 13th power (|r| ≤ ½ log 2, what is
 * left out is below 2⁻⁵⁵), and 2^k by its bits.
 */
// @ts-ignore: decorator
@inline
function exp(x: v128): v128 {
  const k = f64x2.nearest(f64x2.mul(x, f64x2.splat(1.4426950408889634)));
  const r = f64x2.sub(
    f64x2.sub(x, f64x2.mul(k, f64x2.splat(6.93147180369123816490e-1))),
    f64x2.mul(k, f64x2.splat(1.90821492927058770002e-10)),
  );
  const r2 = f64x2.mul(r, r);
  const r4 = f64x2.mul(r2, r2);
  // Pairs of terms, so that they need not wait for one another.
  const from0 = f64x2.add(terms(r, 1, 1), f64x2.mul(terms(r, 0.5, 1.6666666666666666e-1), r2));
  const from4 = f64x2.add(
    terms(r, 4.1666666666666664e-2, 8.333333333333333e-3),
    f64x2.mul(terms(r, 1.388888888888889e-3, 1.984126984126984e-4), r2),
  );
  const from8 = f64x2.add(
    terms(r, 2.48015873015873e-5, 2.7557319223985893e-6),
    f64x2.mul(terms(r, 2.755731922398589e-7, 2.505210838544172e-8), r2),
  );
  const upTo13 = f64x2.add(from8, f64x2.mul(terms(r, 2.08767569878681e-9, 1.6059043836821613e-10), r4));
  const sum = f64x2.add(from0, f64x2.mul(f64x2.add(from4, f64x2.mul(upTo13, r4)), r4));
  const bits = i64x2.add(i64x2.extend_low_i32x4_s(i32x4.trunc_sat_f64x2_s_zero(k)), i64x2.splat(1023));
  return f64x2.mul(sum, i64x2.shl(bits, 52));
}

// @ts-ignore: decorator
@inline
function terms(r: v128, constant: f64, linear: f64): v128 {
  return f64x2.add(f64x2.splat(constant), f64x2.mul(f64x2.splat(linear), r));
}

/** log(1 + e) for 0 ≤ e ≤ 1: 2 atanh(s), s = e/(2 + e) ≤ ⅓, by its series to s³⁵. */
// @ts-ignore: decorator
@inline
function log1p(e: v128): v128 {
  const s = f64x2.div(e, f64x2.add(f64x2.splat(2), e));
  const square = f64x2.mul(s, s);
  let sum = f64x2.splat(1.0 / 35);
  for (let odd: f64 = 33; odd > 0; odd -= 2) sum = f64x2.add(f64x2.mul(sum, square), f64x2.splat(1.0 / odd));
  return f64x2.mul(f64x2.add(s, s), sum);
}

// @ts-ignore: decorator
@inline
function bounded(eta: v128): v128 {
  return f64x2.max(f64x2.min(eta, f64x2.splat(LARGEST_ETA)), f64x2.splat(-LARGEST_ETA));
}

/**
 * Adds share · reach J/(1 + s² J) of n faces to `out` (scoring.ts, `varianceScoring`), J the information of a count about η = m. Exponential
 * link: λ/(1 + φ λ), λ = e^η. Softplus: λ'²/(λ (1 + φ λ)), λ = c log(1 + e^η), λ' = c/(1 + e^−η), c = priorCount/log 2. n is even.
 */
export function addWorth(
  softplus: bool,
  mAt: usize,
  s2At: usize,
  reachAt: usize,
  share: f64,
  dispersion: f64,
  priorCount: f64,
  outAt: usize,
  n: i32,
): void {
  const one = f64x2.splat(1);
  const zero = f64x2.splat(0);
  const factor = f64x2.splat(share);
  const phi = f64x2.splat(dispersion);
  const c = f64x2.splat(priorCount / 0.6931471805599453);
  const bytes = usize(n) << 3;
  for (let k: usize = 0; k < bytes; k += 16) {
    const eta = bounded(v128.load(mAt + k));
    const s2 = v128.load(s2At + k);
    // J/(1 + s² J) as a fraction.
    let above: v128;
    let below: v128;
    if (softplus) {
      const e = exp(f64x2.neg(f64x2.abs(eta)));
      const count = f64x2.mul(c, f64x2.add(f64x2.max(eta, zero), log1p(e)));
      const open = f64x2.div(v128.bitselect(one, e, f64x2.ge(eta, zero)), f64x2.add(one, e));
      const slope = f64x2.mul(c, open);
      above = f64x2.mul(slope, slope);
      below = f64x2.add(f64x2.mul(count, f64x2.add(one, f64x2.mul(phi, count))), f64x2.mul(s2, above));
    } else {
      above = exp(eta);
      below = f64x2.add(one, f64x2.mul(above, f64x2.add(phi, s2)));
    }
    const worth = f64x2.div(f64x2.mul(f64x2.mul(factor, v128.load(reachAt + k)), above), below);
    v128.store(outAt + k, f64x2.add(v128.load(outAt + k), worth));
  }
}
