import { describe, expect, test } from "vitest";
import type { Objective } from "../../server/choice/choice.ts";
import { prepareChoice } from "../../server/choice/choose.ts";
import { createDecider, type DeciderSettings, refitterSettings } from "../../server/choice/decider.ts";
import { separation } from "../../server/choice/hypotheses.ts";
import { look, momentsOf } from "../../server/choice/outlook.ts";
import { computeReach } from "../../server/choice/reach.ts";
import { informationGain, informationScoring, varianceScoring } from "../../server/choice/scoring.ts";
import { applyTarget, LEVEL_WEIGHT } from "../../server/choice/target.ts";
import { random } from "../../server/random.ts";
import { features } from "../../server/tuning/basis.ts";
import { priorBelief } from "../../server/tuning/belief.ts";
import { information } from "../../server/tuning/observation.ts";
import { beliefOf } from "../../server/tuning/posterior.ts";
import { noRefits, type Refits } from "../../server/tuning/refits.ts";
import { refitsHere } from "../../server/tuning/refits-here.ts";
import type { Refit } from "../../server/tuning/refitter.ts";
import { reference } from "../tuning/reference.ts";
import { basis, choiceSettings, deciderSettings, facesOf, grid, situation } from "./situation.ts";

const n = basis.size;
const dot = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from({ length: a.length }, (_, i) => a[i] * b[i]).reduce((s, v) => s + v, 0);
const times = (m: number[][], v: ArrayLike<number>) => m.map((row) => dot(row, v));

/** The target set written out: every x_t as a row, each with its weight. */
const targetRows = Array.from({ length: 3 }, (_, d) =>
  grid.map((value) =>
    features(
      basis,
      [0, 1, 2].map((e) => (e === d ? value : 0)),
    ),
  ),
).flat();

/** M entry by entry: second moment of the target faces, less what the level does not count. */
function momentMatrix(weights: number[]): number[][] {
  const total = weights.reduce((a, b) => a + b, 0);
  const level = Array.from({ length: n }, (_, i) =>
    targetRows.reduce((sum, x, t) => sum + (weights[t] / total) * x[i], 0),
  );
  return level.map((a, i) =>
    level.map(
      (b, j) =>
        targetRows.reduce((sum, x, t) => sum + (weights[t] / total) * x[i] * x[j], 0) - (1 - LEVEL_WEIGHT) * a * b,
    ),
  );
}

/** C and μ of a unit as plain arrays, with each outstanding face answered as is expected. */
function expectedBelief({ outlook }: ReturnType<typeof situation>, u: number, outstanding: number[][]) {
  const { posterior } = outlook;
  const belief = beliefOf(posterior, u);
  let c = Array.from({ length: n }, (_, i) => [...belief.covariance.slice(i * n, (i + 1) * n)]);
  for (const face of outstanding) {
    const x = features(basis, face);
    const y = times(c, x);
    const j = information(posterior.observations[u], dot(belief.mean, x), belief.dispersion);
    const kappa = j / (1 + dot(x, y) * j);
    c = c.map((row, i) => row.map((v, k) => v - kappa * y[i] * y[k]));
  }
  return { c, ...belief };
}

describe("C1 information", () => {
  test("within 2 % of the exact mutual information where the variance is at most 1 (SciPy's quadrature)", () => {
    const poisson = { link: "exponential", counts: "poisson", priorCount: 1 } as const;
    for (const [m, s2, exact] of reference.information)
      expect(Math.abs(informationGain(poisson, 0, m, s2) - exact) / exact, `m ${m}, s² ${s2}`).toBeLessThan(0.02);
  });
});

