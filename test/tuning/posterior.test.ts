import { describe, expect, test } from "vitest";
import { random } from "../../server/random.ts";
import { createBasis, features } from "../../server/tuning/basis.ts";
import { openKernels, packedIndex, packedLength } from "../../server/tuning/kernels/kernels.ts";
import { lambertWExp } from "../../server/tuning/numerics.ts";
import type { Observation } from "../../server/tuning/observation.ts";
import {
  beliefOf,
  createPosterior,
  createProspect,
  foresee,
  forget,
  learnMeans,
  type Posterior,
  posteriorNumbers,
  prospectNumbers,
  setBelief,
  shrinkAll,
} from "../../server/tuning/posterior.ts";
import { reference } from "./reference.ts";

const { settings } = reference;
const basis = createBasis(settings.latents, settings.functions, settings.lengthScale, settings.halfWidth);
const prior = { ...settings, dispersion: 0.1 };
const poisson: Observation = { link: "exponential", counts: "poisson", priorCount: settings.priorCount };

const create = (units: number, observation = poisson): Posterior =>
  createPosterior(
    openKernels(posteriorNumbers(basis, units) + prospectNumbers(basis, units) + 16),
    basis,
    observation,
    units,
    prior,
  );

/** Learns trials one by one. */
function teacher(posterior: Posterior) {
  const prospect = createProspect(posterior);
  return (face: ArrayLike<number>, counts: ArrayLike<number>, logGain = 0) => {
    features(basis, face, prospect.x);
    foresee(posterior, prospect);
    shrinkAll(posterior, prospect, learnMeans(posterior, prospect, counts, logGain));
  };
}

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

describe("kernels", () => {
  test.each([1, 2, 5, 8, 17, 73])(
    "C x, x'C x and C − κ y y' on a packed matrix of size %i, as on a square one",
    (p) => {
      const r = random(p);
      const stride = (p + 1) & ~1;
      const kernels = openKernels(packedLength(p) + 3 * stride + 8);
      const c = kernels.take(packedLength(p));
      const [x, y] = [kernels.take(stride), kernels.take(stride)];
      const square = Array.from({ length: p }, () => new Float64Array(p));
      for (let i = 0; i < p; i++)
        for (let j = 0; j <= i; j++) square[i][j] = square[j][i] = c[packedIndex(i, j)] = r.normal();
      for (let i = 0; i < p; i++) x[i] = r.normal();
      const product = (m: Float64Array[]) => m.map((row) => row.reduce((sum, v, j) => sum + v * x[j], 0));
      const expected = product(square);
      const quadratic = kernels.project(c.byteOffset, x.byteOffset, y.byteOffset, p, stride);
      expect(worst(expected, y)).toBeLessThan(1e-12);
      expect(quadratic).toBeCloseTo(
        expected.reduce((sum, v, i) => sum + v * x[i], 0),
        10,
      );
      const shrunk = square.map((row, i) => row.map((v, j) => v - 0.3 * expected[i] * expected[j]));
      kernels.shrink(c.byteOffset, y.byteOffset, 0.3, p);
      // Twice, so that a pad that is not cleared would show.
      kernels.project(c.byteOffset, x.byteOffset, y.byteOffset, p, stride);
      expect(worst(product(shrunk), y)).toBeLessThan(1e-10);
    },
  );

  test("memory that was not asked for is refused", () => {
    expect(() => openKernels(10).take(100_000)).toThrow("expected at most 10 numbers in all");
  });
});

