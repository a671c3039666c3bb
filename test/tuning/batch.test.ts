import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { random } from "../../server/random.ts";
import { createBasis, features } from "../../server/tuning/basis.ts";
import { type FitStart, fitUnit } from "../../server/tuning/batch.ts";
import { priorMean } from "../../server/tuning/belief.ts";
import { factor, inverse, inverseBlock, invertFactor, logDeterminant, solve } from "../../server/tuning/cholesky.ts";
import { dispersionInterval, learnDispersion } from "../../server/tuning/dispersion.ts";
import { diagonalise } from "../../server/tuning/eigen.ts";
import {
  climb,
  createLikelihood,
  createMode,
  formCurvature,
  logEvidence,
  type TrialData,
} from "../../server/tuning/laplace.ts";
import type { Link, Observation } from "../../server/tuning/observation.ts";
import { combine, multiply, packTrials, weightedGram } from "../../server/tuning/packed-trials.ts";
import {
  addRatioUncertainty,
  learnPrior,
  lengthScaleOf,
  precisionOf,
  readPrior,
} from "../../server/tuning/prior-learning.ts";
import { drawCount, priorStart } from "./draws.ts";

interface Fit {
  link: Link;
  dispersion: number;
  mean: number[];
  covariance: number[];
  logEvidence: number;
}
/** SciPy's figures; test/peers/batch_reference.py makes them. */
const reference = JSON.parse(readFileSync(new URL("../fixtures/batch-reference.json", import.meta.url), "utf8")) as {
  settings: { latents: number; functions: number; lengthScale: number; halfWidth: number; priorCount: number };
  faces: number[][];
  counts: number[];
  offset: number[];
  weight: number[];
  startPrecision: number[];
  fits: Fit[];
  softplusNegativeBinomial: Pick<Fit, "dispersion" | "mean">;
  prior: {
    slope: number;
    trials: number;
    hessian: number[];
    linear: number[];
    startPrecision: number[];
    mean: number[];
    covariance: number[];
  }[];
  dispersion: { determined: number; dispersion: number; low: number; high: number }[];
};
const { settings } = reference;
const basis = createBasis(settings.latents, settings.functions, settings.lengthScale, settings.halfWidth);
const startPrecision = Float64Array.from(reference.startPrecision);
const counts = Float64Array.from(reference.counts);
const data = trialData(reference.faces);
data.offset.set(reference.offset);
data.weight.set(reference.weight);

function trialData(faces: readonly ArrayLike<number>[], of = basis): TrialData {
  const x = new Float64Array(faces.length * of.size);
  faces.forEach((face, t) => {
    x.set(features(of, face), t * of.size);
  });
  return {
    x,
    offset: new Float64Array(faces.length),
    weight: new Float64Array(faces.length).fill(1),
    trials: faces.length,
  };
}

const observation = (link: Link, overdispersed: boolean): Observation => ({
  link,
  counts: overdispersed ? "negative-binomial" : "poisson",
  priorCount: settings.priorCount,
});
const worst = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i])));

function modeOf(link: Link, dispersion: number) {
  const own = observation(link, dispersion > 0);
  const likelihood = createLikelihood(own, data, counts, basis.size);
  const prior = { mean: priorMean(basis, own), precision: startPrecision };
  const mode = createMode(prior.mean);
  climb(likelihood, prior, dispersion, mode, 1e-12);
  formCurvature(likelihood, prior, mode);
  const lower = new Float64Array(basis.size ** 2);
  invertFactor(mode.factored, basis.size, lower);
  return {
    likelihood,
    theta: mode.theta,
    covariance: inverse(lower, basis.size),
    evidence: logEvidence(likelihood, prior, dispersion, mode),
  };
}

