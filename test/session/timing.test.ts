import { expect, test } from "vitest";
import type { Experiment } from "../../protocols/experiment.ts";
import { createDecider, refitterSettings } from "../../server/choice/decider.ts";
import { random } from "../../server/random.ts";
import { readExperiment } from "../../server/session/experiment-file.ts";
import { deciderSettings } from "../../server/session/settings.ts";
import { planWarnings } from "../../server/session/timing.ts";
import { refitsHere } from "../../server/tuning/refits-here.ts";

const shipped = await readExperiment("protocols/experiments/one-to-one.yaml");
const experimentWith = (changes: Partial<Experiment["choice"]>, trials = 100): Experiment => ({
  ...shipped,
  trials,
  latents: 3,
  choice: { ...shipped.choice, ...changes },
});

const units = ["a", "b"];

/** After how many trials a session of this experiment has judged all its axis tests. */
function judgedAfter(experiment: Experiment): number {
  const settings = deciderSettings(experiment, units);
  const decider = createDecider(settings, random(1), refitsHere(refitterSettings(settings)));
  const faces = decider.decide(null, settings.lookahead);
  decider.refine();
  for (let t = 0; t < 300; t++) {
    const { latents } = faces[t];
    const counts = [0, 1].map((u) => Math.max(0, Math.round(4 + 2 * latents[u])));
    faces.push(...decider.decide({ latents, counts }, 1));
    if (decider.refine().stop) return t + 1;
  }
  throw new Error("expected the tests to end");
}

const axisTest = { afterTrials: 20, positions: 3, repeats: 2, units };

test.each<[string, Partial<Experiment["choice"]>]>([
  ["one test", { axisTest: { ...axisTest, units: ["a"] } }],
  ["two tests, each behind the faces chosen ahead", {}],
  ["farther ahead", { lookahead: 6 }],
  ["after a block", { blocks: [{ objective: "random", faces: 31 }] }],
  ["catch faces", { catch: { everyFaces: 4, faces: 2 } }],
  ["repeats", { repeats: { shows: 3, afterFaces: 5 } }],
  ["faces at random, each of them repeated", { randomEvery: 3, repeats: { shows: 2, afterFaces: 4 } }],
])("C5 a session too short for its axis tests is told by how many trials they take: %s", (_, changes) => {
  const choice = { ...changes, objective: "axis-test" as const, axisTest: changes.axisTest ?? axisTest };
  const needed = judgedAfter(experimentWith(choice));
  const warningsOf = (trials: number) =>
    planWarnings(experimentWith(choice, trials)).filter((w) => w.includes("axisTest"));
  expect(warningsOf(needed)).toEqual([]);
  expect(warningsOf(needed - 1)).toEqual([
    expect.stringMatching(new RegExp(`needs? ${needed} trials, .* the session has ${needed - 1}: (it|1 of them) will`)),
  ]);
});

test("C5 axis tests that have no room in their blocks are told", () => {
  const warnings = (faces: number) =>
    planWarnings(experimentWith({ axisTest, blocks: [{ objective: "axis-test", faces }] }));
  // 20 trials, 12 faces, and before each test 3 that were chosen ahead.
  expect(warnings(20 + 2 * (3 + 12))).toEqual([]);
  expect(warnings(20 + 2 * (3 + 12) - 1)).toEqual([expect.stringContaining("more trials than choice.blocks give")]);
});

test.each<[string, Partial<Experiment["choice"]>, boolean]>([
  ["too far apart", { constraints: { ...shipped.choice.constraints, minDistance: 15, recentFaces: 10 } }, true],
  [
    "too well balanced",
    { objective: "random", constraints: { ...shipped.choice.constraints, balance: 0.01, balanceFaces: 20 } },
    true,
  ],
  [
    "in a block",
    {
      objective: "traversal-grid",
      blocks: [{ objective: "variance", faces: 20 }],
      constraints: { ...shipped.choice.constraints, minDistance: 15, recentFaces: 10 },
    },
    true,
  ],
  ["the README's", { constraints: { minDistance: 1, recentFaces: 5, balance: 0.5, balanceFaces: 20 } }, false],
  [
    "of no matter",
    { objective: "traversal-grid", constraints: { ...shipped.choice.constraints, minDistance: 15 } },
    false,
  ],
])("C6 constraints that hardly a face keeps are told before the first: %s", (_, choice, told) => {
  const warnings = planWarnings({ ...experimentWith(choice, 300), latents: 12 }).filter((warning) =>
    warning.includes("constraints"),
  );
  expect(warnings).toEqual(told ? [expect.stringMatching(/^choice.constraints can hardly be kept: of 200 faces/)] : []);
});

test.each<[string, Partial<Experiment["choice"]>, boolean]>([
  ["catch faces too near others", { catch: { everyFaces: 3, faces: 5 } }, true],
  ["none", {}, false],
])("C6 faces by plan that keep no constraint are told before the first: %s", (_, plan, told) => {
  // In twelve latents two faces of the range lie 8.5 apart on average: chosen ones find room at 9, fixed ones do not look for it.
  const constraints = { ...shipped.choice.constraints, minDistance: 9, recentFaces: 5 };
  const warnings = planWarnings({ ...experimentWith({ ...plan, constraints }, 300), latents: 12 });
  expect(warnings.filter((warning) => warning.includes("constraints"))).toEqual(
    told
      ? [expect.stringMatching(/^choice.catch and choice.repeats come whatever .* of 66 such faces .* 6\d did not/)]
      : [],
  );
});
