import fc from "fast-check";
import { expect, test } from "vitest";
import { random } from "../../server/random.ts";
import { initRefreshWatch, type Refresh, refreshOf, stepRefreshWatch } from "../../stimulus-client/refresh-watch.ts";

/** What is told while callbacks come at these intervals. */
function watched(frameMs: number, intervalsMs: number[]): Refresh[] {
  let watch = initRefreshWatch(frameMs);
  let nowMs = 0;
  const told: Refresh[] = [];
  for (const interval of [0, ...intervalsMs]) {
    const [next, finding] = stepRefreshWatch(watch, (nowMs += interval));
    watch = next;
    if (finding) told.push(finding);
  }
  return told;
}
const steady = (hz: number, n: number, jitterMs = 0, seed = 1) => {
  const { uniform } = random(seed);
  let before = 0;
  return Array.from({ length: n }, () => {
    const late = jitterMs * uniform();
    const interval = 1000 / hz + late - before;
    before = late;
    return interval;
  });
};

test.each([59.94, 60, 75, 120, 144, 240])("S13: %d Hz is measured through late callbacks and dropped frames", (hz) => {
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const { uniform } = random(seed);
      const intervals = steady(hz, 120, 0.1 * (1000 / hz), seed).map((ms) =>
        uniform() < 0.1 ? ms + Math.ceil(3 * uniform()) * (1000 / hz) : ms,
      );
      const { frameMs, unsteady } = refreshOf(intervals);
      expect(Math.abs((frameMs * hz) / 1000 - 1)).toBeLessThan(0.02);
      expect(unsteady).toBe(0);
    }),
    { numRuns: 50 },
  );
});

test("S13: a steady screen tells nothing, with dropped frames or without", () => {
  expect(watched(1000 / 60, steady(60, 1000, 1))).toEqual([]);
  expect(watched(1000 / 60, steady(59.94, 1000, 1))).toEqual([]);
  expect(
    watched(
      1000 / 60,
      steady(60, 1000).map((ms, i) => (i % 7 === 0 ? 3 * ms : ms)),
    ),
  ).toEqual([]);
});

test("S13: a window that is moved to a faster or slower screen is told once", () => {
  for (const hz of [30, 75, 120, 144]) {
    const told = watched(1000 / 60, [...steady(60, 300), ...steady(hz, 600)]);
    expect(told.length).toBeGreaterThanOrEqual(1);
    expect(told.at(-1)!.frameMs).toBeCloseTo(1000 / hz, 6);
  }
});

test("S13: variable refresh is told as unsteady, and as steady again afterwards", () => {
  const { uniform } = random(2);
  const variable = Array.from({ length: 240 }, () => 8 + 14 * uniform());
  const told = watched(1000 / 60, [...steady(60, 120), ...variable, ...steady(60, 240)]);
  expect(told.map(({ unsteady }) => unsteady > 0.2)).toEqual([true, false]);
  expect(told[1].frameMs).toBeCloseTo(1000 / 60, 6);
});
