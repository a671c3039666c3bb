import { describe, expect, test } from "vitest";
import { random } from "../../server/random.ts";
import { createBasis, features } from "../../server/tuning/basis.ts";
import type { UnitBelief } from "../../server/tuning/belief.ts";
import type { Observation } from "../../server/tuning/observation.ts";
import {
  alignmentOf,
  curveGrid,
  drawWeights,
  populationAlignment,
  reportUnit,
  sharesOf,
} from "../../server/tuning/report.ts";
import { priorStart } from "./draws.ts";

const basis = createBasis(3, 4, 1.5, 4.5);
const exponential: Observation = { link: "exponential", counts: "negative-binomial", priorCount: 2 };
const options = { windowS: 0.2, range: 3 };

/** A belief with these weights, sure of them but for a factor on the prior's standard deviations. */
function believe(weights: Record<number, number>, doubt: number, observation = exponential): UnitBelief {
  const { belief } = priorStart(basis, observation);
  for (const [i, value] of Object.entries(weights)) belief.mean[Number(i)] = value;
  return { ...belief, covariance: belief.covariance.map((v) => v * doubt ** 2), dispersion: 0.2 };
}
const weightOf = (latent: number, j = 0) => 1 + latent * basis.block + j;
const report = (belief: UnitBelief, seed = 1) => reportUnit(belief, "u", options, random(seed));

describe("P7 report of a unit", () => {
  test("shares of a unit that is linear in its latents are the squared weights", () => {
    const belief = believe({ 0: 1, [weightOf(0)]: 0.6, [weightOf(2)]: -0.2 }, 1e-4);
    const { shares, bestLatent, alignment } = report(belief);
    expect(shares[0]).toBeCloseTo(0.9, 3);
    expect(shares[1]).toBeCloseTo(0, 5);
    expect(shares[2]).toBeCloseTo(0.1, 3);
    expect(bestLatent).toBe(0);
    // 1 − H(0.9, 0.1)/log 3
    expect(alignment.estimate).toBeCloseTo(1 + (0.9 * Math.log(0.9) + 0.1 * Math.log(0.1)) / Math.log(3), 3);
  });

  test("shares of curves that are not lines, by a million draws of faces", () => {
    const weights = Float64Array.from({ length: basis.size }, (_, i) => Math.sin(3 * i + 1) / (1 + (i % 3)));
    const r = random(4);
    const n = 300_000;
    const first = [0, 0, 0];
    const second = [0, 0, 0];
    const face = new Float64Array(3);
    const x = new Float64Array(basis.size);
    for (let t = 0; t < n; t++) {
      for (let d = 0; d < 3; d++) face[d] = r.normal();
      features(basis, face, x);
      for (let d = 0; d < 3; d++) {
        let g = 0;
        for (let j = 0; j < basis.block; j++) g += x[weightOf(d, j)] * weights[weightOf(d, j)];
        first[d] += g / n;
        second[d] += (g * g) / n;
      }
    }
    const variance = first.map((m, d) => second[d] - m * m);
    const total = variance.reduce((a, b) => a + b);
    // Standard error of a variance over 300,000 draws: about 0.3 %.
    sharesOf(basis, weights).shares.forEach((share, d) => {
      expect(Math.abs(share - variance[d] / total)).toBeLessThan(0.01);
    });
  });

  test("intervals of rates are those of the Gaussian, carried through the link; draws agree", () => {
    for (const observation of [exponential, { ...exponential, link: "softplus" as const }]) {
      const belief = believe({ 0: 0.8, [weightOf(1)]: 0.5, [weightOf(1, 2)]: 0.3 }, 0.5, observation);
      const { curves, baselineHz } = report(belief);
      const rate = (eta: number) =>
        (observation.link === "exponential" ? Math.exp(eta) : (2 * Math.log1p(Math.exp(eta))) / Math.LN2) / 0.2;
      expect(baselineHz.estimate).toBeCloseTo(rate(0.8), 12);
      expect(baselineHz.high).toBeCloseTo(rate(0.8 + 1.6448536 * 0.5), 5);
      const drawn = drawWeights(belief, 20_000, random(2));
      const at = 10;
      const x = features(basis, [0, curveGrid[at], 0]);
      const rates = drawn.map((w) => rate(x.reduce((sum, v, i) => sum + v * w[i], 0))).sort((a, b) => a - b);
      const logs = drawn.map((w) => Math.log(rate(x.reduce((sum, v, i) => sum + v * w[i], 0)) / rate(w[0])));
      const mean = logs.reduce((a, b) => a + b) / logs.length;
      const sd = Math.sqrt(logs.reduce((sum, v) => sum + (v - mean) ** 2, 0) / logs.length);
      expect(curves[1].lowHz[at] / rates[1000]).toBeCloseTo(1, 1);
      expect(curves[1].highHz[at] / rates[19_000]).toBeCloseTo(1, 1);
      // Softplus bends within the posterior's spread: the delta method is good to a tenth there.
      expect(Math.abs(curves[1].sd[at] / sd - 1)).toBeLessThan(observation.link === "exponential" ? 0.02 : 0.1);
      expect(curves[1].mean[6]).toBe(0);
      expect(curves[1].rateHz[6]).toBeCloseTo(baselineHz.estimate, 12);
    }
  });

  test("axis: average gradient over faces, by finite differences; its cone narrows with what is known", () => {
    const weights = { [weightOf(0)]: 0.5, [weightOf(1)]: -0.3, [weightOf(1, 3)]: 0.4, [weightOf(2, 2)]: 0.5 };
    const belief = believe(weights, 0.02);
    const { axis } = report(belief);
    const r = random(9);
    const gradient = [0, 0, 0];
    const h = 1e-3;
    for (let t = 0; t < 60_000; t++) {
      const z = [r.normal(), r.normal(), r.normal()];
      for (let d = 0; d < 3; d++) {
        const eta = (step: number) =>
          features(
            basis,
            z.map((v, k) => v + (k === d ? step : 0)),
          ).reduce((sum, v, i) => sum + v * belief.mean[i], 0);
        gradient[d] += (eta(h) - eta(-h)) / (2 * h);
      }
    }
    const norm = Math.hypot(...gradient);
    axis.direction.forEach((v, d) => {
      expect(Math.abs(v - gradient[d] / norm)).toBeLessThan(0.02);
    });
    expect(Math.hypot(...axis.direction)).toBeCloseTo(1, 12);
    expect(axis.coneDeg).toBeGreaterThan(0);
    expect(report(believe(weights, 0.2)).axis.coneDeg).toBeGreaterThan(5 * axis.coneDeg);
  });

  test("peak is the best of a fine grid of faces", () => {
    const belief = believe(
      { 0: 1, [weightOf(0)]: 0.4, [weightOf(1, 1)]: 0.8, [weightOf(2)]: -0.2, [weightOf(2, 2)]: 1 },
      0.1,
    );
    const { peak } = report(belief);
    let best = Number.NEGATIVE_INFINITY;
    for (let a = -3; a <= 3.001; a += 0.25)
      for (let b = -3; b <= 3.001; b += 0.25)
        for (let c = -3; c <= 3.001; c += 0.25)
          best = Math.max(
            best,
            features(basis, [a, b, c]).reduce((sum, v, i) => sum + v * belief.mean[i], 0),
          );
    expect(peak.rateHz.estimate).toBeGreaterThanOrEqual(Math.exp(best) / 0.2 - 1e-9);
    expect(peak.rateHz.low).toBeLessThan(peak.rateHz.estimate);
    for (const z of peak.latents) expect(Math.abs(z)).toBeLessThanOrEqual(3);
  });

  test("Fano factor: variance over mean at the mean rate", () => {
    // Without tuning the mean count is e: 1 + 0.2 e.
    expect(report(believe({ 0: 1 }, 1e-6)).fano).toBeCloseTo(1 + 0.2 * Math.E, 6);
  });

  test("same generator, same report; an interval holds its estimate", () => {
    const belief = believe({ 0: 1, [weightOf(0)]: 0.3 }, 0.5);
    expect(report(belief)).toEqual(report(belief));
    const { shares, sharesInterval, alignment } = report(belief);
    shares.forEach((share, d) => {
      expect(sharesInterval.low[d]).toBeLessThanOrEqual(share);
      expect(sharesInterval.high[d]).toBeGreaterThanOrEqual(share);
    });
    expect(alignment.low).toBeLessThanOrEqual(alignment.estimate);
    expect(alignment.high).toBeGreaterThanOrEqual(alignment.estimate);
  });
});

