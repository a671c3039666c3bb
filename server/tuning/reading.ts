/**
 * Reading a face back from one trial's counts. Bayes' way: the latents z that make all counts likeliest under the units' tuning,
 * with the prior N(0, I) that the face model's latents have. And the way of Higgins et al. 2021: each latent from the one unit that is
 * matched to it.
 */
import { linearSumAssignment } from "linear-sum-assignment";
import type { Random } from "../random.ts";
import { blockStart, features, writeBlockSlope } from "./basis.ts";
import { believedAt, type UnitBelief } from "./belief.ts";
import { dot, factor, inverse, invertFactor, solve } from "./cholesky.ts";
import { expectedCount, information, logPredictive, logRateSlope, score } from "./observation.ts";

export interface Reading {
  /** The most probable face. Length D. */
  latents: Float64Array;
  /** Posterior covariance of the latents about it, D × D. */
  covariance: Float64Array;
  /** log p(counts, face) there, in nats, with what is not known of the tuning integrated over. */
  logPosterior: number;
}

const STARTS = 8;
const MOST_STEPS = 40;
/** What is not known of the tuning depends on the face: it is looked up anew where a climb has ended, this many times. */
const ROUNDS = 3;

/**
 * The face that a trial's counts speak for: argmax over z of Σ_n log p(r_n | z) + log N(z; 0, I), by Fisher scoring from the
 * average face and from seven draws of the prior. What is not known of a unit's tuning, s² = x'Cx, scatters its counts more: while
 * climbing as dispersion φ + (e^{s²} − 1)(1 + φ), in the comparison of the peaks exactly. Faces stay inside ±L of the basis.
 *
 * @param beliefs of the units, over the same basis
 * @param counts one a unit; NaN where there is none
 * @param random of the starts
 */
export function readFace(beliefs: readonly UnitBelief[], counts: ArrayLike<number>, random: Random): Reading {
  if (beliefs.length === 0) throw new RangeError("reading a face: expected at least one unit, got none");
  if (counts.length !== beliefs.length)
    throw new RangeError(`reading a face: expected ${beliefs.length} counts, got ${counts.length}`);
  const { basis } = beliefs[0];
  const heard = beliefs.map((belief, n) => ({ belief, count: counts[n] })).filter(({ count }) => count >= 0);
  const peaks = Array.from({ length: STARTS }, (_, start) => {
    const z = Float64Array.from({ length: basis.latents }, () => (start === 0 ? 0 : random.normal()));
    let curvature = new Float64Array(0);
    for (let round = 0; round < ROUNDS; round++) curvature = climbTo(heard, z);
    return { z, curvature, logPosterior: logPosteriorOf(heard, z) };
  });
  const best = peaks.reduce((a, b) => (b.logPosterior > a.logPosterior ? b : a));
  const lower = new Float64Array(basis.latents ** 2);
  invertFactor(best.curvature, basis.latents, lower);
  return { latents: best.z, covariance: inverse(lower, basis.latents), logPosterior: best.logPosterior };
}

interface Heard {
  belief: UnitBelief;
  count: number;
}

/** Climbs from z, in place, at the dispersions that z has at the start; gives the factor of the Fisher information at the end. */
function climbTo(heard: readonly Heard[], z: Float64Array): Float64Array<ArrayBuffer> {
  const D = z.length;
  const { basis } = heard[0]?.belief ?? {};
  const factored = new Float64Array(D * D);
  if (!basis) {
    z.fill(0);
    for (let d = 0; d < D; d++) factored[d * D + d] = 1;
    return factored;
  }
  const x = new Float64Array(basis.size);
  const scatter = heard.map(({ belief }) => {
    const { mean, variance } = believedAt(belief, features(basis, z, x));
    const spread = Math.expm1(variance * logRateSlope(belief.observation, mean) ** 2);
    return belief.dispersion + spread * (1 + belief.dispersion);
  });
  const gradient = new Float64Array(D);
  const own = new Float64Array(D);
  const slopes = new Float64Array(basis.block);
  const step = new Float64Array(D);
  const trial = new Float64Array(D);

  const heightAt = (face: Float64Array): number => {
    features(basis, face, x);
    let height = 0;
    for (const v of face) height -= (v * v) / 2;
    heard.forEach(({ belief, count }, n) => {
      const mean = expectedCount(belief.observation, dot(x, belief.mean));
      const phi = scatter[n];
      height += count * Math.log(mean) - (phi > 0 ? (count + 1 / phi) * Math.log1p(phi * mean) : mean);
    });
    return height;
  };

  let height = heightAt(z);
  for (let n = 0; n < MOST_STEPS; n++) {
    features(basis, z, x);
    factored.fill(0);
    for (let d = 0; d < D; d++) {
      gradient[d] = -z[d];
      factored[d * D + d] = 1;
    }
    heard.forEach(({ belief, count }, unit) => {
      const eta = dot(x, belief.mean);
      const pull = score(belief.observation, eta, scatter[unit], count);
      const weight = information(belief.observation, eta, scatter[unit]);
      for (let d = 0; d < D; d++) {
        writeBlockSlope(basis, z[d], slopes);
        own[d] = dot(slopes, belief.mean.subarray(blockStart(basis, d)));
        gradient[d] += own[d] * pull;
      }
      for (let i = 0; i < D; i++) for (let j = 0; j <= i; j++) factored[i * D + j] += weight * own[i] * own[j];
    });
    factor(factored, D);
    step.set(gradient);
    solve(factored, D, step);
    let length = 1;
    let next = Number.NaN;
    for (let half = 0; half < 30; half++, length /= 2) {
      for (let d = 0; d < D; d++)
        trial[d] = Math.min(Math.max(z[d] + length * step[d], -basis.halfWidth), basis.halfWidth);
      next = heightAt(trial);
      if (next >= height) break;
    }
    if (!(next >= height)) break;
    const gain = next - height;
    z.set(trial);
    height = next;
    if (gain < 1e-10) break;
  }
  return factored;
}