describe("C2 variance", () => {
  test.each(["log-rate", "rate"] as const)("%s: M y and tr(C M) as over the target faces, one by one", (weighting) => {
    const s = situation([], { weighting });
    const { posterior } = s.outlook;
    const reach = s.outlook.reach!;
    const prior = beliefOf(situation([]).outlook.posterior, 0);
    expect(prior.mean.length).toBe(n);
    // The targets were aimed before anything was learned: every η is the prior's, so every weight is the same.
    const moment = momentMatrix(targetRows.map(() => 1));
    const y = posterior.kernels.take(posterior.stride);
    const v = posterior.kernels.take(posterior.stride);
    for (let i = 0; i < n; i++) y[i] = Math.sin(i + 1);
    applyTarget(reach.targets, posterior, 1, y.byteOffset, v.byteOffset);
    times(moment, y.subarray(0, n)).forEach((expected, i) => {
      expect(v[i]).toBeCloseTo(expected, 12);
    });
    computeReach(reach, posterior, 1);
    const { c } = expectedBelief(s, 1, []);
    const trace = c.reduce((sum, row, i) => sum + dot(row, moment[i]), 0);
    expect(reach.total[1]).toBeCloseTo(trace, 10);
  });

  test("what is kept up a trial at a time equals what is computed from scratch", () => {
    const { outlook } = situation();
    const reach = outlook.reach!;
    const kept = reach.blocks.slice();
    const total = reach.total.slice();
    for (let u = 0; u < 2; u++) computeReach(reach, outlook.posterior, u);
    for (let i = 0; i < kept.length; i++) expect(kept[i]).toBeCloseTo(reach.blocks[i], 9);
    for (let u = 0; u < 2; u++) expect(total[u]).toBeCloseTo(reach.total[u], 9);
  });

  const chosen = [
    [2, -1, 0.5],
    [-3, 0.2, 1.1],
  ];
  test.each([
    ["variance", []],
    ["information", []],
    ["variance", chosen],
    ["information", chosen],
  ] as const)(
    "%s of every candidate with outstanding faces %j, as by brute force on whole matrices",
    (objective, faces) => {
      const outstanding = faces.map((face) => [...face]);
      const s = situation(outstanding);
      const { outlook } = s;
      const base = Float64Array.of(1.3, -2.2, 0.4);
      look(outlook, [base]);
      const moment = momentMatrix(targetRows.map(() => 1));
      for (let u = 0; u < 2; u++) {
        const { c, mean, dispersion } = expectedBelief(s, u, outstanding);
        const total = c.reduce((sum, row, i) => sum + dot(row, moment[i]), 0);
        const scoring = objective === "variance" ? varianceScoring(outlook) : informationScoring(outlook);
        outlook.worth.fill(0);
        const atBase = scoring.add(u, 0.7, momentsOf(outlook, outlook.bases[0], u), base);
        const valueAt = (face: ArrayLike<number>) => {
          const x = features(basis, face);
          const y = times(c, x);
          const m = dot(mean, x);
          const s2 = dot(x, y);
          if (objective === "information") return informationGain(outlook.posterior.observations[u], dispersion, m, s2);
          const j = information(outlook.posterior.observations[u], m, dispersion);
          return (dot(y, times(moment, y)) * j) / (1 + s2 * j) / total;
        };
        expect(atBase).toBeCloseTo(0.7 * valueAt(base), 9);
        for (let d = 0; d < 3; d++)
          grid.forEach((value, t) => {
            const face = base.slice();
            face[d] = value;
            expect(outlook.worth[d * outlook.steps + t]).toBeCloseTo(0.7 * valueAt(face), 9);
          });
      }
    },
  );
});

