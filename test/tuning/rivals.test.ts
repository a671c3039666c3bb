import { expect, test } from "vitest";
import { createBasis } from "../../server/tuning/basis.ts";
import type { Link } from "../../server/tuning/observation.ts";
import { startPrecision } from "../../server/tuning/posterior.ts";
import { codesOf, createRivals } from "../../server/tuning/rivals.ts";

test.each<Link>(["exponential", "softplus"])(
  "P11 before any trial, explanations with an %s link are as wide as the additive model where they share a weight",
  (link) => {
    const basis = createBasis(3, 4, 1.5, 4.5);
    const observation = { link, counts: "poisson", priorCount: 3 } as const;
    const prior = { biasSd: 0.8, linearSd: 0.3, smoothSd: 0.4, dispersion: 0 };
    const additive = startPrecision(basis, observation, prior).map((precision) => 1 / precision);
    const rivals = createRivals(basis, observation, 1, prior);
    expect(rivals.constant.covariance[0]).toBeCloseTo(additive[0], 12);
    // The linear model: bias and a slope a latent, of which the additive one's first weight is the same.
    const { n, covariance } = rivals.linear;
    expect(covariance[0]).toBeCloseTo(additive[0], 12);
    for (let d = 1; d < n; d++)
      expect(covariance[d * n + d]).toBeCloseTo(additive[1 + (d - 1) * basis.block] / basis.unitVariance[0], 12);
  },
);

test.each([1, 2])(
  "P11 what explains a unit is one latent, several or none; of %d latents there may be no several",
  (latents) => {
    const basis = createBasis(latents, 4, 1.5, 4.5);
    const prior = { biasSd: 0.8, linearSd: 0.3, smoothSd: 0.4, dispersion: 0 };
    const observation = { link: "exponential", counts: "poisson", priorCount: 3 } as const;
    const { one, several, none } = codesOf(createRivals(basis, observation, 1, prior), 0);
    // Beforehand 0.45, 0.45 and 0.1: with a single latent, the additive and the linear model are explanations by that latent.
    expect(one).toBeCloseTo(latents === 1 ? 0.9 : 0.45, 12);
    expect(several).toBeCloseTo(latents === 1 ? 0 : 0.45, 12);
    expect(none).toBeCloseTo(0.1, 12);
  },
);
