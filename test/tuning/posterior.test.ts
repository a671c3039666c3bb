import { describe, expect, test } from "vitest";
import { random } from "../../server/random.ts";
import { createBasis, features } from "../../server/tuning/basis.ts";
import { lambertWExp } from "../../server/tuning/numerics.ts";
import { createPosterior, imagineTrial, learnTrial, type Posterior } from "../../server/tuning/posterior.ts";
import { learnRelevance } from "../../server/tuning/relevance.ts";
import { reference } from "./reference.ts";

const { settings } = reference;
const basis = createBasis(settings.latents, settings.functions, settings.lengthScale, settings.halfWidth);
const prior = { count: settings.priorCount, ...settings };

const worst = (a: ArrayLike<number>, b: ArrayLike<number>, scale: (i: number) => number = () => 1) =>
  Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i]) / scale(i)));

/** MAP and Laplace covariance by Newton from scratch: Gaussian elimination on the Hessian, no code shared with the server. */
function bruteForce(x: Float64Array[], counts: number[], mean: number[], precision: number[]) {
  const n = mean.length;
  let theta = [...mean];
  let inverse: number[][] = [];
  for (let iteration = 0; iteration < 60; iteration++) {
    const gradient = theta.map((t, i) => precision[i] * (mean[i] - t));
    const hessian = theta.map((_, i) => theta.map((__, j) => (i === j ? precision[i] : 0)));
    x.forEach((row, k) => {
      const rate = Math.exp(row.reduce((sum, v, i) => sum + v * theta[i], 0));
      for (let i = 0; i < n; i++) {
        gradient[i] += row[i] * (counts[k] - rate);
        for (let j = 0; j < n; j++) hessian[i][j] += row[i] * row[j] * rate;
      }
    });
    inverse = invert(hessian);
    // Half steps at first: a full Newton step from the prior overshoots an exponential.
    const step = iteration < 5 ? 0.5 : 1;
    theta = theta.map((t, i) => t + step * inverse[i].reduce((sum, v, j) => sum + v * gradient[j], 0));
  }
  return { mean: theta, covariance: inverse.flat() };
}

function invert(matrix: number[][]): number[][] {
  const n = matrix.length;
  const a = matrix.map((row, i) => [...row, ...row.map((_, j) => Number(i === j))]);
  for (let i = 0; i < n; i++) {
    const pivot = a[i][i];
    a[i] = a[i].map((v) => v / pivot);
    for (let k = 0; k < n; k++) {
      const factor = a[k][i];
      if (k !== i) a[k] = a[k].map((v, j) => v - factor * a[i][j]);
    }
  }
  return a.map((row) => row.slice(n));
}

describe("P1 features", () => {
  test("agree with SciPy's side, and every curve is zero at zero", () => {
    expect(worst(features(basis, reference.faces[0]), reference.features)).toBeLessThan(1e-13);
    const origin = features(basis, [0, 0, 0]);
    expect(origin[0]).toBe(1);
    expect(worst(origin.slice(1), new Float64Array(basis.size - 1))).toBeLessThan(1e-15);
  });

  test("a face of another size is refused with both numbers", () => {
    expect(() => features(basis, [1, 2])).toThrow("expected 3 latents, got 2");
  });
});

describe("Lambert W in logs", () => {
  test("W(e^y) as mpmath and SciPy have it, from underflow to overflow of e^y", () => {
    for (const [y, w] of [...reference.lambertWExp, ...reference.lambertwScipy])
      expect(Math.abs(lambertWExp(y) - w) / w, `y = ${y}`).toBeLessThan(1e-13);
    expect(lambertWExp(-800)).toBe(0);
    expect(lambertWExp(Number.NaN)).toBeNaN();
  });
});

