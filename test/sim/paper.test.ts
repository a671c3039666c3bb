import { EigenvalueDecomposition, Matrix } from "ml-matrix";
import { expect, test } from "vitest";
import { useBackend } from "../../server/model/backends.ts";
import { concentration } from "../../server/model/measures/dci.ts";
import { lasso, standardised } from "../../server/model/measures/lasso.ts";
import { random } from "../../server/random.ts";
import { cosineDistance } from "../../server/tuning/reading.ts";
import { alignment, lassoOn, rotation } from "../../sim/paper/alignment.ts";
import { estimate, judge } from "../../sim/paper/paper.ts";
import { type Coding, codings, simulatePatch } from "../../sim/paper/patch.ts";
import { principalScores } from "../../sim/paper/principal.ts";
import { cellsNeeded, readBackDistance } from "../../sim/paper/read-back.ts";

const faces = 1200;
const factors = Array.from({ length: 8 }, (_, f) => {
  const r = random("factors").split(f);
  return Float64Array.from({ length: faces }, () => Math.sqrt(3) * (2 * r.uniform() - 1));
});
const patch = (coding: Coding, cells = 60) => simulatePatch(coding, cells, factors, random(2));
/** The factors turned by one rotation: as informative, and no axis of them means anything. */
const turned = rotation(8, random(9)).map((row) =>
  factors[0].map((_, i) => row.reduce((sum, value, f) => sum + value * factors[f][i], 0)),
);

test("principal components are those of the covariance's eigenvectors, up to sign", async () => {
  await useBackend("wasm");
  const r = random(8);
  const images = (count: number) => ({
    count,
    side: 4,
    channels: 3 as const,
    manifest: null,
    // Brightness falls off over the pixels, so that components differ in size.
    pixels: Uint8Array.from({ length: count * 48 }, (_, k) => 128 + (r.normal() * 60) / (1 + (k % 48))),
  });
  const [fitted, described] = [images(200), images(20)];
  const rows = (set: ReturnType<typeof images>) =>
    Array.from({ length: set.count }, (_, i) => Array.from(set.pixels.subarray(i * 48, (i + 1) * 48), (v) => v / 255));
  const x = new Matrix(rows(fitted)).center("column");
  const eigen = new EigenvalueDecomposition(x.transpose().mmul(x), { assumeSymmetric: true });
  const order = eigen.realEigenvalues
    .map((_, k) => k)
    .sort((a, b) => eigen.realEigenvalues[b] - eigen.realEigenvalues[a]);
  const expected = new Matrix(rows(described))
    .subRowVector(new Matrix(rows(fitted)).mean("column"))
    .mmul(eigen.eigenvectorMatrix);
  const found = await principalScores(fitted, described, 3);
  for (const [l, scores] of found.entries()) {
    const own = expected.getColumn(order[l]);
    const sign = Math.sign(scores[0] * own[0]);
    for (const [i, value] of scores.entries()) expect(sign * value).toBeCloseTo(own[i], 4);
  }
});

test("lasso on the triangular factor is lasso on the faces themselves", () => {
  // Columns that go together.
  const columns = factors.map((column, f) =>
    standardised(column.map((value, i) => value + 0.5 * factors[(f + 1) % factors.length][i])),
  );
  for (const response of patch("mixtures", 5).map((counts) => standardised(counts))) {
    const expected = lasso(columns, response, 0.01);
    for (const [l, weight] of lassoOn(columns)(response).entries()) expect(weight).toBeCloseTo(expected[l], 6);
  }
});

test("a rotation is orthonormal", () => {
  const rows = rotation(12, random(3));
  for (const [i, a] of rows.entries())
    for (const [j, b] of rows.entries())
      expect(a.reduce((sum, value, k) => sum + value * b[k], 0)).toBeCloseTo(Number(i === j), 12);
});

test("concentration: 1 for one amount, 0 for equal ones or none, in between by its formula", () => {
  expect(concentration([0, 3, 0])).toBe(1);
  expect(concentration([1, 1, 1, 1])).toBeCloseTo(0, 12);
  expect(concentration([0, 0])).toBe(0);
  expect(concentration([1, 1, 0, 0])).toBeCloseTo(0.5, 12);
});

