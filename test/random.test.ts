import { expect, test } from "vitest";
import { random } from "../server/random.ts";

const draws = (generator: { uniform(): number }, n: number) => Array.from({ length: n }, () => generator.uniform());

test("the same seed and keys give the same numbers", () => {
  expect(draws(random(7).split("faces", 3), 8)).toEqual(draws(random(7).split("faces", 3), 8));
});

test("a child does not depend on what its parent has drawn, nor disturb it", () => {
  const fresh = random(1);
  const used = random(1);
  draws(used, 5);
  expect(draws(used.split(2), 4)).toEqual(draws(fresh.split(2), 4));
  expect(used.uniform()).toBe(draws(random(1), 6)[5]);
});

test("different seeds and keys give different numbers", () => {
  const root = random(0);
  const first = [
    random(1),
    random("1"),
    root,
    root.split(1),
    root.split("1"),
    root.split(1, 2),
    root.split(2, 1),
    root.split("ab"),
    root.split("a", "b"),
    root.split(0.5),
  ].map((generator) => generator.uniform());
  expect(new Set(first).size).toBe(first.length);
});

test("uniform and normal have the moments of their distributions", () => {
  const generator = random("moments");
  const n = 100_000;
  const u = draws(generator, n);
  const z = Array.from({ length: n }, () => generator.normal());
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const square = (values: number[]) => mean(values.map((value) => value * value));
  // Four standard errors: uniform mean .289/√n, normal mean 1/√n, normal square √2/√n.
  expect(Math.abs(mean(u) - 0.5)).toBeLessThan((4 * 0.289) / Math.sqrt(n));
  expect(Math.abs(mean(z))).toBeLessThan(4 / Math.sqrt(n));
  expect(Math.abs(square(z) - 1)).toBeLessThan((4 * Math.SQRT2) / Math.sqrt(n));
  expect(Math.min(...u.slice(0, 1000))).toBeGreaterThanOrEqual(0);
  expect(Math.max(...u.slice(0, 1000))).toBeLessThan(1);
});

test("first draws of neighbouring children are uncorrelated", () => {
  const n = 20_000;
  const root = random(3);
  const x = Array.from({ length: n + 1 }, (_, i) => root.split(i).uniform() - 0.5);
  let sum = 0;
  for (let i = 0; i < n; i++) sum += x[i] * x[i + 1];
  expect(Math.abs((sum / n) * 12)).toBeLessThan(4 / Math.sqrt(n));
});

test("int covers its range and refuses what it cannot give", () => {
  const generator = random(9);
  const counts = new Array(5).fill(0);
  for (let i = 0; i < 5000; i++) counts[generator.int(5)]++;
  for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(4 * Math.sqrt(800));
  expect(() => generator.int(0)).toThrow(RangeError);
  expect(() => random(Number.NaN)).toThrow(RangeError);
});
