import { describe, expect, test } from "vitest";
import { traversalGrid } from "../../server/choice/candidates.ts";
import { type ChoiceSettings, type Objective, prepareChoice } from "../../server/choice/choose.ts";
import { createDecider, type DeciderSettings } from "../../server/choice/decider.ts";
import { computeReach, createReach, createReachKeeper } from "../../server/choice/reach.ts";
import { createScorer, informationGain, varianceDrop } from "../../server/choice/scores.ts";
import { applyTarget, createTarget, LEVEL_WEIGHT, targetVariance } from "../../server/choice/target.ts";
import { random } from "../../server/random.ts";
import { createBasis, features } from "../../server/tuning/basis.ts";
import { createPosterior, learnTrial } from "../../server/tuning/posterior.ts";
import { reference } from "../tuning/reference.ts";

const prior = { count: 2, biasSd: 1, linearSd: 0.3, smoothSd: 0.4 };
const basis = createBasis(3, 4, 1.5, 4.5);
const grid = traversalGrid(3);

/** Two units that have seen thirty faces. */
function learned() {
  const r = random(5);
  const posterior = createPosterior(basis, 2, prior);
  const reach = createReach(createTarget(basis, grid), posterior);
  const keep = createReachKeeper(basis);
  for (let t = 0; t < 30; t++) {
    const x = features(
      basis,
      [0, 1, 2].map(() => 6 * r.uniform() - 3),
    );
    learnTrial(posterior, x, [r.int(5), r.int(9)], (u, y, kappa) => keep(reach, posterior, u, y, kappa));
  }
  return { posterior, reach };
}

const settings = (objective: Objective): ChoiceSettings => ({ objective, range: 3, bases: 3, refinements: 2 });

describe("C1 information", () => {
  test("within 2 % of the exact mutual information where the variance is at most 1 (SciPy's quadrature)", () => {
    for (const [m, s2, exact] of reference.information)
      expect(Math.abs(informationGain(m, s2) - exact) / exact, `m ${m}, s² ${s2}`).toBeLessThan(0.02);
  });
});

describe("C2 variance", () => {
  // The target set written out: every x_t as a row, and C as a full matrix.
  const rows = Array.from({ length: 3 }, (_, d) =>
    grid.map((value) =>
      features(
        basis,
        [0, 1, 2].map((e) => (e === d ? value : 0)),
      ),
    ),
  ).flat();
  const n = basis.size;
  // M entry by entry: second moment of the target faces, less what the level does not count.
  const level = Array.from({ length: n }, (_, i) => rows.reduce((sum, x) => sum + x[i] / rows.length, 0));
  const moment = level.map((a, i) =>
    level.map((b, j) => rows.reduce((sum, x) => sum + (x[i] * x[j]) / rows.length, 0) - (1 - LEVEL_WEIGHT) * a * b),
  );
  const quadratic = (y: ArrayLike<number>) =>
    moment.reduce((sum, row, i) => sum + y[i] * row.reduce((s, v, j) => s + v * y[j], 0), 0);
  const c = (posterior: ReturnType<typeof learned>["posterior"], u: number, i: number, j: number) =>
    posterior.covariance[(u * n + i) * n + j];

  test("M y and tr(C M) as the mean over the target faces, one by one", () => {
    const { posterior } = learned();
    const target = createTarget(basis, grid);
    const y = Float64Array.from({ length: n }, (_, i) => Math.sin(i + 1));
    const expected = moment.map((row) => row.reduce((sum, v, j) => sum + v * y[j], 0));
    const got = applyTarget(target, y, new Float64Array(n));
    for (let i = 0; i < n; i++) expect(got[i]).toBeCloseTo(expected[i], 12);
    const trace = moment.reduce((sum, row, i) => sum + row.reduce((q, v, j) => q + v * c(posterior, 1, j, i), 0), 0);
    expect(targetVariance(target, posterior, 1)).toBeCloseTo(trace, 10);
  });

  test("what is kept up a trial at a time equals what is computed from scratch", () => {
    const { posterior, reach } = learned();
    const kept = reach.blocks.slice();
    const total = reach.total.slice();
    for (let u = 0; u < 2; u++) computeReach(reach, posterior, u);
    for (let i = 0; i < kept.length; i++) expect(kept[i]).toBeCloseTo(reach.blocks[i], 9);
    for (let u = 0; u < 2; u++) expect(total[u]).toBeCloseTo(reach.total[u], 9);
  });

  test.each(["variance", "information"] as const)(
    "%s of every candidate as by brute force on whole matrices",
    (objective) => {
      const { posterior, reach } = learned();
      const base = Float64Array.of(1.3, -2.2, 0.4);
      const scorer = createScorer(posterior, objective === "variance" ? reach : null, grid);
      const scores = scorer.score(scorer.project(base));
      for (let d = 0; d < 3; d++)
        grid.forEach((value, t) => {
          const face = base.slice();
          face[d] = value;
          const x = features(basis, face);
          let expected = 0;
          for (let u = 0; u < 2; u++) {
            const y = Array.from({ length: n }, (_, i) => x.reduce((sum, v, j) => sum + c(posterior, u, i, j) * v, 0));
            const m = x.reduce((sum, v, i) => sum + v * posterior.mean[u * n + i], 0);
            const s2 = x.reduce((sum, v, i) => sum + v * y[i], 0);
            if (objective === "information") expected += informationGain(m, s2);
            else {
              expected += varianceDrop(Math.exp(m), s2, quadratic(y)) / reach.total[u];
            }
          }
          expect(scores.moved[d * grid.length + t]).toBeCloseTo(expected, 9);
        });
    },
  );

  test("the expected drop is the drop that comes when the count is as expected", () => {
    const { posterior } = learned();
    const target = createTarget(basis, grid);
    const x = features(basis, [2, -1, 0.5]);
    const m = x.reduce((sum, v, i) => sum + v * posterior.mean[i], 0);
    const y = Float64Array.from({ length: n }, (_, i) => x.reduce((sum, v, j) => sum + c(posterior, 0, i, j) * v, 0));
    const s2 = x.reduce((sum, v, i) => sum + v * y[i], 0);
    const reachThere = applyTarget(target, y, new Float64Array(n)).reduce((sum, v, i) => sum + v * y[i], 0);
    const before = targetVariance(target, posterior, 0);
    // A count of e^m leaves the mode at m, so the information there is e^m, as the objective assumes.
    learnTrial(posterior, x, [Math.exp(m), 1]);
    expect(before - targetVariance(target, posterior, 0)).toBeCloseTo(varianceDrop(Math.exp(m), s2, reachThere), 10);
  });
});