describe("C3 a choice and its reason", () => {
  test.each(["variance", "information", "identify", "compare", "peak"] as const)(
    "%s: inside the range, at least as good as the runner-up, and worth what the reason says",
    (objective) => {
      const s = situation([[1, 1, 1]]);
      const { latents, reason } = prepareChoice(s, choiceSettings(objective), 0, random(1))();
      expect(latents.every((z) => Math.abs(z) <= 3)).toBe(true);
      expect(reason.candidates).toBe(5 * (3 * 9 + 1));
      expect(reason.runnerUp!.value).toBeLessThanOrEqual(reason.value!);
      expect(reason.runnerUp!.latents).not.toEqual([...latents]);
      const again = prepareChoice({ ...s, among: [latents] }, choiceSettings(objective), 0, random(1))();
      // Between two steps of the grid the value is a parabola's.
      expect(Math.abs(again.reason.value! / reason.value! - 1)).toBeLessThan(0.02);
    },
  );

  test("among a list, the face that is worth most by itself", () => {
    const s = situation();
    const faces = Array.from({ length: 12 }, (_, i) =>
      Float64Array.of(Math.sin(i) * 3, Math.cos(3 * i) * 3, (i % 5) - 2),
    );
    const one = (face: Float64Array) =>
      prepareChoice({ ...s, among: [face] }, choiceSettings("variance"), 0, random(1))().reason.value!;
    const values = faces.map(one);
    const { latents } = prepareChoice({ ...s, among: faces }, choiceSettings("variance"), 0, random(1))();
    expect((faces as Float64Array[]).indexOf(latents)).toBe(values.indexOf(Math.max(...values)));
  });

  test("a unit of weight 0 has no say", () => {
    const alone = situation();
    alone.weights[1] = 0;
    const doubled = situation();
    doubled.weights.set([2, 0]);
    const face = (s: ReturnType<typeof situation>) =>
      prepareChoice(s, choiceSettings("variance"), 0, random(1))().latents.join();
    expect(face(alone)).toBe(face(doubled));
    expect(face(alone)).not.toBe(face(situation()));
  });

  test("baselines: prior, box and classic grid are what they say", () => {
    const s = situation();
    const draws = (objective: Objective) =>
      Array.from({ length: 2000 }, (_, i) => prepareChoice(s, choiceSettings(objective), i, random(i))().latents[1]);
    const sd = (values: number[]) => Math.sqrt(values.reduce((sum, v) => sum + v * v, 0) / values.length);
    // N(0, 1): 1 ± 4/sqrt(2·2000); uniform on ±3: 3/sqrt(3) = 1.732 ± 4·0.63/sqrt(2000)·…, 0.07 is ample for both.
    expect(Math.abs(sd(draws("random")) - 1)).toBeLessThan(0.07);
    expect(Math.abs(sd(draws("random-range")) - Math.sqrt(3))).toBeLessThan(0.07);
    const walk = Array.from({ length: 27 }, (_, i) =>
      prepareChoice(s, choiceSettings("traversal-grid"), i, random(0))(),
    );
    expect(walk.map((w) => w.latents.filter((z) => z !== 0).length).every((moved) => moved <= 1)).toBe(true);
    expect(new Set(walk.map((w) => w.latents.join())).size).toBe(3 * 8 + 1);
  });
});

describe("C7 telling explanations apart", () => {
  test("½ log(1 + B/W): two that are 3 apart, as likely, with variance 1", () => {
    const two = [
      { group: 0, probability: 0.5, a: 1, v: 1 },
      { group: 1, probability: 0.5, a: 4, v: 1 },
    ];
    // B = ¼·3² = 2.25, W = 1.
    expect(separation(two, 2)).toBeCloseTo(0.5 * Math.log(3.25), 12);
    // Cases of one group are not to be told apart: their difference is noise, W = 1 + 2.25.
    expect(
      separation(
        two.map((e) => ({ ...e, group: 0 })),
        1,
      ),
    ).toBe(0);
    expect(separation([{ ...two[0], probability: 1 }], 1)).toBe(0);
  });

  test("identify shows faces that move the suspected latents", () => {
    const s = situation();
    // Unit 0 fires to latent 0 or latent 1, which have always moved together; unit 1 has no say.
    for (let i = 0; i < 40; i++) {
      const z = (i % 7) - 3;
      s.teach([z, z, 0], [Math.round(4 * Math.exp(0.4 * z)), 1]);
    }
    s.weights[1] = 0;
    const { latents } = prepareChoice(s, choiceSettings("identify"), 0, random(2))();
    expect(Math.abs(latents[0] - latents[1])).toBeGreaterThan(2.5);
  });
});

const decider = (settings: DeciderSettings, seed: number) =>
  createDecider(settings, random(seed), refitsHere(refitterSettings(settings)));

