import * as tf from "@tensorflow/tfjs-core";
import { EigenvalueDecomposition, Matrix } from "ml-matrix";
import type { ImageSet } from "../../server/model/training/images.ts";
import { imageTensor } from "../../server/model/training/trainer.ts";
import { random } from "../../server/random.ts";

/** Directions beyond those wanted, and rounds: the error falls by the ratio of the eigenvalues at every round (Halko et al. 2011). */
const extra = 8;
const rounds = 20;

/**
 * Principal components of the pixels by subspace iteration on the current backend.
 *
 * @param fitted images that the components are found in, all of them
 * @param described images whose scores are given
 * @returns score of component l for image i at [l][i], the largest component first; signs are arbitrary
 */
export async function principalScores(
  fitted: ImageSet,
  described: ImageSet,
  components: number,
): Promise<Float64Array[]> {
  const matrix = (images: ImageSet) => {
    const every = Uint32Array.from({ length: images.count }, (_, i) => i);
    return tf.tidy(() => tf.reshape(imageTensor(images, every), [images.count, -1])) as tf.Tensor2D;
  };
  const size = fitted.side ** 2 * 3;
  const width = components + extra;
  const draws = random("principal components");
  const raw = matrix(fitted);
  const mean = tf.tidy(() => tf.mean(raw, 0));
  const x = tf.tidy(() => tf.sub(raw, mean)) as tf.Tensor2D;
  // Transposed once: some backends multiply slowly with their own flags for it.
  const xt = tf.tidy(() => tf.transpose(x));
  let basis: Float64Array[] = Array.from({ length: width }, () =>
    Float64Array.from({ length: size }, () => draws.normal()),
  );
  for (let round = 0; round < rounds; round++) {
    basis = orthonormal(basis);
    const product = tf.tidy(() => tf.transpose(tf.matMul(xt, tf.matMul(x, columnsOf(basis)))));
    const values = await product.data();
    product.dispose();
    basis = basis.map((_, l) => Float64Array.from(values.subarray(l * size, (l + 1) * size)));
  }
  basis = orthonormal(basis);
  const own = await scoresOn(x, basis);
  const eigen = new EigenvalueDecomposition(new Matrix(own).mmul(new Matrix(own).transpose()), {
    assumeSymmetric: true,
  });
  const order = eigen.realEigenvalues
    .map((_, k) => k)
    .sort((a, b) => eigen.realEigenvalues[b] - eigen.realEigenvalues[a]);
  const others = matrix(described);
  const centred = tf.tidy(() => tf.sub(others, mean)) as tf.Tensor2D;
  const scores = new Matrix(await scoresOn(centred, basis));
  tf.dispose([raw, mean, x, xt, others, centred]);
  const turned = eigen.eigenvectorMatrix.transpose().mmul(scores);
  return order.slice(0, components).map((k) => Float64Array.from(turned.getRow(k)));
}

const columnsOf = (basis: readonly Float64Array[]): tf.Tensor2D =>
  tf.transpose(tf.tensor2d(Float32Array.from(basis.flatMap((row) => [...row])), [basis.length, basis[0].length]));

/** [direction][image] */
async function scoresOn(x: tf.Tensor2D, basis: readonly Float64Array[]): Promise<number[][]> {
  const product = tf.tidy(() => tf.transpose(tf.matMul(x, columnsOf(basis)))) as tf.Tensor2D;
  const rows = await product.array();
  product.dispose();
  return rows;
}

/** Gram–Schmidt, twice for the digits that one pass loses. */
export function orthonormal(vectors: readonly Float64Array[]): Float64Array[] {
  const rows: Float64Array[] = [];
  for (const vector of vectors) {
    const row = vector.slice();
    for (let pass = 0; pass < 2; pass++)
      for (const other of rows) {
        let along = 0;
        for (let k = 0; k < row.length; k++) along += row[k] * other[k];
        for (let k = 0; k < row.length; k++) row[k] -= along * other[k];
      }
    const norm = Math.hypot(...row);
    rows.push(row.map((value) => value / norm));
  }
  return rows;
}