describe("P2 update by one trial", () => {
  test.each(reference.oneTrial)("count $count: mean and covariance as SciPy's optimum and its Hessian", (expected) => {
    const posterior = createPosterior(basis, 1, prior);
    learnTrial(posterior, features(basis, reference.faces[0]), [expected.count]);
    expect(worst(posterior.mean, expected.mean)).toBeLessThan(1e-9);
    expect(worst(posterior.covariance, expected.covariance)).toBeLessThan(1e-9);
  });

  test("each unit of a population learns as it would alone, and equals a brute-force Newton fit", () => {
    const x = features(basis, [1.2, -0.4, 2.8]);
    const together = createPosterior(basis, 3, prior);
    learnTrial(together, x, [0, 3, 11]);
    const start = createPosterior(basis, 1, prior);
    [0, 3, 11].forEach((count, u) => {
      const fit = bruteForce([x], [count], [...start.mean], [...start.precision]);
      const { size } = basis;
      expect(worst(together.mean.subarray(u * size, (u + 1) * size), fit.mean)).toBeLessThan(1e-9);
      expect(worst(together.covariance.subarray(u * size * size, (u + 1) * size * size), fit.covariance)).toBeLessThan(
        1e-9,
      );
    });
  });

  test("200 trials one by one end near the batch optimum: within 0.6 of its standard deviations, 0.2 on average", () => {
    const posterior = createPosterior(basis, 1, prior);
    reference.faces.forEach((face, t) => {
      learnTrial(posterior, features(basis, face), [reference.counts[t]]);
    });
    const { mean, sd } = reference.allTrials;
    const z = mean.map((m, i) => Math.abs(posterior.mean[i] - m) / sd[i]);
    expect(Math.max(...z)).toBeLessThan(0.6);
    expect(z.reduce((a, b) => a + b, 0) / z.length).toBeLessThan(0.2);
    expect(
      worst(
        mean.map((_, i) => Math.sqrt(posterior.covariance[i * basis.size + i])),
        sd,
        (i) => sd[i],
      ),
    ).toBeLessThan(0.1);
  });

  test("an impossible count is refused and changes nothing", () => {
    const posterior = createPosterior(basis, 2, prior);
    const before = posterior.mean.slice();
    expect(() => learnTrial(posterior, features(basis, [0, 0, 0]), [1, -1])).toThrow(
      "count of unit 1: expected a finite number ≥ 0, got -1",
    );
    expect(() => learnTrial(posterior, features(basis, [0, 0, 0]), [1])).toThrow("expected 2 counts, got 1");
    expect(posterior.mean).toEqual(before);
  });

  test("covariances stay symmetric and positive over 500 trials with huge and zero counts", () => {
    const r = random(3);
    const posterior = createPosterior(basis, 1, prior);
    for (let t = 0; t < 500; t++) {
      const face = [0, 1, 2].map(() => 6 * r.uniform() - 3);
      learnTrial(posterior, features(basis, face), [r.uniform() < 0.05 ? 400 : r.int(4)]);
    }
    for (let i = 0; i < basis.size; i++) {
      expect(posterior.covariance[i * basis.size + i]).toBeGreaterThan(0);
      for (let j = 0; j < i; j++)
        expect(posterior.covariance[i * basis.size + j]).toBeCloseTo(posterior.covariance[j * basis.size + i], 12);
    }
  });
});

test("P4 an imagined trial shrinks the covariance by the information at the mean and leaves the mean", () => {
  const posterior = createPosterior(basis, 1, prior);
  const x = features(basis, [2, 0, -1]);
  const variance = (p: Posterior) =>
    x.reduce((sum, a, i) => sum + x.reduce((s, b, j) => s + a * b * p.covariance[i * basis.size + j], 0), 0);
  const before = variance(posterior);
  const mean = posterior.mean.slice();
  imagineTrial(posterior, x);
  // s² → s²/(1 + s² J) with J = e^m = the prior's expected count, since curves have prior mean zero.
  expect(variance(posterior)).toBeCloseTo(before / (1 + before * prior.count), 10);
  expect(posterior.mean).toEqual(mean);
});

describe("P3 relevance", () => {
  test("a changed prior gives the posterior that the same Gaussian likelihood has under it", () => {
    const posterior = createPosterior(basis, 1, prior);
    const start = posterior.precision.slice();
    for (let t = 0; t < 60; t++) learnTrial(posterior, features(basis, reference.faces[t]), [reference.counts[t]]);
    const n = basis.size;
    const rows = (m: Float64Array) => Array.from({ length: n }, (_, i) => [...m.slice(i * n, (i + 1) * n)]);
    const likelihood = invert(rows(posterior.covariance)).map((row, i) =>
      row.map((v, j) => v - (i === j ? posterior.precision[i] : 0)),
    );
    const natural = invert(rows(posterior.covariance)).map((row) =>
      row.reduce((sum, v, j) => sum + v * posterior.mean[j], 0),
    );
    learnRelevance(posterior, 0, start);
    const expected = invert(likelihood.map((row, i) => row.map((v, j) => v + (i === j ? posterior.precision[i] : 0))));
    expect(posterior.precision).not.toEqual(start);
    expect(worst(posterior.covariance, expected.flat())).toBeLessThan(1e-10);
    expect(
      worst(
        posterior.mean,
        expected.map((row) => row.reduce((sum, v, j) => sum + v * natural[j], 0)),
      ),
    ).toBeLessThan(1e-10);
  });

  test("latents that carry nothing are switched down, the one that matters is not", () => {
    const r = random(11);
    const posterior = createPosterior(basis, 1, prior);
    const start = posterior.precision.slice();
    for (let t = 0; t < 400; t++) {
      const face = [0, 1, 2].map(() => 6 * r.uniform() - 3);
      const rate = Math.exp(1 + 0.5 * face[1]);
      // A Poisson draw: how many unit-rate intervals fit into `rate`.
      let count = -1;
      for (let used = 0; used < rate; count++) used += -Math.log(1 - r.uniform());
      learnTrial(posterior, features(basis, face), [count]);
      if (t % 10 === 9) learnRelevance(posterior, 0, start);
    }
    const ratio = (latent: number) => posterior.precision[1 + latent * basis.block] / start[1 + latent * basis.block];
    expect(ratio(0)).toBeGreaterThan(1.5);
    expect(ratio(2)).toBeGreaterThan(1.5);
    expect(ratio(1)).toBeLessThan(1);
    // The slope 0.5, to within three standard errors of a fit that knew it was linear: 1/sqrt(Σ rate z²) ≈ 0.014.
    expect(posterior.mean[1 + basis.block]).toBeGreaterThan(0.3);
  });
});
