import { CholeskyDecomposition, Matrix } from "ml-matrix";
import { concentration } from "../../server/model/measures/dci.ts";
import { lasso, standardised } from "../../server/model/measures/lasso.ts";
import { type Random, shuffle } from "../../server/random.ts";
import { dot } from "../../server/tuning/cholesky.ts";
import { unitVector } from "./patch.ts";
import { orthonormal } from "./principal.ts";

export interface Alignment {
  /**
   * Mean over cells of 1 − entropy (base: number of latents) of a cell's absolute weights: 1 where each cell follows one latent. Every
   * cell counts the same; one that follows none of them counts 0.
   */
  score: number;
  /** The same with the latents turned by random rotations, mean: what the number of latents and the cells alone would give. */
  rotated: number;
  /** score − rotated: what is due to these very axes. */
  margin: number;
  /**
   * score less that with each latent's weights dealt anew among the cells: what is due to which weights a cell has together. Latents that
   * say unlike amounts raise `margin` whatever the cells code, for a rotation makes them alike; this they do not raise.
   */
  togetherness: number;
  /** R² of the cells' counts on faces that were not fitted to, mean over cells. */
  r2: number;
}

/** L1 penalty on standardised latents and counts, as for DCI. */
const alpha = 0.01;

/**
 * How far single cells follow single latents (Higgins et al. 2021), fitted to the first half of the faces, R² from the second.
 *
 * @param latents latent l of face i at [l][i]
 * @param counts of cell c to face i at [c][i]
 */
export function alignment(
  latents: readonly Float64Array[],
  counts: readonly Float64Array[],
  rotations: number,
  random: Random,
): Alignment {
  const half = Math.floor(latents[0].length / 2);
  const like = (values: Float64Array) => standardised(values, values.subarray(0, half));
  const columns = latents.map(like);
  const responses = counts.map(like);
  const { score, r2, weights } = scoreOf(columns, responses, half);
  let rotated = 0;
  for (let k = 0; k < rotations; k++) {
    const turned = turn(columns, rotation(columns.length, random.split("rotation", k))).map(like);
    rotated += scoreOf(turned, responses, half).score / rotations;
  }
  return {
    score,
    rotated,
    margin: score - rotated,
    togetherness: score - dealtAnew(weights, random.split("deal")),
    r2,
  };
}

const DEALS = 20;

/** Mean score where each latent's weights are shuffled over the cells. */
function dealtAnew(weights: readonly Float64Array[], random: Random): number {
  const latents = Array.from({ length: weights[0].length }, (_, l) => weights.map((own) => own[l]));
  let sum = 0;
  for (let k = 0; k < DEALS; k++) {
    const dealt = latents.map((own, l) => shuffle(own, random.split(k, l)));
    sum += meanOf(weights.map((_, cell) => concentration(dealt.map((own) => Math.abs(own[cell])))));
  }
  return sum / DEALS;
}

const meanOf = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

function scoreOf(columns: readonly Float64Array[], responses: readonly Float64Array[], half: number) {
  const regress = lassoOn(columns.map((column) => column.subarray(0, half)));
  const weights = responses.map((response) => regress(response.subarray(0, half)));
  return {
    score: meanOf(weights.map((own) => concentration(own.map(Math.abs)))),
    r2: meanOf(responses.map((response, c) => explained(columns, weights[c], response, half))),
    weights,
  };
}

/**
 * Lasso of many responses on the same columns X. With R'R = X'X and R'v = X'y, ‖y − Xw‖² and ‖v − Rw‖² differ by a constant, and R has
 * as many rows as there are columns: a pass costs D² and not D · n, which latents that go together need by the thousand.
 */
export function lassoOn(columns: readonly Float64Array[]): (response: Float64Array) => Float64Array {
  const size = columns.length;
  const n = columns[0].length;
  const gram = new Matrix(columns.map((a) => columns.map((b) => dot(a, b))));
  // Columns of no variance, or twice the same, have no factor of their own.
  for (let k = 0; k < size; k++) gram.set(k, k, gram.get(k, k) * (1 + 1e-10) + 1e-10 * n);
  const lower = new CholeskyDecomposition(gram).lowerTriangularMatrix;
  const rows = Array.from({ length: size }, (_, l) => Float64Array.from(lower.getRow(l)));
  return (response) => {
    const v = new Float64Array(size);
    for (let i = 0; i < size; i++) {
      let rest = dot(columns[i], response);
      for (let j = 0; j < i; j++) rest -= lower.get(i, j) * v[j];
      v[i] = rest / lower.get(i, i);
    }
    return lasso(rows, v, (alpha * n) / size);
  };
}

function explained(columns: readonly Float64Array[], weights: Float64Array, response: Float64Array, half: number) {
  const n = response.length;
  let mean = 0;
  for (let i = half; i < n; i++) mean += response[i] / (n - half);
  let error = 0;
  let variance = 0;
  for (let i = half; i < n; i++) {
    let predicted = 0;
    for (let d = 0; d < columns.length; d++) predicted += weights[d] * columns[d][i];
    error += (response[i] - predicted) ** 2;
    variance += (response[i] - mean) ** 2;
  }
  return variance > 0 ? 1 - error / variance : 0;
}

/** A random rotation (or reflection), uniform over all of them: Gaussian vectors made orthonormal one after another. */
export const rotation = (size: number, random: Random): Float64Array[] =>
  orthonormal(Array.from({ length: size }, (_, i) => unitVector(size, random.split(i))));

const turn = (columns: readonly Float64Array[], rows: readonly Float64Array[]): Float64Array[] =>
  rows.map((row) =>
    columns[0].map((_, i) => {
      let sum = 0;
      for (let d = 0; d < columns.length; d++) sum += row[d] * columns[d][i];
      return sum;
    }),
  );
