import { determinant, inverse, Matrix, SVD } from "ml-matrix";
import { describe, expect, test } from "vitest";
import { random } from "../../../server/random.ts";
import { type FactorName, factors } from "../../../sim/faces/factors.ts";
import { fitLatentFactors } from "../../../sim/faces/fit-factors.ts";
import { factorsOfFaces64, latentFactor, mainLatent, placeOf } from "../../../sim/faces/latent-factors.ts";

const heads = 400;
const logistic = (x: number) => 1 / (1 + Math.exp(-x));

/** Latents of heads, standard normal, and the factors that these weights and offsets make of them, with noise on the logit. */
function drawn(latents: number, noise: number, heads: number) {
  const r = random("heads");
  const means = Array.from({ length: heads }, () => Array.from({ length: latents }, () => r.normal()));
  const rows = factors.map(({ name }) => ({
    name,
    offset: r.normal() / 2,
    weights: Array.from({ length: latents }, () => r.normal() / 2),
  }));
  const logits = rows.map(({ offset, weights }) =>
    means.map((z) => offset + z.reduce((sum, value, d) => sum + weights[d] * value, 0) + noise * r.normal()),
  );
  const known = new Map<FactorName, Float64Array>(
    factors.map(({ name, range: [low, high] }, f) => [
      name,
      Float64Array.from(logits[f], (logit) => low + (high - low) * logistic(logit)),
    ]),
  );
  return { means, rows, known };
}

/** The logit of each head's place in the factor's range, as far as half a head from its ends. */
function logitsOf(factor: string, known: ReadonlyMap<FactorName, Float64Array>): number[] {
  const { name, range } = factors.find(({ name }) => name === factor)!;
  const edge = 0.5 / known.get(name)!.length;
  return Array.from(known.get(name)!, (value) => {
    const place = Math.min(1 - edge, Math.max(edge, (value - range[0]) / (range[1] - range[0])));
    return Math.log(place / (1 - place));
  });
}

/** w, scaled so that w'z varies over standard normal z by no more than over the heads. */
function within(w: readonly number[], means: readonly (readonly number[])[]): number[] {
  const along = means.map((z) => z.reduce((sum, value, d) => sum + w[d] * value, 0));
  const average = along.reduce((a, b) => a + b, 0) / along.length;
  const sd = Math.sqrt(along.reduce((sum, value) => sum + (value - average) ** 2, 0) / along.length);
  return w.map((value) => value * Math.min(1, sd / Math.hypot(...w)));
}