describe("C4 ahead of the answers", () => {
  test("faces chosen together differ, since each takes the ones before it as shown", () => {
    const faces = decider(deciderSettings("variance"), 2).decide(null, 6);
    expect(new Set(facesOf(faces)).size).toBe(6);
    const values = faces.map((f) => f.reason.value!);
    expect(values[5]).toBeLessThan(values[0]);
  });

  test("same seed and same answers, same choices; another seed, others", () => {
    const run = (seed: number) => {
      const d = decider(deciderSettings("variance"), seed);
      const queue = d.decide(null, 3);
      for (let t = 0; t < 30; t++) {
        queue.push(...d.decide({ latents: queue[t].latents, counts: [t % 3, t % 5] }, 1));
        d.refine();
      }
      return facesOf(queue).join(";");
    };
    expect(run(1)).toBe(run(1));
    expect(run(1)).not.toBe(run(2));
  });

  test.each(["variance", "identify", "peak", "random"] as const)("%s: a rehearsal changes nothing", (objective) => {
    const faces = (rehearsals: number) => {
      const d = decider(deciderSettings(objective), 1);
      const queue = d.decide(null, 2);
      for (let t = 0; t < 6; t++) {
        d.refine();
        for (let i = 0; i < rehearsals; i++) d.rehearse();
        queue.push(...d.decide({ latents: queue[t].latents, counts: [t, 1] }, 1));
      }
      return facesOf(queue);
    };
    expect(faces(3)).toEqual(faces(0));
  });

  test("a lesson of another face than the first unanswered one is refused", () => {
    const d = decider(deciderSettings("random"), 1);
    d.decide(null, 2);
    expect(() => d.decide({ latents: [1, 2, 3], counts: [1, 1] }, 1)).toThrow("lesson: expected the face");
  });

  test("a trial that can't be used teaches nothing", () => {
    const d = decider(deciderSettings("random"), 1);
    const [face] = d.decide(null, 1);
    const before = d.report();
    d.decide({ latents: face.latents, counts: null }, 1);
    expect(d.report()).toEqual(before);
  });
});

/** Answers every face as `counts` says, for so many trials. */
function runTrials(d: ReturnType<typeof decider>, trials: number, counts: (face: Float64Array, t: number) => number[]) {
  const queue = d.decide(null, 2);
  const refined = [];
  for (let t = 0; t < trials; t++) {
    queue.push(...d.decide({ latents: queue[t].latents, counts: counts(queue[t].latents, t) }, 1));
    refined.push(d.refine());
  }
  return { queue, refined };
}

describe("P7 refits", () => {
  test("are asked for at growing intervals and taken over in a later pause; another unit's do not disturb", () => {
    const d = decider(deciderSettings("random-range"), 3);
    const { refined } = runTrials(d, 60, (face) => [Math.round(2 * Math.exp(0.5 * face[0])), 1]);
    const of = (unit: string) => refined.flatMap((r) => r.refits).filter((r) => r.unit === unit);
    expect(of("a").map((r) => r.trials)).toEqual([16, 26, 42]);
    expect(of("b").map((r) => r.trials)).toEqual([17, 28, 45]);
  });

  test("P3: one that is due while another is under way is asked for as soon as that has been taken over", () => {
    const settings = deciderSettings("random-range", ["a"]);
    const here = refitsHere(refitterSettings(settings));
    const asked: number[] = [];
    const slow: { refit: Refit; readyAt: number }[] = [];
    let trial = 0;
    const refits: Refits = {
      ...here,
      request(job) {
        asked.push(trial);
        here.request(job);
        slow.push(...here.finished().map((refit) => ({ refit, readyAt: trial + 12 })));
      },
      finished: () => (slow[0]?.readyAt <= trial ? [slow.shift()!.refit] : []),
    };
    const d = createDecider(settings, random(3), refits);
    const queue = d.decide(null, 1);
    for (; trial < 60; ) {
      queue.push(...d.decide({ latents: queue[trial].latents, counts: [2] }, 1));
      trial++;
      d.refine();
    }
    // The second is due at 26, while the first is under way until 28; the next is due 1.6 times later.
    expect(asked).toEqual([16, 28, 45]);
  });

  test("a unit sorted anew is as one of which nothing is known, and learns again", () => {
    const d = decider(deciderSettings("random-range"), 3);
    const fresh = d.report()[0];
    runTrials(d, 30, (face) => [Math.round(2 * Math.exp(0.5 * face[0])), 1]);
    expect(d.report()[0].baselineHz).not.toEqual(fresh.baselineHz);
    d.change("a", "reset");
    expect(d.report()[0].baselineHz).toEqual(fresh.baselineHz);
    expect(() => d.change("z", "exclude")).toThrow("unit: expected one of a, b, got z");
  });

  test("one that fails is told, and its unit keeps what it learned trial by trial", () => {
    const settings = deciderSettings("random-range");
    const failed: Refit[] = [];
    const outcome = { failed: "a curvature that is not positive definite" };
    const broken: Refits = {
      ...noRefits,
      request: ({ unit }) => failed.push({ unit, trials: 16, outcome }),
      finished: () => failed.splice(0),
    };
    const [sound, other] = [noRefits, broken].map((refits) => {
      const d = createDecider(settings, random(3), refits);
      const { refined } = runTrials(d, 17, () => [4, 1]);
      return { refits: refined.flatMap((r) => r.refits), reports: d.report() };
    });
    expect(other.refits).toEqual([{ unit: "a", trials: 16, ...outcome }]);
    expect(other.reports).toEqual(sound.reports);
  });

  test("a fit whose numbers are not finite fails alone: another unit's is as it would be", () => {
    const refits = refitsHere(refitterSettings(deciderSettings("random-range")));
    const taught = { latents: [0, 1, 2], counts: Float64Array.of(Number.POSITIVE_INFINITY, 2), logGain: 0 };
    refits.learn(taught);
    const { basis: b, observation } = refitterSettings(deciderSettings("random-range"));
    const belief = priorBelief(b, observation, new Float64Array(b.size).fill(4), 0.1);
    for (const unit of [0, 1]) refits.request({ unit, belief });
    const [first, second] = refits.finished();
    expect(first.outcome).toMatchObject({ failed: expect.stringContaining("exponential link: fit of a unit") });
    expect(second.outcome).toMatchObject({ belief: { observation: { counts: observation.counts } } });
  });
});

