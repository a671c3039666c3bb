import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  information,
  type Link,
  logLikelihood,
  logPredictive,
  type Observation,
  score,
  updateOf,
} from "../../server/tuning/observation.ts";

interface Point {
  link: Link;
  dispersion: number;
  count: number;
}
/** SciPy's figures; test/peers/observation_reference.py makes them. */
const reference = JSON.parse(
  readFileSync(new URL("../fixtures/observation-reference.json", import.meta.url), "utf8"),
) as {
  priorCount: number;
  cases: (Point & { m: number; s2: number; logPredictive: number; mean: number; variance: number })[];
  points: (Point & { eta: number; logLikelihood: number; information: number })[];
};
const observation = (link: Link): Observation => ({
  link,
  counts: "negative-binomial",
  priorCount: reference.priorCount,
});

describe("P5 observation", () => {
  test("log probabilities and Fisher information as SciPy has them, to the Poisson limit", () => {
    for (const { link, dispersion, eta, count, ...expected } of reference.points) {
      const what = `${link}, φ = ${dispersion}, η = ${eta}, r = ${count}`;
      const own = logLikelihood(observation(link), eta, dispersion, count);
      expect(Math.abs(own - expected.logLikelihood) / (1 + Math.abs(expected.logLikelihood)), what).toBeLessThan(1e-8);
      expect(Math.abs(information(observation(link), eta, dispersion) / expected.information - 1), what).toBeLessThan(
        1e-6,
      );
      const h = 1e-5;
      const slope =
        (logLikelihood(observation(link), eta + h, dispersion, count) -
          logLikelihood(observation(link), eta - h, dispersion, count)) /
        (2 * h);
      expect(Math.abs(score(observation(link), eta, dispersion, count) - slope), what).toBeLessThan(
        1e-4 * (1 + Math.abs(slope)),
      );
    }
  });

  test("assumed-density update and predictive probability as brute quadrature has them", () => {
    for (const { link, dispersion, m, s2, count, ...expected } of reference.cases) {
      const what = `${link}, φ = ${dispersion}, N(${m}, ${s2}), r = ${count}`;
      expect(
        Math.abs(logPredictive(observation(link), m, s2, dispersion, count) - expected.logPredictive),
        what,
      ).toBeLessThan(2e-4);
      if (link === "exponential" && dispersion === 0) continue;
      const { step, kappa } = updateOf(observation(link), m, s2, dispersion, count);
      expect(Math.abs(m + s2 * step - expected.mean) / Math.sqrt(expected.variance), what).toBeLessThan(1e-3);
      // A count that is a surprise may widen a belief; the update then leaves its variance as it was.
      const variance = Math.min(expected.variance, s2);
      expect(Math.abs((s2 - kappa * s2 * s2) / variance - 1), what).toBeLessThan(2e-3);
    }
  });
});