test("P7 alignment of a population weighs each unit by the variance of its tuning", () => {
  const one = believe({ [weightOf(0)]: 0.6 }, 1e-5);
  const even = believe({ [weightOf(0)]: 0.3, [weightOf(1)]: 0.3, [weightOf(2)]: 0.3 }, 1e-5);
  // a = 1 with variance 0.36, and a = 0 with 0.27.
  expect(populationAlignment([one, even], random(1))!.estimate).toBeCloseTo(0.36 / 0.63, 3);
  expect(populationAlignment([], random(1))).toBeNull();
  expect(populationAlignment([one, one], random(1))!.estimate).toBeCloseTo(1, 3);
});

test("P7 a population's alignment lies inside its interval, which spans what is not known of the units", () => {
  const weights = [{ [weightOf(0)]: 0.6 }, { [weightOf(1)]: -0.5 }, { [weightOf(0)]: 0.3, [weightOf(2)]: 0.3 }];
  const of = (doubt: number, known = weights) =>
    populationAlignment(
      known.map((own) => believe(own, doubt)),
      random(1),
    )!;
  for (const doubt of [0.1, 0.2, 0.4, 1]) {
    const { estimate, low, high } = of(doubt);
    expect(low).toBeLessThan(estimate);
    expect(high).toBeGreaterThan(estimate);
  }
  // a = 1, 1 and 1 − log 2/log 3, weighed by 0.36, 0.25 and 0.18.
  const truth = (0.61 + 0.18 * (1 - Math.log(2) / Math.log(3))) / 0.79;
  expect(of(0.01).estimate).toBeCloseTo(truth, 1);
  const unknown = of(1, [{}, {}, {}]);
  expect(unknown.low).toBeLessThan(0.3);
  expect(unknown.estimate).toBeLessThan(0.7);
  expect(unknown.high).toBeGreaterThan(0.8);
});

test("P7 even shares have an alignment of 0, whatever the rounding", () => {
  const even = Array.from({ length: 40 }, (_, n) => alignmentOf(Array(n + 2).fill(1 / (n + 2))));
  expect(Math.min(...even)).toBe(0);
  for (const alignment of even) expect(alignment).toBeCloseTo(0, 12);
});