describe("P7 what is known of a unit beside its curves", () => {
  const d = decider(deciderSettings("random-range"), 5);
  const { queue } = runTrials(d, 60, (face) => [Math.round(3 * Math.exp(0.6 * face[1])), 2]);
  d.change("b", "exclude");

  test("odds of its explanations, and gains with intervals over a constant rate", () => {
    const [tuned, flat] = d.report().map(({ heldOut }) => heldOut!);
    expect(tuned.trials).toBe(60);
    expect(tuned.logEvidence["one-latent"]).toBeGreaterThan(tuned.logEvidence.constant + 20);
    expect(tuned.gain.additive.estimate).toBeCloseTo(
      (tuned.logEvidence.additive - tuned.logEvidence.constant) / 60,
      12,
    );
    expect(tuned.gain.additive.low).toBeGreaterThan(0);
    // Told 2 spikes each time: no latent helps.
    expect(flat.gain.additive.low).toBeLessThanOrEqual(0);
    expect(flat.logEvidence.constant).toBeGreaterThan(flat.logEvidence["one-latent"]);
  });

  test("how its counts scatter, once it was refitted; whether it counts; since when it is itself", () => {
    const [a, b] = d.report();
    expect(a.dispersionInterval!.low).toBeLessThan(a.dispersion);
    expect([a.counts, b.counts]).toEqual([true, false]);
    expect(a.sortedAnewAfter).toBeNull();
    d.change("a", "reset");
    expect(d.report()[0]).toMatchObject({ sortedAnewAfter: 60, dispersionInterval: null });
    expect(queue).toHaveLength(62);
  });
});

test("P7 the population's alignment is not known before a trial could be used", async () => {
  const d = decider(deciderSettings("random"), 1);
  d.decide(null, 2);
  d.refine();
  expect((await d.conclude()).alignment).toBeNull();
  const { latents } = d.outstanding()[0].choice;
  d.decide({ latents, counts: [1, 2] }, 1);
  d.refine();
  expect((await d.conclude()).alignment).not.toBeNull();
});

