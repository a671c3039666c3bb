import { describe, expect, test } from "vitest";
import { random } from "../../server/random.ts";
import { createBasis, features } from "../../server/tuning/basis.ts";
import { fitUnit } from "../../server/tuning/batch.ts";
import type { Observation } from "../../server/tuning/observation.ts";
import { offerPair } from "../../server/tuning/pair.ts";
import { curveGrid, reportUnit } from "../../server/tuning/report.ts";
import { drawCount, priorStart } from "./draws.ts";

const basis = createBasis(4, 5, 1.5, 4.5);
const observation: Observation = { link: "exponential", counts: "negative-binomial", priorCount: 4 };

function fitted(seed: number, trials: number, rate: (z: ArrayLike<number>) => number) {
  const r = random(seed);
  const x = new Float64Array(trials * basis.size);
  const counts = new Float64Array(trials);
  for (let t = 0; t < trials; t++) {
    const z = Float64Array.from({ length: 4 }, () => 6 * r.uniform() - 3);
    x.set(features(basis, z), t * basis.size);
    counts[t] = drawCount(rate(z), 0.05, r);
  }
  const data = { x, offset: new Float64Array(trials), weight: new Float64Array(trials).fill(1), trials };
  const start = priorStart(basis, observation);
  const { belief } = fitUnit(basis, observation, data, counts, start);
  return { belief, pair: offerPair(belief, start.startPrecision, data, counts, 0.2) };
}

/** Mean squared error of √rate over the plane of two latents, relative to the variance of the true √rate. */
function errorOver(rateHz: number[][], truth: (u: number, v: number) => number): number {
  const pairs = curveGrid.flatMap((u, i) => curveGrid.map((v, j) => [Math.sqrt(rateHz[i][j]), Math.sqrt(truth(u, v))]));
  const mean = pairs.reduce((sum, [, b]) => sum + b, 0) / pairs.length;
  return pairs.reduce((sum, [a, b]) => sum + (a - b) ** 2, 0) / pairs.reduce((sum, [, b]) => sum + (b - mean) ** 2, 0);
}

describe("P9 pairs", () => {
  const ridge = (u: number, v: number) => (3 + 40 * Math.exp(-((0.8 * u - 0.6 * v) ** 2) / 2)) * 0.2;

  test("a ridge across two latents: the right two, a surface that is close to it where curves cannot be", () => {
    const { belief, pair } = fitted(1, 400, (z) => ridge(z[0], z[2]));
    expect(pair!.latents).toEqual([0, 2]);
    expect(pair!.logBayesFactor).toBeGreaterThan(20);
    const { curves, baselineHz } = reportUnit(belief, "u", { windowS: 0.2, range: 3 }, random(1));
    const sum = curveGrid.map((_, i) =>
      curveGrid.map((__, j) => baselineHz.estimate * Math.exp(curves[0].mean[i] + curves[2].mean[j])),
    );
    const hz = (u: number, v: number) => ridge(u, v) / 0.2;
    expect(errorOver(sum, hz)).toBeGreaterThan(0.6);
    expect(errorOver(pair!.rateHz, hz)).toBeLessThan(0.25);
  });

  test("intervals of the surface over the middle of the plane hold the truth in about nine of ten faces", () => {
    let inside = 0;
    let faces = 0;
    for (let seed = 40; seed < 48; seed++) {
      const { pair } = fitted(seed, 400, (z) => ridge(z[0], z[2]));
      curveGrid.forEach((u, i) => {
        curveGrid.forEach((v, j) => {
          if (Math.max(Math.abs(u), Math.abs(v)) > 2.25) return;
          const hz = ridge(u, v) / 0.2;
          inside += Number(pair!.lowHz[i][j] <= hz && hz <= pair!.highHz[i][j]);
          faces++;
        });
      });
    }
    // The 81 faces of one surface go together: eight surfaces are worth a few dozen faces.
    expect(inside / faces).toBeGreaterThan(0.75);
    expect(inside / faces).toBeLessThan(0.98);
  });

  test("the surface vanishes on both axes: there it is the additive curve of the same fit", () => {
    const { pair } = fitted(2, 300, (z) => ridge(z[1], z[3]));
    expect(pair!.latents).toEqual([1, 3]);
    const middle = curveGrid.indexOf(0);
    const { rateHz } = pair!;
    expect(rateHz[middle].every(Number.isFinite)).toBe(true);
    // log rate at (u, v) less its values on the axes is the surface alone; with the ridge it is large where u and v agree.
    const alone = (i: number, j: number) =>
      Math.log((rateHz[i][j] * rateHz[middle][middle]) / (rateHz[i][middle] * rateHz[middle][j]));
    expect(alone(middle, 2)).toBeCloseTo(0, 12);
    expect(alone(10, 10)).toBeGreaterThan(0.5);
    expect(alone(10, 2)).toBeLessThan(-0.5);
  });

  test("additive units are offered none", () => {
    for (let seed = 10; seed < 30; seed++)
      expect(fitted(seed, 200, (z) => Math.exp(1 + 0.3 * z[0] + 0.4 * Math.cos(z[1]))).pair, `seed ${seed}`).toBeNull();
  });
});