describe("P2 update by one trial", () => {
  test.each(reference.oneTrial)("count $count: mean and covariance as SciPy's optimum and its Hessian", (expected) => {
    const posterior = create(1);
    teacher(posterior)(reference.faces[0], [expected.count]);
    const belief = beliefOf(posterior, 0);
    expect(worst(belief.mean, expected.mean)).toBeLessThan(1e-9);
    expect(worst(belief.covariance, expected.covariance)).toBeLessThan(1e-9);
  });

  test("each unit of a population learns as it would alone, and equals a brute-force Newton fit", () => {
    const face = [1.2, -0.4, 2.8];
    const together = create(3);
    const start = beliefOf(together, 0);
    teacher(together)(face, [0, 3, 11]);
    [0, 3, 11].forEach((count, u) => {
      const fit = bruteForce([features(basis, face)], [count], [...start.mean], [...start.precision]);
      const belief = beliefOf(together, u);
      expect(worst(belief.mean, fit.mean)).toBeLessThan(1e-9);
      expect(worst(belief.covariance, fit.covariance)).toBeLessThan(1e-9);
    });
  });

  test("a gain that is known is an offset of log rate", () => {
    const [gained, shifted] = [create(1), create(1)];
    const belief = beliefOf(shifted, 0);
    belief.mean[0] += 0.7;
    setBelief(shifted, 0, belief);
    teacher(gained)([1, 2, -1], [4], 0.7);
    teacher(shifted)([1, 2, -1], [4]);
    const difference = beliefOf(shifted, 0).mean.map((v, i) => v - beliefOf(gained, 0).mean[i]);
    expect(difference[0]).toBeCloseTo(0.7, 12);
    expect(Math.max(...difference.slice(1).map(Math.abs))).toBeLessThan(1e-12);
  });

  test("200 trials one by one end near the batch optimum: within 0.6 of its standard deviations, 0.2 on average", () => {
    const posterior = create(1);
    const teach = teacher(posterior);
    reference.faces.forEach((face, t) => {
      teach(face, [reference.counts[t]]);
    });
    const { mean, sd } = reference.allTrials;
    const belief = beliefOf(posterior, 0);
    const z = mean.map((m, i) => Math.abs(belief.mean[i] - m) / sd[i]);
    expect(Math.max(...z)).toBeLessThan(0.6);
    expect(z.reduce((a, b) => a + b, 0) / z.length).toBeLessThan(0.2);
    expect(
      worst(
        mean.map((_, i) => Math.sqrt(belief.covariance[i * basis.size + i])),
        sd,
        (i) => sd[i],
      ),
    ).toBeLessThan(0.1);
  });

  test("an impossible count is refused and changes nothing; a missing one teaches nothing", () => {
    const posterior = create(2);
    const before = posterior.mean.slice();
    const teach = teacher(posterior);
    expect(() => teach([0, 0, 0], [1, -1])).toThrow("count of unit 1: expected a finite number ≥ 0, got -1");
    expect(() => teach([0, 0, 0], [1])).toThrow("expected 2 counts, got 1");
    expect(posterior.mean).toEqual(before);
    const silent = beliefOf(posterior, 0);
    teach([1, 1, 1], [Number.NaN, 3]);
    expect(beliefOf(posterior, 0)).toEqual(silent);
    expect(beliefOf(posterior, 1).mean).not.toEqual(silent.mean);
  });

  test.each([
    ["poisson", "exponential"],
    ["negative-binomial", "exponential"],
    ["negative-binomial", "softplus"],
  ] as const)("covariances stay positive over 500 trials with huge and zero counts: %s, %s", (counts, link) => {
    const r = random(3);
    const posterior = create(1, { ...poisson, counts, link });
    const teach = teacher(posterior);
    for (let t = 0; t < 500; t++)
      teach(
        [0, 1, 2].map(() => 6 * r.uniform() - 3),
        [r.uniform() < 0.05 ? 400 : r.int(4)],
      );
    const { covariance } = beliefOf(posterior, 0);
    const inverse = invert(
      Array.from({ length: basis.size }, (_, i) => [...covariance.slice(i * basis.size, (i + 1) * basis.size)]),
    );
    for (let i = 0; i < basis.size; i++) expect(inverse[i][i]).toBeGreaterThan(0);
    for (let k = 0; k < 50; k++) {
      const x = Array.from({ length: basis.size }, () => r.normal());
      const quadratic = x.reduce(
        (sum, a, i) => sum + x.reduce((s, b, j) => s + a * b * covariance[i * basis.size + j], 0),
        0,
      );
      expect(quadratic).toBeGreaterThan(0);
    }
  });
});

describe("P6 forgetting", () => {
  test("a silence returns the belief to the prior, and no further", () => {
    const posterior = create(1);
    const start = beliefOf(posterior, 0);
    const teach = teacher(posterior);
    for (let t = 0; t < 100; t++) teach(reference.faces[t], [reference.counts[t]]);
    const learned = beliefOf(posterior, 0);
    forget(posterior, 0, 50, 100);
    const half = beliefOf(posterior, 0);
    // a = e^{−50/200}, a² = e^{−50/100}.
    expect(half.mean[1]).toBeCloseTo(learned.mean[1] * Math.exp(-0.25), 12);
    expect(half.covariance[0]).toBeCloseTo(learned.covariance[0] * Math.exp(-0.5) + 1 - Math.exp(-0.5), 12);
    forget(posterior, 0, 1e6, 100);
    expect(worst(beliefOf(posterior, 0).mean, start.mean)).toBeLessThan(1e-12);
    expect(worst(beliefOf(posterior, 0).covariance, start.covariance)).toBeLessThan(1e-12);
  });
});
