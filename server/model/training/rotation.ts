import { EigenvalueDecomposition, Matrix } from "ml-matrix";
import type { Architecture } from "../architecture.ts";
import { activeNats } from "../measures/active.ts";
import type { Evaluation } from "./evaluation.ts";
import type { Weights } from "./trainer.ts";

/** y = unmixing · (x − mean) has independent columns of variance 1; mixing is unmixing's inverse. */
export interface Unmixing {
  mean: number[];
  unmixing: number[][];
  mixing: number[][];
}

/**
 * Independent component analysis: FastICA with kurtosis as the contrast, all components at once (Hyvärinen 1999), from the
 * identity, until no component turns by more than 1e-8 (1 − |cosine|). `rows` [n][d] with a covariance of full rank.
 */
export function independentComponents(rows: readonly ArrayLike<number>[]): Unmixing {
  const x = new Matrix(rows.map((row) => Array.from(row)));
  const n = x.rows;
  const mean = x.mean("column");
  x.subRowVector(mean);
  const covariance = x.transpose().mmul(x).div(n);
  const whitening = spectral(covariance, (value) => 1 / Math.sqrt(value));
  const white = x.mmul(whitening);
  let turn = Matrix.eye(x.columns);
  for (let round = 0; round < 1000; round++) {
    // w ← E[(w·x)³ x] − 3w, since E[(w·x)²] = 1.
    const cubes = Matrix.pow(white.mmul(turn.transpose()), 3);
    const next = cubes.transpose().mmul(white).div(n).sub(Matrix.mul(turn, 3));
    const orthonormal = spectral(next.mmul(next.transpose()), (value) => 1 / Math.sqrt(value)).mmul(next);
    const cosines = Matrix.mul(orthonormal, turn).sum("row");
    turn = orthonormal;
    if (cosines.every((cosine) => 1 - Math.abs(cosine) < 1e-8)) break;
  }
  const mixing = spectral(covariance, Math.sqrt).mmul(turn.transpose());
  return { mean, unmixing: turn.mmul(whitening).to2DArray(), mixing: mixing.to2DArray() };
}

/** f of a symmetric, positive definite matrix: of its eigenvalues. */
function spectral(symmetric: Matrix, f: (eigenvalue: number) => number): Matrix {
  const { eigenvectorMatrix, realEigenvalues } = new EigenvalueDecomposition(symmetric, { assumeSymmetric: true });
  const scaled = eigenvectorMatrix.clone().mulRowVector(realEigenvalues.map(f));
  return scaled.mmul(eigenvectorMatrix.transpose());
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
    row.reduce((sum, value, j) => sum + value ** 2 * evaluation.noiseVariance[active[j]], 0),
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