describe("C5 faces that come by plan", () => {
  test("blocks, catch faces and repeats take their turns", () => {
    const settings = deciderSettings("variance", ["a", "b"], {
      program: {
        objective: "variance",
        blocks: [{ objective: "random", faces: 6 }],
        randomEvery: null,
        catch: { everyFaces: 5, faces: 2 },
        repeats: { shows: 2, afterFaces: 3 },
      },
    });
    const { queue } = runTrials(decider(settings, 1), 38, () => [1, 2]);
    const catches = queue.filter((_, i) => i % 5 === 4);
    expect(catches.every(({ reason }) => reason.special?.startsWith("catch face"))).toBe(true);
    expect(new Set(facesOf(catches)).size).toBe(2);
    // Those that come by plan take places in the block, and name its objective.
    expect(queue.slice(3, 6).filter(({ reason }) => reason.special !== null)).toHaveLength(3);
    expect(queue.map(({ reason }) => reason.objective)).toEqual(queue.map((_, i) => (i < 6 ? "random" : "variance")));
    const shows = new Map<string, number>();
    for (const face of facesOf(queue.filter(({ reason }) => !reason.special?.startsWith("catch"))))
      shows.set(face, (shows.get(face) ?? 0) + 1);
    expect(Math.max(...shows.values())).toBe(2);
    expect([...shows.values()].filter((times) => times === 2).length).toBeGreaterThan(10);
  });

  test("an axis test: a ramp along the axis, flat across it, and the session is over", async () => {
    const settings = deciderSettings("axis-test", ["a", "b"], {
      axisTest: { afterTrials: 40, positions: 5, repeats: 10, units: ["a"] },
      stop: { identifiedAt: null, uncertaintyBelow: null, axisTestsDone: true },
    });
    const d = decider(settings, 1);
    const r = random(8);
    const { queue, refined } = runTrials(d, 145, (face) => {
      const rate = 3 * Math.exp(0.35 * face[0] - 0.35 * face[2]);
      let count = -1;
      for (let used = 0; used < rate; count++) used += -Math.log(1 - r.uniform());
      return [count, 1];
    });
    const { axisTests, axisTestsLeft } = await d.conclude();
    expect(axisTestsLeft).toEqual([]);
    const [result] = axisTests;
    expect(result.unit).toBe("a");
    // The true axis is (1, 0, −1)/√2.
    expect((result.axis[0] - result.axis[2]) / Math.SQRT2).toBeGreaterThan(0.9);
    expect(dot(result.axis, result.orthogonal)).toBeCloseTo(0, 12);
    expect(result.ramp.trials).toBe(50);
    expect(result.ramp.p).toBeLessThan(0.001);
    expect(result.ramp.slope.low).toBeGreaterThan(0);
    expect(result.flat.p).toBeGreaterThan(0.01);
    expect(result.flat.slope.low).toBeLessThan(0);
    expect(result.flat.slope.high).toBeGreaterThan(0);
    expect(refined.at(-1)!.stop).toBe("all axis tests are judged");
    expect(queue[60].reason.special).toMatch(/axis test of a: (axis|orthogonal) at/);
  });
});

test("C5, O3 a unit sorted anew in its axis test gets another one, once its axis is estimated anew", async () => {
  const settings = deciderSettings("axis-test", ["a", "b"], {
    axisTest: { afterTrials: 20, positions: 5, repeats: 3, units: ["a"] },
  });
  const d = decider(settings, 1);
  const counts = (face: Float64Array) => [Math.max(0, Math.round(4 + face[0])), 1];
  const queue = d.decide(null, 2);
  const step = () => {
    const { latents } = queue.shift()!;
    queue.push(...d.decide({ latents, counts: counts(latents) }, 1));
    d.refine();
    return queue.at(-1)!;
  };
  const chosen = Array.from({ length: 25 }, step);
  expect(chosen.at(-1)!.reason.special).toMatch(/axis test of a/);
  d.change("a", "reset");
  d.refine();
  const after = Array.from({ length: 60 }, step);
  expect(after.every(({ latents }) => latents.every(Number.isFinite))).toBe(true);
  // Twenty trials of estimating, then the test: five places, three rounds, on both lines.
  expect(after.slice(0, 19).map(({ reason }) => reason.special)).toEqual(Array(19).fill(null));
  expect(after.filter(({ reason }) => reason.special !== null)).toHaveLength(30);
  expect((await d.conclude()).axisTests.map(({ unit }) => unit)).toEqual(["a"]);
});

