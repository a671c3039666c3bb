import { describe, expect, test } from "vitest";
import { random } from "../../server/random.ts";
import { createBasis, features, writeBlock, writeBlockSlope } from "../../server/tuning/basis.ts";
import { priorBelief, type UnitBelief } from "../../server/tuning/belief.ts";
import { logLikelihood, logPredictive, type Observation } from "../../server/tuning/observation.ts";
import { startPrecision } from "../../server/tuning/posterior.ts";
import { cosineDistance, fitOneToOne, readFace, readOneToOne } from "../../server/tuning/reading.ts";
import { createRefitter } from "../../server/tuning/refitter.ts";
import { drawCount, priorStart } from "./draws.ts";

const basis = createBasis(2, 4, 1.5, 4.5);
const exponential: Observation = { link: "exponential", counts: "negative-binomial", priorCount: 3 };

/** Units with smooth curves over both latents; `doubt` scales the prior's standard deviations. */
function population(units: number, doubt: number, observation = exponential): UnitBelief[] {
  const r = random(12);
  return Array.from({ length: units }, () => {
    const { belief, startPrecision } = priorStart(basis, observation);
    const mean = belief.mean.map((m, i) => (i === 0 ? m : r.normal() / Math.sqrt(startPrecision[i])));
    return { ...belief, mean, covariance: belief.covariance.map((v) => v * doubt ** 2), dispersion: 0.1 };
  });
}

const etaOf = ({ mean }: UnitBelief, x: Float64Array): number => x.reduce((sum, v, i) => sum + v * mean[i], 0);

const varianceOf = ({ covariance }: UnitBelief, x: Float64Array): number =>
  x.reduce((sum, a, i) => sum + x.reduce((s, b, j) => s + a * b * covariance[i * x.length + j], 0), 0);

/** Posterior over faces on a grid, tuning taken as known or not: its peak, and its moments. */
function bruteForce(beliefs: UnitBelief[], counts: number[], known: boolean, step = 0.1) {
  const points: { z: [number, number]; log: number }[] = [];
  for (let a = -3.5; a <= 3.5001; a += step)
    for (let b = -3.5; b <= 3.5001; b += step) {
      let log = -(a * a + b * b) / 2;
      const x = features(basis, [a, b]);
      beliefs.forEach((belief, n) => {
        if (Number.isNaN(counts[n])) return;
        const { observation, dispersion } = belief;
        const m = etaOf(belief, x);
        log += known
          ? logLikelihood(observation, m, dispersion, counts[n])
          : logPredictive(observation, m, varianceOf(belief, x), dispersion, counts[n]);
      });
      points.push({ z: [a, b], log });
    }
  const peak = points.reduce((best, point) => (point.log > best.log ? point : best));
  const weights = points.map(({ log }) => Math.exp(log - peak.log));
  const total = weights.reduce((a, b) => a + b, 0);
  const mean = [0, 1].map((d) => points.reduce((sum, { z }, i) => sum + weights[i] * z[d], 0) / total);
  const sd = [0, 1].map((d) =>
    Math.sqrt(points.reduce((sum, { z }, i) => sum + weights[i] * (z[d] - mean[d]) ** 2, 0) / total),
  );
  return { ...peak, mean, sd };
}

function shown(beliefs: UnitBelief[], z: ArrayLike<number>, seed: number): number[] {
  const r = random(seed);
  return beliefs.map((belief) => drawCount(Math.exp(etaOf(belief, features(basis, z))), belief.dispersion, r));
}

test("slopes of the features are their differences", () => {
  const [up, down, slope] = [0, 0, 0].map(() => new Float64Array(basis.block));
  writeBlock(basis, 1.3 + 1e-5, up);
  writeBlock(basis, 1.3 - 1e-5, down);
  writeBlockSlope(basis, 1.3, slope);
  slope.forEach((v, j) => {
    expect(v).toBeCloseTo((up[j] - down[j]) / 2e-5, 8);
  });
});