describe("V9 the factors of rendered heads in a model's latents", () => {
  test("are found as they were put in, and explain all", () => {
    const { means, rows, known } = drawn(3, 0, heads);
    for (const [f, row] of fitLatentFactors(means, known).entries()) {
      expect(row.factor).toBe(rows[f].name);
      // Kept to three digits; a head within 1/800 of a range's end is moved there.
      const expected = within(rows[f].weights, means);
      row.weights.forEach((weight, d) => {
        expect(Math.abs(weight - expected[d])).toBeLessThan(0.002);
      });
      expect(row.r2).toBeGreaterThanOrEqual(0.99);
    }
  });

  test("well told ones are least squares of the logit, as a pseudoinverse gives them (Moore & Penrose)", () => {
    const { means, known } = drawn(4, 0.7, heads);
    const pseudoinverse = new SVD(new Matrix(means.map((z) => [1, ...z]))).inverse();
    for (const { factor, weights } of fitLatentFactors(means, known)) {
      const [, ...slopes] = pseudoinverse.mmul(Matrix.columnVector(logitsOf(factor, known))).to1DArray();
      const expected = within(slopes, means);
      // The prior takes σ²α / n = 0.49 · 4 / 400 = 0.5 % of weights of 0.5, which seldom exceed 2.
      weights.forEach((weight, d) => {
        expect(Math.abs(weight - expected[d])).toBeLessThan(0.02);
      });
    }
  });

  test("the prior is the one of the highest evidence, and the weights those of its ridge, by dense matrices on a grid", () => {
    const n = 60;
    const { means, known } = drawn(4, 2, n);
    const x = new Matrix(means.map((z) => [...z]));
    x.subRowVector(x.mean("column"));
    const ridges = Array.from({ length: 420 }, (_, i) => 10 ** (-1 + i / 60));
    const covariances = ridges.map((ridge) => {
      const covariance = x.mmul(x.transpose()).div(ridge).add(Matrix.eye(n));
      return { inverse: inverse(covariance), logDeterminant: Math.log(determinant(covariance)) };
    });
    for (const { factor, weights } of fitLatentFactors(means, known)) {
      const logits = logitsOf(factor, known);
      const average = logits.reduce((a, b) => a + b, 0) / n;
      const y = Matrix.columnVector(logits.map((logit) => logit - average));
      // log N(y | 0, (XX'/λ + I) / β) at the best β, n / y'(XX'/λ + I)⁻¹y; without what is the same for all.
      const evidence = covariances.map(
        ({ inverse, logDeterminant }) =>
          -0.5 * (logDeterminant + n * Math.log(y.transpose().mmul(inverse).mmul(y).get(0, 0))),
      );
      const ridge = ridges[evidence.indexOf(Math.max(...evidence))];
      const normal = x.transpose().mmul(x).add(Matrix.eye(4).mul(ridge));
      const expected = within(inverse(normal).mmul(x.transpose()).mmul(y).to1DArray(), means);
      // A step of the grid is 4 % of λ, which it goes up to a million.
      weights.forEach((weight, d) => {
        expect(Math.abs(weight - expected[d])).toBeLessThan(0.01);
      });
    }
  });

  test("what no latent tells gets no weight, however little the latents vary: cells that follow it do not fire on noise", () => {
    const { means } = drawn(3, 0, heads);
    const quiet = means.map(([a, b, c]) => [a, a + 0.01 * b, 1e-3 * c]);
    const r = random("others");
    const others = new Map<FactorName, Float64Array>(
      factors.map(({ name, range: [low, high] }) => [
        name,
        Float64Array.from({ length: heads }, () => low + (high - low) * r.uniform()),
      ]),
    );
    for (const row of fitLatentFactors(quiet, others)) {
      expect(Math.abs(row.r2)).toBeLessThan(0.15);
      // By least squares the second latent's weight would have a standard error of π/√3 / (0.01 √400) = 9.
      for (const weight of row.weights) expect(Math.abs(weight)).toBeLessThan(0.2);
    }
    const silent = fitLatentFactors(
      means.map(() => [0, 0]),
      others,
    );
    for (const { weights } of silent) expect(weights).toEqual([0, 0]);
  });

  test("faces are not more of a factor than heads are: latents whose means vary by less than 1 do not make more of it", () => {
    const { means, known } = drawn(2, 0, heads);
    const near = fitLatentFactors(
      means.map((z) => z.map((value) => 0.4 * value)),
      known,
    );
    const straight = fitLatentFactors(means, known);
    near.forEach(({ offset, weights, r2 }, f) => {
      // Of weights 2.5 times as large, 0.4 is left, about the same mean.
      weights.forEach((weight, d) => {
        expect(Math.abs(weight - straight[f].weights[d])).toBeLessThan(0.1);
      });
      expect(Math.abs(offset - straight[f].offset)).toBeLessThan(0.1);
      expect(r2).toBe(straight[f].r2);
    });
  });

  test("turning the code turns the weights: the same faces have the same factors, and no longer one latent each", () => {
    const { means, known } = drawn(2, 0.3, heads);
    const [c, s] = [Math.cos(Math.PI / 4), Math.sin(Math.PI / 4)];
    const turn = ([a, b]: readonly number[]) => [c * a - s * b, s * a + c * b];
    const straight = fitLatentFactors(means, known);
    const turned = fitLatentFactors(means.map(turn), known);
    for (const [f, row] of turned.entries()) {
      expect(row.r2).toBeCloseTo(straight[f].r2, 2);
      for (const z of means.slice(0, 20)) expect(placeOf(row, turn(z))).toBeCloseTo(placeOf(straight[f], z), 2);
    }
    const main = mainLatent({ factor: "age", offset: 0, weights: [0, -2], r2: 1 });
    expect(main).toEqual({ latent: 1, share: 1 });
    expect(mainLatent({ factor: "age", offset: 0, weights: turn([0, 2]), r2: 1 }).share).toBeCloseTo(0.5, 12);
    expect(mainLatent({ factor: "age", offset: 0, weights: [0, 0], r2: 0 }).share).toBe(0);
  });

  test("of faces-64 all are known; a table without a factor is told", () => {
    expect(factorsOfFaces64.map(({ factor }) => factor)).toEqual(factors.map(({ name }) => name));
    for (const { weights, r2 } of factorsOfFaces64) {
      expect(weights).toHaveLength(12);
      expect(r2).toBeGreaterThanOrEqual(0.86);
    }
    expect(() => latentFactor("smile", [latentFactor("age")])).toThrow("latentFactors: expected smile among them");
  });
});