function logPosteriorOf(heard: readonly Heard[], z: Float64Array): number {
  let sum = -(z.length / 2) * Math.log(2 * Math.PI);
  for (const v of z) sum -= (v * v) / 2;
  for (const { belief, count } of heard) {
    const { mean, variance } = believedAt(belief, features(belief.basis, z));
    sum += logPredictive(belief.observation, mean, Math.max(variance, 1e-12), belief.dispersion, count);
  }
  return sum;
}

/** How one latent is read from one unit: latent ≈ intercept + slope × count. */
export interface LatentReader {
  latent: number;
  /** Index of the unit; null where there were fewer units than latents and this one was left. */
  unit: number | null;
  /** Pearson's r of latent and count over the trials that it was fitted to. */
  correlation: number;
  slope: number;
  /** In latent units, as is `mean`: the latent's own over the trials, which is what is read where there is no unit or no count. */
  intercept: number;
  mean: number;
}

/**
 * The paper's reader: latents and units matched one-to-one so that Σ |r| is largest (an assignment, solved exactly), and each latent
 * regressed on its unit's count by least squares.
 *
 * @param faces latents of the faces shown, trials × D
 * @param counts trials × units; trials with a NaN are left out where that unit is concerned
 */
export function fitOneToOne(faces: readonly ArrayLike<number>[], counts: readonly ArrayLike<number>[]): LatentReader[] {
  if (faces.length === 0 || faces.length !== counts.length)
    throw new RangeError(
      `one-to-one reader: expected as many trials of counts as of faces, got ${counts.length} and ${faces.length}`,
    );
  const latents = faces[0].length;
  const units = counts[0].length;
  const fits = Array.from({ length: latents }, (_, d) =>
    Array.from({ length: units }, (_, u) => regress(faces, counts, d, u)),
  );
  const { rowAssignments } = linearSumAssignment(
    fits.map((row) => row.map(({ correlation }) => Math.abs(correlation))),
    { maximaze: true },
  );
  return fits.map((row, latent) => {
    const unit = rowAssignments[latent];
    if (unit >= 0 && unit < units) return { latent, unit, ...row[unit] };
    const mean = faces.reduce((sum, face) => sum + face[latent], 0) / faces.length;
    return { latent, unit: null, correlation: 0, slope: 0, intercept: mean, mean };
  });
}

function regress(faces: readonly ArrayLike<number>[], counts: readonly ArrayLike<number>[], d: number, u: number) {
  const pairs = faces.map((face, t) => [face[d], counts[t][u]] as const).filter(([, count]) => !Number.isNaN(count));
  const average = (of: (pair: readonly [number, number]) => number) =>
    pairs.length > 0 ? pairs.reduce((sum, pair) => sum + of(pair), 0) / pairs.length : 0;
  const mean = average(([z]) => z);
  const meanCount = average(([, r]) => r);
  const latentVariance = average(([z]) => (z - mean) ** 2);
  const countVariance = average(([, r]) => (r - meanCount) ** 2);
  const together = average(([z, r]) => (z - mean) * (r - meanCount));
  const varies = latentVariance > 0 && countVariance > 0;
  const rate = varies ? together / countVariance : 0;
  return {
    correlation: varies ? together / Math.sqrt(latentVariance * countVariance) : 0,
    slope: rate,
    intercept: mean - rate * meanCount,
    mean,
  };
}

/** The face that a trial's counts give, each latent from its own unit. */
export const readOneToOne = (readers: readonly LatentReader[], counts: ArrayLike<number>): Float64Array =>
  Float64Array.from(readers, ({ unit, slope: rate, intercept, mean }) =>
    unit === null || Number.isNaN(counts[unit]) ? mean : intercept + rate * counts[unit],
  );

/** 1 − cos of the angle between two faces' latents: 0 the same direction, 1 unrelated, 2 opposite; 1 where one is the average face. */
export function cosineDistance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let ab = 0;
  let aa = 0;
  let bb = 0;
  for (let d = 0; d < a.length; d++) {
    ab += a[d] * b[d];
    aa += a[d] ** 2;
    bb += b[d] ** 2;
  }
  return aa > 0 && bb > 0 ? 1 - ab / Math.sqrt(aa * bb) : 1;
}
