import { expect, test } from "vitest";
import { random } from "../../server/random.ts";
import { createBasis, features } from "../../server/tuning/basis.ts";
import { glanceAt } from "../../server/tuning/glance.ts";
import { openKernels } from "../../server/tuning/kernels/kernels.ts";
import { packBeliefs, unpackBelief } from "../../server/tuning/packed-beliefs.ts";
import {
  beliefOf,
  createPosterior,
  createProspect,
  learnUnit,
  posteriorNumbers,
  prospectNumbers,
} from "../../server/tuning/posterior.ts";
import { curveGrid, reportUnit } from "../../server/tuning/report.ts";

/** Two units that have seen forty faces. */
function learned() {
  const basis = createBasis(3, 5, 1.5, 4.5);
  const kernels = openKernels(posteriorNumbers(basis, 2) + prospectNumbers(basis, 2));
  const observation = { link: "softplus", counts: "negative-binomial", priorCount: 2 } as const;
  const prior = { biasSd: 1, linearSd: 0.3, smoothSd: 0.4, dispersion: 0.05 };
  const posterior = createPosterior(kernels, basis, observation, 2, prior);
  const prospect = createProspect(posterior);
  const r = random(3);
  for (let t = 0; t < 40; t++) {
    const z = Float64Array.from({ length: 3 }, () => r.normal());
    features(basis, z, prospect.x);
    for (const u of [0, 1]) learnUnit(posterior, prospect, u, Math.max(0, Math.round(2 + 2 * z[u] + r.normal())), 0);
  }
  return { basis, posterior };
}

test("what is said at a glance is what a report says", () => {
  const { posterior } = learned();
  const points = curveGrid.length;
  const curves = new Float32Array(2 * 3 * 3 * points);
  const glances = [0, 1].map((u) => glanceAt(beliefOf(posterior, u), 0.2, curves, u * 3 * 3 * points));
  [0, 1].forEach((u) => {
    const report = reportUnit(beliefOf(posterior, u), "unit", { windowS: 0.2, range: 3 }, random(1));
    expect(glances[u].shares).toEqual(report.shares);
    expect(glances[u].bestLatent).toBe(report.bestLatent);
    expect(glances[u].alignment).toBe(report.alignment.estimate);
    expect(glances[u].baselineHz.low).toBeCloseTo(report.baselineHz.low, 10);
    expect(glances[u].baselineHz.high).toBeCloseTo(report.baselineHz.high, 10);
    report.curves.forEach(({ rateHz, lowHz, highHz }, d) => {
      const at = (u * 3 + d) * 3 * points;
      for (const [i, expected] of [rateHz, lowHz, highHz].entries())
        expected.forEach((rate, p) => {
          expect(curves[at + i * points + p] / rate).toBeCloseTo(1, 5);
        });
    });
  });
});

test("beliefs survive being packed", () => {
  const { basis, posterior } = learned();
  const packed = packBeliefs(posterior);
  for (const u of [0, 1]) expect(unpackBelief(packed, basis, u)).toEqual(beliefOf(posterior, u));
});