describe("P10 reading a face back by Bayes' rule", () => {
  test.each([0, 1, 2, 3, 4, 5])("tuning known: the peak that a grid finds, face %i", (seed) => {
    const beliefs = population(12, 1e-4);
    const r = random(seed);
    const counts = shown(beliefs, [r.normal(), r.normal()], seed + 100);
    if (seed % 2 === 1) counts[3] = Number.NaN;
    const reading = readFace(beliefs, counts, random(seed));
    const grid = bruteForce(beliefs, counts, true);
    // The grid's points are 0.1 apart, and its best may be a step off along a ridge.
    for (const d of [0, 1]) expect(Math.abs(reading.latents[d] - grid.z[d])).toBeLessThan(0.15);
    expect(reading.logPosterior).toBeGreaterThanOrEqual(grid.log - Math.log(2 * Math.PI) - 1e-6);
  });

  test("with many units the covariance is the spread of the posterior", () => {
    const beliefs = population(60, 1e-4);
    const ratios = [1, 2, 3].flatMap((seed) => {
      const counts = shown(beliefs, [0.5 * random(seed).normal(), 0.8], seed);
      const { covariance } = readFace(beliefs, counts, random(seed));
      const { sd } = bruteForce(beliefs, counts, true, 0.05);
      return [0, 1].map((d) => Math.sqrt(covariance[3 * d]) / sd[d]);
    });
    // Fisher information for the observed one: to a third each, and right on average.
    for (const ratio of ratios) expect(Math.abs(Math.log(ratio))).toBeLessThan(0.3);
    expect(Math.abs(ratios.reduce((sum, v) => sum + Math.log(v), 0) / ratios.length)).toBeLessThan(0.1);
  });

  test("tuning in doubt: near the grid's peak, and wider", () => {
    const sure = population(20, 1e-4);
    const unsure = population(20, 0.4);
    let distance = 0;
    for (let seed = 0; seed < 4; seed++) {
      const counts = shown(sure, [0.7, -0.9], seed);
      const reading = readFace(unsure, counts, random(seed));
      const { z, sd } = bruteForce(unsure, counts, false, 0.2);
      distance += Math.hypot((reading.latents[0] - z[0]) / sd[0], (reading.latents[1] - z[1]) / sd[1]) / 4;
      const known = readFace(sure, counts, random(seed));
      expect(reading.covariance[0]).toBeGreaterThan(known.covariance[0]);
    }
    // In the posterior's standard deviations.
    expect(distance).toBeLessThan(0.5);
  });

  test("softplus units too; without a count it is the prior; as many counts as units", () => {
    const beliefs = population(12, 1e-4, { ...exponential, link: "softplus" });
    const counts = beliefs.map((_, n) => n % 5);
    const reading = readFace(beliefs, counts, random(1));
    const grid = bruteForce(beliefs, counts, true);
    for (const d of [0, 1]) expect(Math.abs(reading.latents[d] - grid.z[d])).toBeLessThan(0.15);
    const silent = readFace(
      beliefs,
      counts.map(() => Number.NaN),
      random(1),
    );
    expect([...silent.latents]).toEqual([0, 0]);
    expect([...silent.covariance]).toEqual([1, 0, 0, 1]);
    expect(() => readFace(beliefs, [1], random(1))).toThrow("expected 12 counts, got 1");
    expect(() => readFace([], [], random(1))).toThrow("at least one unit");
  });
});