describe("C3 a choice and its reason", () => {
  test.each(["variance", "information"] as const)(
    "%s: inside the range, best of its candidates, runner-up not better",
    (objective) => {
      const { posterior, reach } = learned();
      const { latents, reason } = prepareChoice(posterior, reach, settings(objective), 0, random(1))();
      expect(latents.every((z) => Math.abs(z) <= 3)).toBe(true);
      expect(reason.candidates).toBe(5 * (3 * 9 + 1));
      expect(reason.runnerUp!.value).toBeLessThanOrEqual(reason.value!);
      expect(reason.runnerUp!.latents).not.toEqual([...latents]);
      const scorer = createScorer(posterior, objective === "variance" ? reach : null, grid);
      const again = scorer.score(scorer.project(latents)).base;
      expect(again).toBeCloseTo(reason.value!, 9);
    },
  );

  test("baselines: prior, box and classic grid are what they say", () => {
    const { posterior, reach } = learned();
    const draws = (objective: Objective) =>
      Array.from(
        { length: 2000 },
        (_, i) => prepareChoice(posterior, reach, settings(objective), i, random(i))().latents[1],
      );
    const sd = (values: number[]) => Math.sqrt(values.reduce((s, v) => s + v * v, 0) / values.length);
    // N(0, 1): 1 ± 4/sqrt(2·2000); uniform on ±3: 3/sqrt(3) = 1.732 ± 4·0.63/sqrt(2000)·…, 0.07 is ample for both.
    expect(Math.abs(sd(draws("random")) - 1)).toBeLessThan(0.07);
    expect(Math.abs(sd(draws("random-range")) - Math.sqrt(3))).toBeLessThan(0.07);
    const walk = Array.from({ length: 27 }, (_, i) =>
      prepareChoice(posterior, reach, settings("traversal-grid"), i, random(0))(),
    );
    expect(walk.map((w) => w.latents.filter((z) => z !== 0).length).every((moved) => moved <= 1)).toBe(true);
    expect(new Set(walk.map((w) => w.latents.join())).size).toBe(3 * 8 + 1);
  });
});

describe("C4 ahead of the answers", () => {
  const decider = (objective: Objective, units = ["a", "b"]): DeciderSettings => ({
    latents: 3,
    units,
    windowS: 0.2,
    prior,
    smooth: { functions: 4, lengthScale: 1.5, halfWidth: 4.5 },
    choice: settings(objective),
  });

  test("faces chosen together differ, since each takes the ones before it as shown", () => {
    const faces = createDecider(decider("variance"), random(2)).decide(null, 6);
    expect(new Set(faces.map((f) => f.latents.join())).size).toBe(6);
    const values = faces.map((f) => f.reason.value!);
    expect(values[5]).toBeLessThan(values[0]);
  });

  test("same seed and same answers, same choices; another seed, others", () => {
    const run = (seed: number) => {
      const d = createDecider(decider("variance"), random(seed));
      const queue = d.decide(null, 3);
      for (let t = 0; t < 20; t++) {
        queue.push(...d.decide({ latents: queue[t].latents, counts: [t % 3, t % 5] }, 1));
        d.refine();
      }
      return queue.map((c) => c.latents.join()).join(";");
    };
    expect(run(1)).toBe(run(1));
    expect(run(1)).not.toBe(run(2));
  });

  test.each(["variance", "random"] as const)("%s: a rehearsal changes nothing", (objective) => {
    const faces = (rehearsals: number) => {
      const d = createDecider(decider(objective), random(1));
      const queue = d.decide(null, 2);
      for (let t = 0; t < 6; t++) {
        d.refine();
        for (let i = 0; i < rehearsals; i++) d.rehearse();
        queue.push(...d.decide({ latents: queue[t].latents, counts: [t, 1] }, 1));
      }
      return queue.map((c) => c.latents.join());
    };
    expect(faces(3)).toEqual(faces(0));
  });

  test("a lesson of another face than the first unanswered one is refused", () => {
    const d = createDecider(decider("random"), random(1));
    d.decide(null, 2);
    expect(() => d.decide({ latents: [1, 2, 3], counts: [1, 1] }, 1)).toThrow("lesson: expected the face");
  });

  test("a trial that can't be used teaches nothing", () => {
    const d = createDecider(decider("random"), random(1));
    const [face] = d.decide(null, 1);
    const before = d.report();
    d.decide({ latents: face.latents, counts: null }, 1);
    expect(d.report()).toEqual(before);
  });
});