describe("sums over packed trials and small dense algebra, by brute force", () => {
  // 7 features and 601 trials: edges of the blocks of features and of the chunks of trials.
  const r = random(5);
  const size = 7;
  const trials = 601;
  const x = Float64Array.from({ length: trials * size }, () => r.normal());
  const rows = Array.from({ length: trials }, (_, t) => t).filter((t) => t % 5 !== 3);
  const packed = packTrials(x, size, rows);
  const w = Float64Array.from(rows, () => r.uniform());

  test("x'θ, Σ w x, Σ w x x'", () => {
    const theta = Float64Array.from({ length: size }, () => r.normal());
    const eta = new Float64Array(rows.length);
    multiply(packed, theta, eta);
    expect(
      worst(
        eta,
        rows.map((t) => theta.reduce((sum, v, i) => sum + v * x[t * size + i], 0)),
      ),
    ).toBeLessThan(1e-12);
    const sum = new Float64Array(size);
    combine(packed, w, sum);
    const gram = new Float64Array(size * size);
    weightedGram(packed, w, gram);
    for (let i = 0; i < size; i++) {
      expect(sum[i]).toBeCloseTo(
        rows.reduce((s, t, k) => s + w[k] * x[t * size + i], 0),
        10,
      );
      for (let j = 0; j <= i; j++)
        expect(gram[i * size + j]).toBeCloseTo(
          rows.reduce((s, t, k) => s + w[k] * x[t * size + i] * x[t * size + j], 0),
          10,
        );
    }
  });

  test("factor, inverse, determinant, solution", () => {
    const gram = new Float64Array(size * size);
    weightedGram(packed, w, gram);
    const l = gram.slice();
    expect(factor(l, size)).toBe(true);
    const m = new Float64Array(size * size);
    invertFactor(l, size, m);
    const inverted = inverse(m, size);
    const full = (i: number, j: number) => gram[Math.max(i, j) * size + Math.min(i, j)];
    for (let i = 0; i < size; i++)
      for (let j = 0; j < size; j++) {
        let product = 0;
        for (let k = 0; k < size; k++) product += full(i, k) * inverted[k * size + j];
        expect(product).toBeCloseTo(i === j ? 1 : 0, 10);
      }
    expect(
      worst(
        inverseBlock(m, size, 2, 3),
        [2, 3, 4].flatMap((i) => [2, 3, 4].map((j) => inverted[i * size + j])),
      ),
    ).toBeLessThan(1e-14);
    const b = Float64Array.from({ length: size }, (_, i) => full(i, 2));
    solve(l, size, b);
    expect(worst(b, [0, 0, 1, 0, 0, 0, 0])).toBeLessThan(1e-12);
    // |A| of [[4, 2], [2, 3]] is 8.
    const two = Float64Array.from([4, 0, 2, 3]);
    factor(two, 2);
    expect(logDeterminant(two, 2)).toBeCloseTo(Math.log(8), 14);
    expect(factor(Float64Array.from([1, 0, 2, 1]), 2)).toBe(false);
  });
});

test("eigenvalues and vectors rebuild the matrix", () => {
  const r = random(2);
  const n = 6;
  const a = new Float64Array(n * n);
  for (let i = 0; i < n; i++) for (let j = 0; j <= i; j++) a[i * n + j] = a[j * n + i] = r.normal();
  const values = a.slice();
  const vectors = new Float64Array(n * n);
  diagonalise(values, n, vectors);
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) {
      let rebuilt = 0;
      let product = 0;
      for (let k = 0; k < n; k++) {
        rebuilt += vectors[i * n + k] * values[k * n + k] * vectors[j * n + k];
        product += vectors[k * n + i] * vectors[k * n + j];
      }
      expect(rebuilt).toBeCloseTo(a[i * n + j], 12);
      expect(product).toBeCloseTo(i === j ? 1 : 0, 12);
    }
});

describe("P6 Laplace posterior of all trials, with gains and weights", () => {
  test.each(reference.fits)("$link, φ = $dispersion: mode, covariance and evidence as SciPy has them", (fit) => {
    const { theta, covariance, evidence } = modeOf(fit.link, fit.dispersion);
    // In posterior standard deviations; SciPy's side ends on numerical differences.
    const sd = (i: number) => Math.sqrt(fit.covariance[i * basis.size + i]);
    expect(
      worst(
        theta.map((v, i) => v / sd(i)),
        fit.mean.map((v, i) => v / sd(i)),
      ),
    ).toBeLessThan(1e-5);
    for (let i = 0; i < basis.size; i++)
      for (let j = 0; j < basis.size; j++)
        expect(
          Math.abs(covariance[i * basis.size + j] - fit.covariance[i * basis.size + j]) / (sd(i) * sd(j)),
        ).toBeLessThan(1e-4);
    expect(evidence).toBeCloseTo(fit.logEvidence, 4);
  });

  test("softplus with negative-binomial counts: the mode", () => {
    const { dispersion, mean } = reference.softplusNegativeBinomial;
    expect(worst(modeOf("softplus", dispersion).theta, mean)).toBeLessThan(1e-5);
  });

  test("a far start ends at the same mode", () => {
    const own = observation("exponential", false);
    const likelihood = createLikelihood(own, data, counts, basis.size);
    const prior = { mean: priorMean(basis, own), precision: startPrecision };
    const mode = createMode(Float64Array.from({ length: basis.size }, (_, i) => (i % 3) * 4 - 4));
    climb(likelihood, prior, 0, mode, 1e-12);
    expect(worst(mode.theta, reference.fits[0].mean)).toBeLessThan(1e-5);
  });
});

