import { describe, expect, test } from "vitest";
import { random } from "../../../server/random.ts";
import { readExperiment } from "../../../server/session/experiment-file.ts";
import { createBrain } from "../../../sim/neurons/brain.ts";
import { createPopulation, type SimulatedUnit } from "../../../sim/neurons/unit.ts";
import { angleDeg } from "../../../sim/study/curves.ts";
import { attainableHz, trueAxis, truthOf } from "../../../sim/study/truth.ts";

const experiment = { ...(await readExperiment("protocols/experiments/one-to-one.yaml")), latents: 4 };

describe("V3 the truth about a simulated unit", () => {
  test.each([75, 95, 140])("expected count in the response window, latency %d ms", (latencyMs) => {
    const unit: SimulatedUnit = {
      name: "u",
      kind: "ramp",
      tunedTo: [0],
      rateHz: (z) => 40 * z[0],
      spontaneousHz: 6,
      latencyMs,
      refractoryMs: 2,
    };
    const brain = createBrain([unit], 0, random(latencyMs));
    const n = 5000;
    for (let i = 0; i < n; i++) brain.see(i, [1], i, i + experiment.stimulus.onMs / 1000);
    const from = experiment.response.latencyMs / 1000;
    const to = from + experiment.response.windowMs / 1000;
    const count = brain.fire(n + 1).timeS.filter((t) => t % 1 >= from && t % 1 < to).length / n;
    // At most 8 a window, so a standard error of √(8/5000) = 0.04: four of them.
    expect(Math.abs(count - truthOf(experiment, unit, 0).rateHz([1]) * (to - from))).toBeLessThan(0.16);
  });

  test("the attainable rate is the analytic one of ramps, bumps, axes and pairs", () => {
    const direct = (unit: SimulatedUnit) => ({
      unit,
      latents: 4,
      range: 3,
      rateHz: (face: ArrayLike<number>) => unit.rateHz(face, 0),
    });
    for (const unit of createPopulation({ ramp: 4, bump: 4, axis: 4, pair: 4 }, 4, random(3))) {
      // Monotone in each latent, or one: the best of all corners and of a fine walk along each latent.
      let expected = 0;
      for (let corner = 0; corner < 16; corner++)
        expected = Math.max(
          expected,
          unit.rateHz(
            [0, 1, 2, 3].map((d) => (corner & (1 << d) ? 3 : -3)),
            0,
          ),
        );
      for (const d of unit.tunedTo)
        for (let k = 0; k <= 6000; k++) {
          const face = new Float64Array(4);
          face[d] = -3 + k / 1000;
          expected = Math.max(expected, unit.rateHz(face, 0));
        }
      const found = attainableHz(direct(unit));
      expect(found).toBeGreaterThan(expected * (1 - 1e-6));
      if (unit.kind !== "pair") expect(found).toBeLessThan(expected * (1 + 1e-6));
    }
  });

  test("the preferred axis is the direction of an axis unit, and the latent of a ramp with its sign", () => {
    for (const unit of createPopulation({ ramp: 3, axis: 3 }, 4, random(5))) {
      const truth = truthOf(experiment, unit, 0);
      // Both rise with one linear function of the face, so that the gradient at the origin has the axis's direction.
      const gradient = [0, 1, 2, 3].map((d) => {
        const face = [0, 0, 0, 0];
        face[d] = 1e-4;
        return truth.rateHz(face) - truth.rateHz([0, 0, 0, 0]);
      });
      expect(angleDeg(trueAxis(truth), gradient)).toBeLessThan(0.05);
    }
    expect(angleDeg([1, 0], [1, 1])).toBeCloseTo(45, 9);
    expect(angleDeg([1, 2], [-1, -2])).toBeCloseTo(180, 5);
  });

  test("no face drawn at random beats it, for units of every kind", () => {
    const units = createPopulation({ additive: 4, divisive: 6, overdispersed: 3, drifting: 3, pair: 3 }, 4, random(8));
    for (const unit of units) {
      const truth = truthOf(experiment, unit, 200);
      const attainable = attainableHz(truth);
      const r = random(unit.name);
      let best = 0;
      for (let i = 0; i < 20_000; i++)
        best = Math.max(best, truth.rateHz(Float64Array.from({ length: 4 }, () => 6 * r.uniform() - 3)));
      expect(attainable).toBeGreaterThanOrEqual(best * (1 - 1e-9));
      expect(attainable).toBeLessThan(best * 1.5);
    }
  });
});