test("C5 axis tests that the session was too short for are listed", async () => {
  const left = async (trials: number, units: string[]) => {
    const settings = deciderSettings("axis-test", ["a", "b"], {
      axisTest: { afterTrials: 20, positions: 3, repeats: 4, units },
    });
    const d = decider(settings, 1);
    runTrials(d, trials, () => [2, 1]);
    return (await d.conclude()).axisTestsLeft;
  };
  expect(await left(10, ["b", "a"])).toEqual([
    { unit: "b", answered: 0, of: 24 },
    { unit: "a", answered: 0, of: 24 },
  ]);
  expect(await left(10, [])).toEqual([{ unit: null, answered: 0, of: 24 }]);
  // The first two faces after trial 20 were on their way already.
  expect(await left(30, ["b", "a"])).toEqual([
    { unit: "b", answered: 8, of: 24 },
    { unit: "a", answered: 0, of: 24 },
  ]);
});

test("C5 catch faces and repeats are no steps of an axis test, and each step is shown", async () => {
  const settings = deciderSettings("axis-test", ["a", "b"], {
    axisTest: { afterTrials: 20, positions: 3, repeats: 4, units: ["a"] },
    program: {
      objective: "axis-test",
      blocks: [],
      randomEvery: null,
      catch: { everyFaces: 4, faces: 1 },
      repeats: { shows: 2, afterFaces: 3 },
    },
    stop: { identifiedAt: null, uncertaintyBelow: null, axisTestsDone: true },
  });
  const d = decider(settings, 1);
  const { queue } = runTrials(d, 90, (face) => [Math.round(3 + face[0]), 1]);
  const steps = queue.filter(({ reason }) => reason.special?.startsWith("axis test"));
  expect(steps).toHaveLength(24);
  const { axisTests } = await d.conclude();
  expect(axisTests[0]).toMatchObject({ ramp: { trials: 12 }, flat: { trials: 12 } });
});

test("C5 a report in mid-session changes nothing, repeats included", () => {
  const program = { ...deciderSettings("variance").program, repeats: { shows: 2, afterFaces: 5 } };
  const faces = (reports: boolean) => {
    const d = decider(deciderSettings("variance", ["a", "b"], { program }), 1);
    const queue = d.decide(null, 2);
    for (let t = 0; t < 30; t++) {
      queue.push(...d.decide({ latents: queue[t].latents, counts: [t % 3, 1] }, 1));
      d.refine();
      if (reports) d.report();
    }
    return facesOf(queue);
  };
  expect(faces(true)).toEqual(faces(false));
});

describe("C6 constraints", () => {
  test("O4: look back as far as an operator asks, on faces of before too", () => {
    const d = decider(deciderSettings("random-range"), 1);
    const { queue } = runTrials(d, 40, () => [1, 2]);
    const { weights } = deciderSettings("random-range");
    d.adjust({
      objective: "random-range",
      weights,
      constraints: { minDistance: 1.2, recentFaces: 40, balance: 0, balanceFaces: 20 },
    });
    const { latents, reason } = d.decide(null, 1)[0];
    expect(reason.special).toBeNull();
    const nearest = Math.min(
      ...queue.slice(-40).map((before) => Math.hypot(...latents.map((z, i) => z - before.latents[i]))),
    );
    expect(nearest).toBeGreaterThanOrEqual(1.2);
  });

  test("no face nearer than asked to the last ones, and no latent's mean beyond the bound", () => {
    const settings = deciderSettings("variance", ["a", "b"], {
      constraints: { minDistance: 2, recentFaces: 4, balance: 0.5, balanceFaces: 10 },
    });
    const { queue } = runTrials(decider(settings, 1), 50, () => [1, 2]);
    queue.forEach(({ latents }, i) => {
      for (const other of queue.slice(Math.max(0, i - 4), i))
        expect(Math.hypot(...latents.map((z, d) => z - other.latents[d]))).toBeGreaterThanOrEqual(2);
    });
    for (let i = 20; i < queue.length; i++)
      for (let d = 0; d < 3; d++) {
        const before = queue.slice(i - 10, i).reduce((sum, { latents }) => sum + latents[d], 0);
        // Inside the bound, or no further outside of it than the window had come by itself.
        const bound = Math.max(0.5 * 11, Math.abs(before));
        expect(Math.abs(before + queue[i].latents[d])).toBeLessThanOrEqual(bound + 1e-9);
      }
  });
});
