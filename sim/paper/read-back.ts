import { Matrix, solve } from "ml-matrix";
import { standardised } from "../../server/model/measures/lasso.ts";
import type { Random } from "../../server/random.ts";
import { cosineDistance } from "../../server/tuning/reading.ts";

/** Random sets of cells that a figure is the mean of. */
const draws = 8;
/** Ridge penalty on standardised counts, relative to the number of faces. */
const ridge = 0.02;

/**
 * Mean cosine distance between a face's latents and those read from n cells (ridge regression from √counts, fitted to the first
 * half of the faces), on the second half: 0 where they point the same way, 1 for unrelated ones.
 *
 * @param latents latent l of face i at [l][i]
 * @param counts of cell c to face i at [c][i]
 */
export function readBackDistance(
  latents: readonly Float64Array[],
  counts: readonly Float64Array[],
  cells: number,
  random: Random,
): number {
  const faces = latents[0].length;
  const half = Math.floor(faces / 2);
  const like = (values: Float64Array) => standardised(values, values.subarray(0, half));
  const targets = latents.map(like);
  const responses = counts.map((values) => like(values.map(Math.sqrt)));
  let total = 0;
  for (let draw = 0; draw < draws; draw++) {
    const chosen = subset(responses.length, cells, random.split(draw)).map((c) => responses[c]);
    const x = new Matrix(chosen.map((column) => Array.from(column))).transpose();
    const y = new Matrix(targets.map((column) => Array.from(column))).transpose();
    const fittedX = x.subMatrix(0, half - 1, 0, cells - 1);
    const normal = fittedX.transpose().mmul(fittedX);
    for (let k = 0; k < cells; k++) normal.set(k, k, normal.get(k, k) + ridge * half);
    const weights = solve(normal, fittedX.transpose().mmul(y.subMatrix(0, half - 1, 0, targets.length - 1)));
    const predicted = x.subMatrix(half, faces - 1, 0, cells - 1).mmul(weights);
    for (let i = 0; i < predicted.rows; i++)
      total += cosineDistance(predicted.getRow(i), y.getRow(half + i)) / (draws * predicted.rows);
  }
  return total;
}

/** The number of cells at which a falling curve reaches a distance, linear in the logarithm between the points; null if never. */
export function cellsNeeded(curve: readonly { cells: number; distance: number }[], target: number): number | null {
  const at = curve.findIndex(({ distance }) => distance <= target);
  if (at < 0) return null;
  if (at === 0) return curve[0].cells;
  const [before, after] = [curve[at - 1], curve[at]];
  const part = (before.distance - target) / (before.distance - after.distance);
  return Math.exp(Math.log(before.cells) + part * Math.log(after.cells / before.cells));
}

function subset(n: number, size: number, random: Random): number[] {
  const order = Array.from({ length: n }, (_, i) => i);
  for (let i = 0; i < size; i++) {
    const j = i + random.int(n - i);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order.slice(0, size);
}
