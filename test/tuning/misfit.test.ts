import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { random } from "../../server/random.ts";
import { createBasis, features } from "../../server/tuning/basis.ts";
import { fitUnit, type UnitFit } from "../../server/tuning/batch.ts";
import { climb, createLikelihood, createMode, formCurvature, type TrialData } from "../../server/tuning/laplace.ts";
import { type Misfit, misfitOf } from "../../server/tuning/misfit.ts";
import { chiSquareTail } from "../../server/tuning/numerics.ts";
import type { Observation } from "../../server/tuning/observation.ts";
import { createScoreTests } from "../../server/tuning/score-test.ts";
import { drawCount, priorStart } from "./draws.ts";

/** NumPy's and SciPy's figures; test/peers/misfit_reference.py makes them. */
const reference = JSON.parse(readFileSync(new URL("../fixtures/misfit-reference.json", import.meta.url), "utf8")) as {
  z: [number, number][];
  counts: number[];
  statistics: [number, number];
  chiSquareTail: [number, number, number][];
};

test("tail of χ² as SciPy has it", () => {
  for (const [x, df, p] of reference.chiSquareTail)
    expect(Math.abs(chiSquareTail(x, df) - p), `x = ${x}, df = ${df}`).toBeLessThan(1e-11 * (1 + p) + 1e-9 * p);
  expect(chiSquareTail(0, 3)).toBe(1);
});

test("score tests: without a prior, Rao's statistic of one and of two features", () => {
  const { z, counts } = reference;
  const trials = z.length;
  const data: TrialData = {
    x: Float64Array.from(z.flatMap(([a, b]) => [1, a, b])),
    offset: new Float64Array(trials),
    weight: new Float64Array(trials).fill(1),
    trials,
  };
  const poisson: Observation = { link: "exponential", counts: "poisson", priorCount: 1 };
  const likelihood = createLikelihood(poisson, data, Float64Array.from(counts), 3);
  const prior = { mean: new Float64Array(3), precision: new Float64Array(3).fill(1e-9) };
  const mode = createMode(prior.mean);
  climb(likelihood, prior, 0, mode, 1e-14);
  formCurvature(likelihood, prior, mode);
  const tests = createScoreTests(likelihood, prior, mode);
  const product = Float64Array.from(z, ([a, b]) => a * b);
  const square = Float64Array.from(z, ([a]) => a * a);
  expect(tests.test([product]).statistic / reference.statistics[0]).toBeCloseTo(1, 5);
  expect(tests.test([product, square]).statistic / reference.statistics[1]).toBeCloseTo(1, 5);
  // What the fit has already leaves nothing to test.
  expect(tests.test([Float64Array.from(z, ([a]) => a)]).statistic).toBeLessThan(1e-3);
});

describe("P8 misfit", () => {
  const basis = createBasis(4, 5, 1.5, 4.5);
  const observation: Observation = { link: "exponential", counts: "negative-binomial", priorCount: 4 };

  /** A unit's counts to random faces, the fit, and what the checks say of it. */
  function judge(
    seed: number,
    trials: number,
    countOf: (z: Float64Array, t: number, r: ReturnType<typeof random>) => number,
    own = observation,
  ): Misfit | null {
    const r = random(seed);
    const x = new Float64Array(trials * basis.size);
    const counts = new Float64Array(trials);
    for (let t = 0; t < trials; t++) {
      const z = Float64Array.from({ length: 4 }, () => 6 * r.uniform() - 3);
      x.set(features(basis, z), t * basis.size);
      counts[t] = countOf(z, t, r);
    }
    const data = { x, offset: new Float64Array(trials), weight: new Float64Array(trials).fill(1), trials };
    const { belief }: UnitFit = fitUnit(basis, own, data, counts, priorStart(basis, own));
    return misfitOf(belief, data, counts, random(seed).split("misfit"), (d) => ["age", "smile", "gaze", "hue"][d]);
  }
  const curve = (z: Float64Array) => Math.exp(1.2 + 0.3 * z[0] - 0.3 * Math.cos(z[2]));

  test("units inside the family: few are warned of", () => {
    const p: number[] = [];
    let warned = 0;
    for (let seed = 0; seed < 60; seed++) {
      const misfit = judge(seed, 150, (z, _, r) => drawCount(curve(z), seed % 2 === 0 ? 0 : 0.2, r))!;
      warned += Number(misfit.warning !== null);
      p.push(...Object.values(misfit.pValues));
    }
    // At a level of 5 %, 8 or more of 60 happen once in a hundred.
    expect(warned).toBeLessThan(8);
    for (const value of p) {
      expect(value).toBeGreaterThanOrEqual(0);
      expect(value).toBeLessThanOrEqual(1);
    }
  });

  test("two latents that act together are named", () => {
    const misfit = judge(1, 300, (z, _, r) => drawCount(3 + 25 * Math.exp(-((z[1] - z[3]) ** 2) / 2), 0, r))!;
    expect(misfit.pair).toEqual([1, 3]);
    expect(misfit.warning).toMatch(/depends on/);
    expect(misfit.warning).toMatch(/smile.*hue/);
  });

  test("a gain that falls by half over the session is drift", () => {
    const misfit = judge(2, 300, (z, t, r) => drawCount(curve(z) * Math.exp((-0.7 * t) / 300), 0, r))!;
    expect(misfit.warning).toMatch(/changed over the session/);
    expect(misfit.pValues.drift).toBeLessThan(1e-3);
  });

  test("a fifth of the trials silent, whatever the face, is told; Poisson counts that are not are too", () => {
    const silent = judge(3, 300, (z, _, r) => (r.uniform() < 0.2 ? 0 : drawCount(4 + 2 * curve(z), 0, r)))!;
    expect(silent.warning).toMatch(/silences or bursts/);
    const scattered = judge(4, 300, (z, _, r) => drawCount(curve(z), 0.4, r), { ...observation, counts: "poisson" })!;
    expect(scattered.pValues.dispersion).toBeLessThan(1e-3);
  });

  test("counts more regular than a Poisson process are told as that", () => {
    const misfit = judge(7, 300, (z, _, r) => {
      const n = Math.round(2 * curve(z));
      return Array.from({ length: n }, () => Number(r.uniform() < 0.5)).reduce((a, b) => a + b, 0);
    })!;
    expect(misfit.warning).toMatch(/scatter less than those of a Poisson process/);
  });

  test("a comb over one latent is finer than its functions", () => {
    const misfit = judge(5, 400, (z, _, r) => drawCount(6 * Math.exp(0.8 * Math.sin(2.6 * z[0])), 0, r))!;
    expect(misfit.warning).toMatch(/curve over age is finer/);
  });

  test("the same generator gives the same figures; of few trials or spikes nothing is said", () => {
    const count = (z: Float64Array, _: number, r: ReturnType<typeof random>) => drawCount(curve(z), 0.1, r);
    expect(judge(6, 100, count)).toEqual(judge(6, 100, count));
    expect(judge(6, 40, count)).toBeNull();
    expect(judge(6, 300, (_z, t) => Number(t % 10 === 0))).toBeNull();
  });
});