describe("P10 reading a face back one cell a latent", () => {
  const r = random(3);
  const faces = Array.from({ length: 150 }, () => [r.normal(), r.normal(), r.normal()]);
  // Units 4, 0 and 2 carry latents 0, 1 and 2; unit 1 carries latent 0 too, with more noise; unit 3 nothing.
  const counts = faces.map(([a, b, c]) => [
    5 + 2 * b + r.normal(),
    5 + a + 2 * r.normal(),
    5 - 2 * c + r.normal(),
    5 + r.normal(),
    5 + 2 * a + r.normal(),
  ]);

  test("the assignment is the best of all, and each latent is regressed on its unit by least squares", () => {
    const readers = fitOneToOne(faces, counts);
    expect(readers.map(({ unit }) => unit)).toEqual([4, 0, 2]);
    const total = readers.reduce((sum, { correlation }) => sum + Math.abs(correlation), 0);
    const single = (d: number, u: number) => {
      const only = fitOneToOne(
        faces.map((face) => [face[d]]),
        counts.map((row) => [row[u]]),
      );
      return Math.abs(only[0].correlation);
    };
    for (let a = 0; a < 5; a++)
      for (let b = 0; b < 5; b++)
        for (let c = 0; c < 5; c++)
          if (a !== b && b !== c && a !== c)
            expect(total).toBeGreaterThanOrEqual(single(0, a) + single(1, b) + single(2, c) - 1e-12);
    // The residual of least squares has mean zero and does not go with the regressor.
    for (const { latent, unit, slope, intercept } of readers) {
      const residual = faces.map((face, t) => face[latent] - intercept - slope * counts[t][unit!]);
      expect(residual.reduce((s, v) => s + v, 0)).toBeCloseTo(0, 9);
      expect(residual.reduce((s, v, t) => s + v * counts[t][unit!], 0)).toBeCloseTo(0, 7);
    }
  });

  test("reads faces that it has not seen; the mean where a unit is silent or there are too few units", () => {
    const readers = fitOneToOne(faces, counts);
    let distance = 0;
    for (let t = 0; t < 50; t++) {
      const face = [r.normal(), r.normal(), r.normal()];
      const answer = [5 + 2 * face[1], Number.NaN, 5 - 2 * face[2], 5, 5 + 2 * face[0]];
      distance += cosineDistance(readOneToOne(readers, answer), face) / 50;
    }
    expect(distance).toBeLessThan(0.02);
    const few = fitOneToOne(
      faces,
      counts.map((row) => row.slice(0, 2)),
    );
    expect(few.filter(({ unit }) => unit === null)).toHaveLength(1);
    const { latent, mean } = few.find(({ unit }) => unit === null)!;
    expect(readOneToOne(few, [5, 5])[latent]).toBe(mean);
    expect(readOneToOne(readers, [5, 5, 5, 5, Number.NaN])[0]).toBe(readers[0].mean);
    expect(() => fitOneToOne(faces, [])).toThrow("got 0 and 150");
  });

  test("cosine distance", () => {
    expect(cosineDistance([1, 2], [2, 4])).toBeCloseTo(0, 12);
    expect(cosineDistance([1, 0], [0, 3])).toBe(1);
    expect(cosineDistance([1, 1], [-1, -1])).toBeCloseTo(2, 12);
    expect(cosineDistance([0, 0], [1, 1])).toBe(1);
  });
});

describe("P12 faces read back at a session's end", () => {
  /** Two units of one latent each over 400 trials; half way unit 0 is sorted anew, or windows become twice as long. */
  function readBack(change: "none" | "sorted anew" | "longer windows") {
    const observation: Observation = { link: "exponential", counts: "poisson", priorCount: 4 };
    const prior = { biasSd: 1, linearSd: 0.3, smoothSd: 0.4, dispersion: 0 };
    const refitter = createRefitter({
      basis,
      observation,
      links: ["exponential"],
      units: 2,
      prior,
      memoryTrials: null,
      windowS: 0.2,
    });
    const r = random(3);
    for (let t = 0; t < 400; t++) {
      const z = [r.normal(), r.normal()];
      const isLate = t >= 200;
      if (t === 200 && change === "sorted anew") refitter.reset(0);
      const sign = change === "sorted anew" && !isLate ? -1 : 1;
      const exposure = change === "longer windows" && isLate ? 2 : 1;
      const counts = [sign * z[0], z[1]].map((v) => drawCount(6 * exposure * Math.exp(0.7 * v), 0, r));
      refitter.learn({ latents: z, counts: Float64Array.from(counts), logGain: Math.log(exposure) });
    }
    const belief = priorBelief(basis, observation, startPrecision(basis, observation, prior), 0);
    return refitter.readBack([belief, belief])!;
  }
  const steady = readBack("none");

  test("O3: what a unit fired before it was sorted anew says nothing", () => {
    const found = readBack("sorted anew");
    expect(found.oneToOne).toBeLessThan(1.5 * steady.oneToOne);
    expect(found.bayes).toBeLessThan(1.5 * steady.bayes);
  });

  test("O4: counts of longer windows say more, and not that rates rose", () => {
    const found = readBack("longer windows");
    expect(found.bayes).toBeLessThan(steady.bayes);
    expect(found.oneToOne).toBeLessThan(1.1 * steady.oneToOne);
  });
});