describe("P6 prior and dispersion", () => {
  test.each(reference.prior)(
    "slope $slope, $trials trials: mean and variance as averaging over all precisions gives them",
    (expected) => {
      const one = createBasis(1, settings.functions, settings.lengthScale, settings.halfWidth);
      const n = one.size;
      const start = Float64Array.from(expected.startPrecision);
      const learned = readPrior(one, start, start);
      const mean = priorMean(one, observation("exponential", false));
      const hessian = Float64Array.from(expected.hessian);
      for (let i = 0; i < 10; i++) {
        learnPrior(learned, hessian, Float64Array.from(expected.linear), mean);
        // ℓ is held at the basis's own on the other side.
        learned.lengthSteps = 0;
      }
      const precision = precisionOf(learned, new Float64Array(n));
      const factored = hessian.map((v, k) => (k % (n + 1) === 0 ? v + precision[k / (n + 1)] : v));
      factor(factored, n);
      const lower = new Float64Array(n * n);
      invertFactor(factored, n, lower);
      const covariance = inverse(lower, n);
      const theta = Float64Array.from(expected.linear, (v, i) => v + precision[i] * mean[i]);
      solve(factored, n, theta);
      addRatioUncertainty(learned, theta, covariance);
      // Along the curve, which is what is reported: weights of one latent trade off against each other.
      const value = (m: ArrayLike<number>, x: Float64Array) => x.reduce((sum, v, i) => sum + v * m[i], 0);
      const spread = (c: ArrayLike<number>, x: Float64Array) =>
        Math.sqrt(x.reduce((sum, a, i) => sum + x.reduce((s, b, j) => s + a * b * c[i * n + j], 0), 0));
      for (const z of [-3, -2, -1, 1, 2, 3]) {
        const x = features(one, [z]);
        const sd = spread(expected.covariance, x);
        expect(Math.abs(value(theta, x) - value(expected.mean, x)) / sd, `z = ${z}`).toBeLessThan(0.25);
        expect(Math.abs(spread(covariance, x) / sd - 1), `z = ${z}`).toBeLessThan(0.06);
      }
    },
  );

  test("what was learned is read back from the precisions", () => {
    const learned = {
      basis,
      start: startPrecision,
      logRatio: Float64Array.from([2, 1, -1, 0, 5, -0.5]),
      lengthSteps: -1,
    };
    const again = readPrior(basis, startPrecision, precisionOf(learned, new Float64Array(basis.size)));
    expect(worst(again.logRatio, learned.logRatio)).toBeLessThan(1e-12);
    expect(lengthScaleOf(again)).toBeCloseTo(settings.lengthScale / Math.SQRT2, 12);
  });

  test.each(reference.dispersion)("dispersion with $determined fitted weights as SciPy finds it", (expected) => {
    const { likelihood } = modeOf("exponential", 0);
    const dispersion = learnDispersion(likelihood, expected.determined);
    expect(Math.abs(dispersion / expected.dispersion - 1)).toBeLessThan(2e-3);
    const { low, high } = dispersionInterval(likelihood, expected.determined, dispersion);
    expect(Math.abs(low / expected.low - 1)).toBeLessThan(0.02);
    expect(Math.abs(high / expected.high - 1)).toBeLessThan(0.02);
  });
});