test("counts have the mean that the rates give: 0.8 s of 2 + gain · softplus(1.2 z)", () => {
  const flat = [new Float64Array(20_000)];
  for (const counts of simulatePatch("single factors", 5, flat, random(4))) {
    const mean = counts.reduce((sum, n) => sum + n, 0) / counts.length;
    const variance = counts.reduce((sum, n) => sum + (n - mean) ** 2, 0) / counts.length;
    // At z = 0 softplus is log 2 and the gain is 8 to 14; a Poisson's variance is its mean.
    expect(mean).toBeGreaterThan(0.8 * (2 + 8 * Math.LN2) - 0.1);
    expect(mean).toBeLessThan(0.8 * (2 + 14 * Math.LN2) + 0.1);
    expect(variance / mean).toBeCloseTo(1, 1);
  }
});

test("cells that code single factors are aligned with the factors, and not with any rotation of them", () => {
  const counts = patch("single factors");
  const own = alignment(factors, counts, 10, random(5));
  const other = alignment(turned, counts, 10, random(5));
  expect(own.score).toBeGreaterThan(0.8);
  expect(own.margin).toBeGreaterThan(0.5);
  // Of eight weights one is left, and dealt anew a cell has 0, 1, 2 … of them (binomial): 0.55 on average.
  expect(own.togetherness).toBeGreaterThan(0.2);
  expect(Math.abs(other.togetherness)).toBeLessThan(0.03);
  expect(Math.abs(other.margin)).toBeLessThan(0.03);
  // Both explain the cells as well.
  expect(other.r2).toBeCloseTo(own.r2, 1);
});

test("where cells code random mixtures, the margin of the very factors vanishes", () => {
  const { margin, togetherness, r2 } = alignment(factors, patch("mixtures", 120), 20, random(5));
  expect(Math.abs(margin)).toBeLessThan(0.02);
  expect(Math.abs(togetherness)).toBeLessThan(0.02);
  expect(r2).toBeGreaterThan(0.5);
});

test("latents that say unlike amounts look aligned beside their rotations whatever cells code, beside dealt weights they do not", () => {
  // Two latents say what they say clearly, six in much noise.
  const noise = random("noise");
  const uneven = factors.map((column, f) => column.map((value) => value + (f < 2 ? 0 : 3) * noise.normal()));
  const mixed = alignment(uneven, patch("mixtures", 240), 20, random(5));
  expect(mixed.margin).toBeGreaterThan(0.03);
  expect(Math.abs(mixed.togetherness)).toBeLessThan(0.02);
  const single = alignment(uneven, patch("single factors", 240), 20, random(5));
  expect(single.togetherness).toBeGreaterThan(mixed.togetherness + 0.05);
});

test("a model that ignores what the cells code has no alignment to show", () => {
  const unrelated = factors.map((_, f) => {
    const r = random("unrelated").split(f);
    return Float64Array.from({ length: faces }, () => r.normal());
  });
  const { margin, r2 } = alignment(unrelated, patch("single factors"), 10, random(5));
  expect(Math.abs(margin)).toBeLessThan(0.1);
  expect(r2).toBeLessThan(0.02);
});

test("more cells read a face back better, and the number needed lies on the curve", () => {
  const counts = patch("single factors");
  const curve = [4, 16, 60].map((cells) => ({ cells, distance: readBackDistance(factors, counts, cells, random(6)) }));
  expect(curve[0].distance).toBeGreaterThan(curve[1].distance);
  expect(curve[1].distance).toBeGreaterThan(curve[2].distance);
  expect(cosineDistance([1, 0], [0, 2])).toBeCloseTo(1, 12);
  expect(cosineDistance([1, 1], [2, 2])).toBeCloseTo(0, 12);
  const falling = [
    { cells: 4, distance: 0.8 },
    { cells: 16, distance: 0.4 },
  ];
  expect(cellsNeeded(falling, 0.6)).toBeCloseTo(8, 12);
  expect(cellsNeeded(falling, 0.9)).toBe(4);
  expect(cellsNeeded(falling, 0.1)).toBeNull();
});

test("an estimate's interval is Student's: 1, 2, 3 → 2 ± 4.303 / √3", () => {
  expect(estimate([1, 2, 3]).halfWidth).toBeCloseTo(4.303 / Math.sqrt(3), 3);
  expect(estimate([7])).toEqual({ mean: 7, halfWidth: null });
});

test("models are judged on the same cells, the same for the same seed", () => {
  const codes = new Map([["factors", factors]]);
  const settings = { cells: 12, rotations: 2, distance: 0.5 };
  const [figures] = judge(codes, factors, turned, settings, 1);
  expect(Object.keys(figures.alignment)).toEqual([...codings]);
  expect(figures.latents).toBe(8);
  expect(judge(codes, factors, turned, settings, 1)[0]).toEqual(figures);
});
