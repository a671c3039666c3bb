import { expect, test } from "vitest";
import { random } from "../../../server/random.ts";
import { drawFactors, type Factors, factors } from "../../../sim/faces/factors.ts";
import { fitted, morph, targetNames, targetWeights } from "../../../sim/faces/head.ts";
import { clear, geometryBuffer, rasterise } from "../../../sim/faces/rasterise.ts";
import { createRenderer } from "../../../sim/faces/render.ts";
import { varianceShares } from "../../../sim/faces/variance.ts";
import { flatHead } from "./heads.ts";

const middle = Object.fromEntries(factors.map(({ name, range }) => [name, (range[0] + range[1]) / 2])) as Factors;

/** One triangle; attributes 0 at the first corner, 1 at the second, 2 at the third. */
const triangle = (positions: number[]) => ({
  positions: Float32Array.from(positions),
  attributes: Float32Array.from({ length: 18 }, (_, i) => Math.floor(i / 6)),
  triangles: 1,
});

test("a triangle covers the pixels whose centres it holds, either way round, with attributes interpolated", () => {
  // Right angle at the origin, legs of 4 pixels: centres with (x + ½) + (y + ½) ≤ 4.
  for (const corners of [
    [0, 0, 1, 4, 0, 1, 0, 4, 1],
    [0, 0, 1, 0, 4, 1, 4, 0, 1],
  ]) {
    const buffer = geometryBuffer(5, 5);
    rasterise(buffer, triangle(corners), 3);
    for (let y = 0; y < 5; y++) {
      for (let x = 0; x < 5; x++) expect(buffer.layer[y * 5 + x]).toBe(x + y + 1 <= 4 ? 3 : 0);
    }
    // At (1.5, 0.5) the weights of the corners at 4 along x and along y are 3/8 and 1/8.
    const expected = corners[3] === 4 ? 3 / 8 + 2 / 8 : 1 / 8 + 6 / 8;
    expect(buffer.attributes[6]).toBeCloseTo(expected, 5);
  }
});

test("the nearer of two surfaces is seen, whatever the order, unless its fragment is refused", () => {
  const near = triangle([0, 0, 2, 8, 0, 2, 0, 8, 2]);
  const far = triangle([0, 0, 1, 8, 0, 1, 0, 8, 1]);
  const buffer = geometryBuffer(4, 4);
  rasterise(buffer, near, 1);
  rasterise(buffer, far, 2);
  expect(buffer.layer[0]).toBe(1);
  clear(buffer);
  rasterise(buffer, far, 2);
  rasterise(buffer, near, 1, (_, x) => x !== 0);
  expect([buffer.layer[0], buffer.layer[1]]).toEqual([2, 1]);
});

test("a triangle partly or wholly outside the picture does no harm", () => {
  const buffer = geometryBuffer(4, 4);
  rasterise(buffer, triangle([-50, -50, 0, 60, -50, 0, 2, 70, 0]), 1);
  rasterise(buffer, triangle([-9, -9, 0, -5, -9, 0, -9, -5, 0]), 2);
  expect(buffer.layer.every((layer) => layer === 1)).toBe(true);
});

test("morphs add up, and fitted pieces follow the body", () => {
  const head = flatHead();
  const shape = morph(head, new Map([["head/head-fat", 0.5]]));
  expect(shape[3] - head.base[3]).toBeCloseTo(0.15);
  expect(shape[0]).toBe(head.base[0]);
  const moved = shape.map((value, i) => (i % 3 === 1 ? value + 2 : value));
  expect(fitted(head.hair, moved)[1]).toBeCloseTo(fitted(head.hair, shape)[1] + 2, 4);
  expect(() => morph(head, new Map([["nose/none", 1]]))).toThrow("no target nose/none");
});

test("macro targets are a partition: ancestry × gender × age sums to 1 for every head, all of known targets", () => {
  for (let i = 0; i < 50; i++) {
    const weights = targetWeights(drawFactors(3, i));
    const sum = (pattern: RegExp) => [...weights].reduce((s, [name, w]) => s + (pattern.test(name) ? w : 0), 0);
    expect(sum(/macrodetails\/(african|asian|caucasian)/)).toBeCloseTo(1, 10);
    expect(sum(/macrodetails\/universal/)).toBeCloseTo(1, 10);
    for (const name of weights.keys()) expect(targetNames).toContain(name);
  }
});

