import { Matrix, solve } from "ml-matrix";
import { drawBox, drawPrior } from "../choice/candidates.ts";
import { foretoldDifference, type Region, regionTerms } from "../choice/region.ts";
import { random } from "../random.ts";
import { quantile } from "../session/quantile.ts";
import type { Decoder } from "./decoder.ts";

/** How far a model's encoder reads back what its decoder was asked for. */
export interface Validity {
  /** Latents that are read back; the others are not counted in differences: their reading does not follow what is asked. */
  used: boolean[];
  /** Pearson's correlation of asked and read, for faces from the prior. */
  correlation: number[];
  /** Root mean square difference over the latents in use, for faces from the prior, in latent units. */
  difference: { median: number; p95: number };
  region: Region;
  /** On faces that the region was not fitted to, half from the box of the faces' range and half from the prior. */
  heldOut: {
    /** Share of faces of the range that are offered. */
    offered: number;
    /** Share of those offered that do agree, and of those refused that do not. */
    offeredAgree: number;
    refusedDisagree: number;
  };
}

/** Latents that the encoder reads back with at least this correlation count as in use. */
const readBack = 0.5;
/** Faces tried, for each weight of the region and at least; in batches. */
const facesPerWeight = 10;
const leastFaces = 384;
const batch = 32;

/** Latents as the encoder reads them back from the faces that the decoder makes of `latents`, [n][D]. */
export async function readBackLatents(decoder: Required<Decoder>, latents: Float32Array): Promise<Float32Array> {
  return (await decoder.encode(await decoder.decode(latents))).mean;
}

/** Root mean square difference over the latents in use. */
export function differenceOf(asked: ArrayLike<number>, read: ArrayLike<number>, used: readonly boolean[]): number {
  let sum = 0;
  let n = 0;
  for (const [d, counts] of used.entries()) {
    if (!counts) continue;
    sum += (asked[d] - read[d]) ** 2;
    n++;
  }
  return n > 0 ? Math.sqrt(sum / n) : 0;
}

/**
 * Tries faces all over the range, half from the prior and half from the box ±range, and learns where decoder and encoder agree.
 * The same faces each time.
 */
export async function measureValidity(
  decoder: Required<Decoder>,
  count: number,
  range: number,
  threshold: number,
): Promise<Validity> {
  const draws = random("validity");
  const wanted = Math.max(leastFaces, facesPerWeight * (1 + 2 * count));
  const n = batch * Math.ceil(wanted / batch);
  const asked = Array.from({ length: n }, (_, i) => (i % 2 === 0 ? drawPrior : drawBox)(count, range, draws.split(i)));
  const read: Float32Array[] = [];
  for (let from = 0; from < n; from += batch) {
    const codes = Float32Array.from(asked.slice(from, from + batch).flatMap((face) => [...face]));
    const back = await readBackLatents(decoder, codes);
    for (let i = 0; i < batch; i++) read.push(back.subarray(i * count, (i + 1) * count));
  }
  const prior = (_: unknown, i: number) => i % 2 === 0;
  const correlation = Array.from({ length: count }, (_, d) =>
    pearson(
      asked.filter(prior).map((face) => face[d]),
      read.filter(prior).map((face) => face[d]),
    ),
  );
  const used = correlation.map((r) => r >= readBack);
  const differences = asked.map((face, i) => differenceOf(face, read[i], used));
  // Two of three faces fit the region, the third says how well it foretells.
  const fits = (_: unknown, i: number) => i % 3 !== 0;
  const region = { weights: fitRegion(asked.filter(fits), differences.filter(fits)), threshold };
  const rest = asked
    .map((face, i) => ({
      i,
      offered: foretoldDifference(region, face) <= threshold,
      agrees: differences[i] <= threshold,
    }))
    .filter(({ i }) => i % 3 === 0);
  const share = <T>(all: readonly T[], which: (one: T) => boolean) =>
    all.length > 0 ? all.filter(which).length / all.length : 1;
  return {
    used,
    correlation,
    difference: {
      median: quantile(differences.filter(prior), 0.5),
      p95: quantile(differences.filter(prior), 0.95),
    },
    region,
    heldOut: {
      offered: share(
        rest.filter(({ i }) => i % 2 === 1),
        ({ offered }) => offered,
      ),
      offeredAgree: share(
        rest.filter(({ offered }) => offered),
        ({ agrees }) => agrees,
      ),
      refusedDisagree: share(
        rest.filter(({ offered }) => !offered),
        ({ agrees }) => !agrees,
      ),
    },
  };
}

/** Least squares of the log difference, with a touch of ridge for latents that never matter. */
function fitRegion(faces: readonly Float64Array[], differences: readonly number[]): number[] {
  const x = new Matrix(faces.map(regionTerms));
  const y = Matrix.columnVector(differences.map((value) => Math.log(Math.max(value, 1e-6))));
  const normal = x.transpose().mmul(x);
  for (let k = 0; k < normal.rows; k++) normal.set(k, k, normal.get(k, k) + 1e-3 * faces.length);
  return solve(normal, x.transpose().mmul(y)).to1DArray();
}

function pearson(a: readonly number[], b: readonly number[]): number {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [ma, mb] = [mean(a), mean(b)];
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    ab += (a[i] - ma) * (b[i] - mb);
    aa += (a[i] - ma) ** 2;
    bb += (b[i] - mb) ** 2;
  }
  return aa > 0 && bb > 0 ? ab / Math.sqrt(aa * bb) : 0;
}
