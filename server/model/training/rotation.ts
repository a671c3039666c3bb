import type { Architecture } from "../network.ts";
import type { Evaluation } from "./evaluation.ts";
import { activeNats } from "./save.ts";
import type { Weights } from "./trainer.ts";

/** Square matrices as rows. */
type Matrix = Float64Array[];

/** y = unmixing · (x − mean) has independent columns of variance 1; mixing is unmixing's inverse. */
export interface Unmixing {
  mean: Float64Array;
  unmixing: Matrix;
  mixing: Matrix;
}

/**
 * Independent component analysis: FastICA with kurtosis as the contrast, all components at once (Hyvärinen 1999), from the
 * identity, until no component turns by more than 1e-8 (1 − |cosine|). `rows` [n][d] with a covariance of full rank.
 */
export function independentComponents(rows: readonly ArrayLike<number>[]): Unmixing {
  const n = rows.length;
  const d = rows[0].length;
  const mean = new Float64Array(d);
  for (const row of rows) for (let i = 0; i < d; i++) mean[i] += row[i] / n;
  const covariance = zeros(d);
  for (const row of rows) {
    for (let i = 0; i < d; i++) {
      for (let j = 0; j < d; j++) covariance[i][j] += ((row[i] - mean[i]) * (row[j] - mean[j])) / n;
    }
  }
  const whitening = spectral(covariance, (value) => 1 / Math.sqrt(value));
  const colouring = spectral(covariance, Math.sqrt);
  const white = rows.map((row) =>
    times(
      whitening,
      Float64Array.from(row, (value, i) => value - mean[i]),
    ),
  );
  let turn = identity(d);
  for (let round = 0; round < 1000; round++) {
    // w ← E[(w·x)³ x] − 3w, since E[(w·x)²] = 1.
    const next = turn.map((w) => w.map((value) => -3 * value));
    for (const x of white) {
      const y = times(turn, x);
      for (let k = 0; k < d; k++) {
        const cube = y[k] ** 3 / n;
        for (let i = 0; i < d; i++) next[k][i] += cube * x[i];
      }
    }
    const orthonormal = product(
      spectral(product(next, transposed(next)), (value) => 1 / Math.sqrt(value)),
      next,
    );
    const turned = Math.max(
      ...orthonormal.map((w, k) => 1 - Math.abs(w.reduce((sum, v, i) => sum + v * turn[k][i], 0))),
    );
    turn = orthonormal;
    if (turned < 1e-8) break;
  }
  return { mean, unmixing: product(turn, whitening), mixing: product(colouring, transposed(turn)) };
}

/**
 * The same model with its active latents turned to be as independent as they can be. A β-VAE's objective hardly minds how
 * equally strong directions of its code are turned (prior and likelihood look alike from every side); total correlation
 * does mind, and this minimises it at once where gradients take long. Encoder and decoder are turned alike, so that every
 * image is rebuilt as before. New latents are scaled to a second moment of 1, noise included; their noise is the same for
 * all images at first. `evaluation` has the posteriors' means over training images, and its KLs tell which are active.
 */
export function rotated(a: Architecture, weights: Weights, evaluation: Evaluation): Weights {
  const active = evaluation.latents.flatMap(({ klNats }, l) => (klNats > activeNats ? [l] : []));
  if (active.length < 2) return weights;
  const { mean, unmixing, mixing } = independentComponents(
    evaluation.means.map((row) => Float64Array.from(active, (l) => row[l])),
  );
  const noise = unmixing.map((row) =>
    row.reduce((sum, value, j) => sum + value ** 2 * evaluation.latents[active[j]].noiseVariance, 0),
  );
  const scale = noise.map((variance) => 1 / Math.sqrt(1 + variance));
  const width = 2 * a.latents;
  const kernel = weights["encoder/posterior/kernel"].slice();
  const bias = weights["encoder/posterior/bias"].slice();
  const old = weights["encoder/posterior/kernel"];
  const hidden = weights["decoder/hidden/kernel"].slice();
  const hiddenBias = weights["decoder/hidden/bias"].slice();
  for (const [k, latent] of active.entries()) {
    for (let h = 0; h < a.hidden; h++) {
      let sum = 0;
      for (const [j, from] of active.entries()) sum += unmixing[k][j] * old[h * width + from];
      kernel[h * width + latent] = scale[k] * sum;
      kernel[h * width + a.latents + latent] = 0;
      let back = 0;
      for (const [j, from] of active.entries())
        back += mixing[j][k] * weights["decoder/hidden/kernel"][from * a.hidden + h];
      hidden[latent * a.hidden + h] = back / scale[k];
      hiddenBias[h] += mean[k] * weights["decoder/hidden/kernel"][latent * a.hidden + h];
    }
    let sum = 0;
    for (const [j, from] of active.entries())
      sum += unmixing[k][j] * (weights["encoder/posterior/bias"][from] - mean[j]);
    bias[latent] = scale[k] * sum;
    bias[a.latents + latent] = Math.log(scale[k] ** 2 * noise[k]);
  }
  return {
    ...weights,
    "encoder/posterior/kernel": kernel,
    "encoder/posterior/bias": bias,
    "decoder/hidden/kernel": hidden,
    "decoder/hidden/bias": hiddenBias,
  };
}

const zeros = (d: number): Matrix => Array.from({ length: d }, () => new Float64Array(d));
const identity = (d: number): Matrix => zeros(d).map((row, i) => row.fill(1, i, i + 1));
const transposed = (m: Matrix): Matrix => m.map((_, i) => Float64Array.from(m, (row) => row[i]));

function times(m: Matrix, x: ArrayLike<number>): Float64Array {
  return Float64Array.from(m, (row) => {
    let sum = 0;
    for (let i = 0; i < row.length; i++) sum += row[i] * x[i];
    return sum;
  });
}

function product(a: Matrix, b: Matrix): Matrix {
  const columns = transposed(b);
  return a.map((row) => times(columns, row));
}

/** f of a symmetric, positive definite matrix: of its eigenvalues, by cyclic Jacobi rotations. */
function spectral(symmetric: Matrix, f: (eigenvalue: number) => number): Matrix {
  const m = symmetric.map((row) => row.slice());
  const vectors = identity(m.length);
  for (let sweep = 0; sweep < 60; sweep++) {
    let off = 0;
    for (let p = 0; p < m.length; p++) {
      for (let q = p + 1; q < m.length; q++) {
        off = Math.max(off, Math.abs(m[p][q]) / Math.sqrt(m[p][p] * m[q][q]));
        if (m[p][q] === 0) continue;
        const angle = 0.5 * Math.atan2(2 * m[p][q], m[q][q] - m[p][p]);
        const [c, s] = [Math.cos(angle), Math.sin(angle)];
        for (const row of m) [row[p], row[q]] = [c * row[p] - s * row[q], s * row[p] + c * row[q]];
        for (let i = 0; i < m.length; i++) {
          [m[p][i], m[q][i]] = [c * m[p][i] - s * m[q][i], s * m[p][i] + c * m[q][i]];
        }
        for (const row of vectors) [row[p], row[q]] = [c * row[p] - s * row[q], s * row[p] + c * row[q]];
      }
    }
    if (off < 1e-14) break;
  }
  const scaled = vectors.map((row) => row.map((value, i) => value * f(m[i][i])));
  return product(scaled, transposed(vectors));
}
