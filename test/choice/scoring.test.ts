import { expect, test } from "vitest";
import { random } from "../../server/random.ts";
import { openKernels } from "../../server/tuning/kernels/kernels.ts";
import { information, type Link } from "../../server/tuning/observation.ts";

test.each<Link>(["exponential", "softplus"])(
  "worth of faces for an %s link: share · reach J/(1 + s² J), J as the observation model has it",
  (link) => {
    const n = 4000;
    const kernels = openKernels(5 * n);
    const [m, s2, reach, worth] = Array.from({ length: 4 }, () => kernels.take(n));
    const r = random(3);
    const priorCount = 2.5;
    for (const dispersion of [0, 0.13]) {
      for (let k = 0; k < n; k++) {
        m[k] = k % 2 ? 4 * r.normal() : 60 * r.uniform() - 30;
        s2[k] = Math.exp(3 * r.normal());
        reach[k] = Math.exp(2 * r.normal());
        worth[k] = k;
      }
      kernels.addWorth(
        link === "softplus",
        m.byteOffset,
        s2.byteOffset,
        reach.byteOffset,
        0.7,
        dispersion,
        priorCount,
        worth.byteOffset,
        n,
      );
      for (let k = 0; k < n; k++) {
        const j = information({ link, counts: "negative-binomial", priorCount }, m[k], dispersion);
        const expected = k + (0.7 * reach[k] * j) / (1 + s2[k] * j);
        // The sum with k is rounded to some 2⁻⁵³ k; the rest is the error of e^η and log(1 + e^η).
        expect(Math.abs(worth[k] - expected)).toBeLessThanOrEqual(
          2 ** -52 * k + 4e-15 * Math.abs(expected - k) + 1e-300,
        );
      }
    }
  },
);

test("faces at which a unit can't fire, or would without bound, are worth finite numbers", () => {
  const kernels = openKernels(64);
  const [m, s2, reach, worth] = Array.from({ length: 4 }, () => kernels.take(4));
  m.set([-1e4, 1e4, -700, 700]);
  s2.fill(1);
  reach.fill(1);
  for (const softplus of [false, true])
    kernels.addWorth(softplus, m.byteOffset, s2.byteOffset, reach.byteOffset, 1, 0.1, 2, worth.byteOffset, 4);
  expect(worth.every((value) => Number.isFinite(value) && value >= 0)).toBe(true);
});