test("head i depends on the seed and i alone", () => {
  const renderer = createRenderer(flatHead(), 16);
  const first = renderer.render(drawFactors(1, 7));
  renderer.render(drawFactors(1, 8));
  expect(renderer.render(drawFactors(1, 7))).toEqual(first);
  expect(createRenderer(flatHead(), 16).render(drawFactors(1, 7))).toEqual(first);
  expect(drawFactors(2, 7)).not.toEqual(drawFactors(1, 7));
});

test("factors are uniform on their ranges and independent", () => {
  const n = 4000;
  const drawn = Array.from({ length: n }, (_, i) => drawFactors(1, i));
  const unit = factors.map(({ name, range }) => drawn.map((f) => (f[name] - range[0]) / (range[1] - range[0]) - 0.5));
  for (const [i, x] of unit.entries()) {
    expect(Math.min(...x)).toBeGreaterThanOrEqual(-0.5);
    expect(Math.max(...x)).toBeLessThan(0.5);
    for (let j = 0; j <= i; j++) {
      const moment = x.reduce((sum, value, k) => sum + value * unit[j][k], 0) / n;
      // E[u²] = 1/12, E[uv] = 0; five standard errors: √(1/180 / n) and 1/12 / √n.
      expect(Math.abs(moment - (i === j ? 1 / 12 : 0))).toBeLessThan(5 * (1 / 12) * (1 / Math.sqrt(n)));
    }
  }
});

test("a picture shows what the factors say: tone, background, light, hair, weight", () => {
  const renderer = createRenderer(flatHead(), 32);
  const at = (pixels: Uint8Array, x: number, y: number) =>
    Array.from(pixels.subarray((y * 32 + x) * 3, (y * 32 + x) * 3 + 3));
  const show = (changes: Partial<Factors>) => renderer.render({ ...middle, hair_length: 0, ...changes });
  const cheek = [12, 20] as const;
  expect(at(show({ skin_tone: 0 }), ...cheek)[0]).toBeGreaterThan(at(show({ skin_tone: 1 }), ...cheek)[0] + 30);
  const [blue, green] = [at(show({ background: 0 }), 0, 31), at(show({ background: 1 }), 0, 31)];
  expect(blue[2]).toBeGreaterThan(blue[1]);
  expect(green[1]).toBeGreaterThan(green[2]);
  // A flat face is brightest when lit from straight ahead, and turns darker as it turns away.
  const facing = at(show({ light_azimuth_rad: 0 }), ...cheek)[0];
  expect(facing).toBeGreaterThan(at(show({ light_azimuth_rad: 0.7 }), ...cheek)[0]);
  expect(at(show({ hair_length: 1 }), 1, 20)).not.toEqual(at(show({ hair_length: 0 }), 1, 20));
  expect(show({ weight: 1 })).not.toEqual(show({ weight: 0 }));
  expect(show({ yaw_rad: 0.21 })).not.toEqual(show({ yaw_rad: -0.21 }));
});

test("shares of variance are those of the factors that made the pixels", () => {
  const draws = random(6);
  const n = 3000;
  const x = [0, 1, 2].map(() => Float64Array.from({ length: n }, () => draws.uniform()));
  // Pixel 0: 100·x₀; pixel 1: 50·x₁: variances 4:1; x₂ does nothing. Bins of an eighth keep 1 − 1/64 of a line's variance.
  const image = (i: number) => Uint8Array.of(Math.round(100 * x[0][i]), Math.round(50 * x[1][i]));
  const shares = varianceShares(
    x,
    [
      [0, 1],
      [0, 1],
      [0, 1],
    ],
    image,
  );
  expect(shares[0]).toBeCloseTo(0.8 * (63 / 64), 1);
  expect(shares[1]).toBeCloseTo(0.2 * (63 / 64), 1);
  expect(shares[2]).toBeLessThan(0.01);
});