describe("P6 a unit's fit", () => {
  const wide = createBasis(6, 5, 1.5, 4.5);
  const r = random(8);
  const faces = Array.from({ length: 400 }, () => Float64Array.from({ length: 6 }, () => 6 * r.uniform() - 3));
  const all = trialData(faces, wide);
  const rate = (z: ArrayLike<number>) => 0.4 + 2 * Math.log1p(Math.exp(1.2 * z[3]));
  const shot = (dispersion: number) => Float64Array.from(faces, (z) => drawCount(rate(z), dispersion, r));
  const startOf = (own: Observation): FitStart => priorStart(wide, own);

  test("finds the latent that matters and the dispersion; a fit that starts from a fit stays", () => {
    const own: Observation = { link: "exponential", counts: "negative-binomial", priorCount: 2 };
    const start = startOf(own);
    const spikes = shot(0.25);
    const { belief, lengthScale } = fitUnit(wide, own, all, spikes, start);
    const again = fitUnit(wide, own, all, spikes, { belief, startPrecision: start.startPrecision });
    const ratio = (d: number) => belief.precision[1 + d * wide.block] / start.startPrecision[1 + d * wide.block];
    for (const d of [0, 1, 2, 4, 5]) expect(ratio(d)).toBeGreaterThan(10 * ratio(3));
    // 400 counts of about 4: the standard error of φ is about 0.05.
    expect(belief.dispersion).toBeGreaterThan(0.12);
    expect(belief.dispersion).toBeLessThan(0.4);
    expect(lengthScale).toBeGreaterThan(0.7);
    const sd = (i: number) => Math.sqrt(belief.covariance[i * wide.size + i]);
    expect(
      worst(
        belief.mean.map((v, i) => v / sd(i)),
        again.belief.mean.map((v, i) => v / sd(i)),
      ),
    ).toBeLessThan(0.2);
    expect(Math.abs(Math.log(again.belief.dispersion / belief.dispersion))).toBeLessThan(0.1);
  });

  test("counts of Poisson units give a small dispersion, and few trials none that is large", () => {
    const own: Observation = { link: "exponential", counts: "negative-binomial", priorCount: 2 };
    const spikes = shot(0);
    expect(fitUnit(wide, own, all, spikes, startOf(own)).belief.dispersion).toBeLessThan(0.05);
    const few = { ...all, trials: 5 };
    expect(fitUnit(wide, own, few, Float64Array.from([0, 9, 0, 1, 0]), startOf(own)).belief.dispersion).toBeLessThan(
      1.5,
    );
  });

  test("without a trial that counts it is the prior; trials without a count or with weight 0 are as if not there", () => {
    const own: Observation = { link: "softplus", counts: "poisson", priorCount: 2 };
    const start = startOf(own);
    const { belief } = fitUnit(wide, own, all, new Float64Array(400).fill(Number.NaN), start);
    expect(worst(belief.mean, start.belief.mean)).toBe(0);
    expect(worst(belief.covariance, start.belief.covariance)).toBeLessThan(1e-12);
    const spikes = shot(0);
    const gaps = spikes.map((v, t) => (t >= 300 ? Number.NaN : v));
    const weights = { ...all, weight: all.weight.map((_, t) => (t >= 300 ? 0 : 1)) };
    const first = fitUnit(wide, own, { ...all, trials: 300 }, spikes, start);
    expect(fitUnit(wide, own, all, gaps, start)).toEqual(first);
    expect(fitUnit(wide, own, weights, spikes, start)).toEqual(first);
  });

  test("a trial of weight ½ twice is the trial once; a gain is what it says", () => {
    const own: Observation = { link: "softplus", counts: "poisson", priorCount: 2 };
    const spikes = shot(0);
    const once = fitUnit(wide, own, all, spikes, startOf(own));
    const doubled: TrialData = {
      x: Float64Array.from([...all.x, ...all.x]),
      offset: new Float64Array(800),
      weight: new Float64Array(800).fill(0.5),
      trials: 800,
    };
    const twice = fitUnit(wide, own, doubled, Float64Array.from([...spikes, ...spikes]), startOf(own));
    expect(worst(once.belief.mean, twice.belief.mean)).toBeLessThan(1e-6);
    // With the exponential link a common gain is a shift of the bias, under a prior that is nearly flat.
    const link: Observation = { link: "exponential", counts: "poisson", priorCount: 2 };
    const start = startOf(link);
    start.startPrecision[0] = 1e-9;
    const plain = fitUnit(wide, link, all, spikes, start).belief.mean;
    const gained = fitUnit(wide, link, { ...all, offset: new Float64Array(400).fill(0.4) }, spikes, start).belief.mean;
    expect(gained[0]).toBeCloseTo(plain[0] - 0.4, 5);
    expect(worst(gained.slice(1), plain.slice(1))).toBeLessThan(1e-5);
  });

  test("arrays of another length are refused with both numbers, features that are not finite by name", () => {
    const own: Observation = { link: "exponential", counts: "poisson", priorCount: 2 };
    expect(() => fitUnit(wide, own, all, new Float64Array(3), startOf(own))).toThrow("expected 400 counts, got 3");
    const broken = { ...all, x: all.x.slice() };
    broken.x[5] = Number.NaN;
    expect(() => fitUnit(wide, own, broken, shot(0), startOf(own))).toThrow("finite");
  });
});
