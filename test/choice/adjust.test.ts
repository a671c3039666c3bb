import { expect, test } from "vitest";
import { createDecider, refitterSettings } from "../../server/choice/decider.ts";
import { random } from "../../server/random.ts";
import { readExperiment } from "../../server/session/experiment-file.ts";
import { deciderSettings } from "../../server/session/settings.ts";
import { refitsHere } from "../../server/tuning/refits-here.ts";

const units = ["a", "b", "c"];
const experiment = await readExperiment("protocols/experiments/one-to-one.yaml");
const settingsOf = (objective: typeof experiment.choice.objective) =>
  deciderSettings({ ...experiment, latents: 3, choice: { ...experiment.choice, objective } }, units);

/** A decider and its answering world: counts depend on the face alone. */
function open(objective: typeof experiment.choice.objective) {
  const settings = settingsOf(objective);
  const decider = createDecider(settings, random(1), refitsHere(refitterSettings(settings)));
  const waiting = decider.decide(null, 3);
  decider.refine();
  const step = (logExposure?: number) => {
    const { latents } = waiting.shift()!;
    const counts = units.map((_, u) => Math.max(0, Math.round(3 + 2 * latents[u])));
    const [next] = decider.decide({ latents, counts, ...(logExposure !== undefined && { logExposure }) }, 1);
    waiting.push(next);
    decider.refine();
    return next;
  };
  return { decider, step };
}

test("O4: another objective, weights and constraints hold from the next choice on, from any objective to any other", () => {
  for (const first of ["random", "variance", "peak"] as const)
    for (const then of ["variance", "peak", "identify", "information", "cma-es", "axis-test"] as const) {
      const { decider, step } = open(first);
      for (let i = 0; i < 5; i++) expect(step().reason.objective).toBe(first);
      const known = () => decider.report().map(({ counts: _, ...figures }) => figures);
      const before = known();
      decider.adjust({
        objective: then,
        weights: [1, 0, 2],
        constraints: { ...experiment.choice.constraints, minDistance: 0.1 },
      });
      // What is known stays as it was.
      expect(known()).toEqual(before);
      expect(decider.report().map(({ counts }) => counts)).toEqual([true, false, true]);
      decider.refine();
      // `axis-test` estimates axes by `variance` first.
      const expected = then === "axis-test" ? "variance" : then;
      for (let i = 0; i < 3; i++) expect(step().reason.objective).toBe(expected);
    }
});

test("O4: changes at the same trials give the same session, and a change taken back the same objective", () => {
  const run = () => {
    const { decider, step } = open("random-range");
    const faces = Array.from({ length: 4 }, () => step());
    const { constraints, weights } = settingsOf("random-range");
    decider.adjust({ objective: "variance", weights, constraints });
    decider.refine();
    faces.push(...Array.from({ length: 6 }, () => step()));
    decider.adjust({ objective: "random-range", weights, constraints });
    decider.refine();
    faces.push(...Array.from({ length: 3 }, () => step()));
    return faces;
  };
  const faces = run();
  expect(run()).toEqual(faces);
  expect(faces.map(({ reason }) => reason.objective).slice(-3)).toEqual(Array(3).fill("random-range"));
});

test("O5: a check of stability shows the same faces each time, and then the objective has its turn", () => {
  const { decider, step } = open("variance");
  step();
  const check = () => {
    decider.check(4);
    decider.refine();
    return Array.from({ length: 4 }, () => step());
  };
  const first = check();
  expect(first.map(({ reason }) => reason.special)).toEqual(
    [1, 2, 3, 4].map((i) => `stability check 1, face ${i} of 4`),
  );
  expect(step().reason.special).toBeNull();
  const second = check();
  expect(second.map(({ latents }) => latents)).toEqual(first.map(({ latents }) => latents));
  expect(second[0].reason.special).toBe("stability check 2, face 1 of 4");
});

test("O5: a face of a check whose trial taught nothing comes once more, and the objective follows", () => {
  const settings = settingsOf("variance");
  const decider = createDecider(settings, random(1), refitsHere(refitterSettings(settings)));
  const waiting = decider.decide(null, 3);
  decider.check(2);
  const specials: (string | null)[] = [];
  for (let i = 0; i < 10; i++) {
    decider.refine();
    const { latents, reason } = waiting.shift()!;
    specials.push(reason.special);
    // The first showing of the first face is lost.
    const isLost = reason.special !== null && specials.filter((special) => special === reason.special).length === 1;
    const counts = isLost && reason.special!.includes("face 1") ? null : units.map(() => 3);
    waiting.push(...decider.decide({ latents, counts }, 1));
  }
  const [first, second] = [1, 2].map((i) => `stability check 1, face ${i} of 2`);
  expect(specials.filter((special) => special !== null)).toEqual([first, second, first]);
});

test("D5: looking on changes nothing", () => {
  const alone = open("variance");
  const watched = open("variance");
  for (let i = 0; i < 30; i++) {
    const expected = alone.step();
    expect(watched.step()).toEqual(expected);
    expect(watched.decider.beliefs()).toMatchObject({ trials: i + 1, counting: [1, 1, 1] });
  }
  expect(watched.decider.report()).toEqual(alone.decider.report());
});

test("O4: counts of a longer window are taken as such: the rate learned is the same", () => {
  const rateOf = (exposure: number) => {
    const settings = settingsOf("random");
    const decider = createDecider(settings, random(1), refitsHere(refitterSettings(settings)));
    let [{ latents }] = decider.decide(null, 1);
    for (let i = 0; i < 150; i++) {
      decider.refine();
      const counts = units.map(() => 4 * exposure);
      [{ latents }] = decider.decide({ latents, counts, logExposure: Math.log(exposure) }, 1);
    }
    return decider.report()[0].baselineHz.estimate;
  };
  expect(rateOf(1)).toBeCloseTo(20, 0);
  expect(rateOf(2) / rateOf(1)).toBeCloseTo(1, 1);
});
