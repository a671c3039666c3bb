import { expect, test } from "vitest";
import { parseExperiment } from "../../protocols/experiment.ts";

const file = ({ latents = 2, stimulus = "", more = "" }) => `
name: refusals
trials: 10
model: faces-64
latents: ${latents}
stimulus: { onMs: 200, gapMs: 50${stimulus} }
response: { latencyMs: 80, windowMs: 200 }
${more}
`;

const noPatch = ", photodiode: { corner: none, sizePx: 60 }";
const black = ", background: 0";
const byPhotodiode = "alignment: { method: photodiode }";
const matched = "luminance: { matchFaces: true }";
const axisTest = "choice: { objective: axis-test }";
const axisTestFirst = "choice: { objective: variance, blocks: [{ objective: axis-test, faces: 5 }] }";

const tuned = (tuning: string) => ({ more: `tuning: ${tuning}` });
const chosen = (choice: string) => ({ more: `choice: { objective: variance, ${choice} }` });

test.each([
  ["S12", { stimulus: noPatch, more: byPhotodiode }, "stimulus.photodiode.corner: expected a corner"],
  ["S15", { stimulus: black, more: matched }, "stimulus.background: expected more than 0"],
  ["C5", { latents: 1, more: axisTest }, "latents: expected at least 2"],
  ["C5", { latents: 1, more: axisTestFirst }, "latents: expected at least 2"],
  ["P6", tuned("{ memoryTrials: 0.001 }"), "tuning.memoryTrials: expected number to be >=10, found 0.001"],
  ["P6", tuned("{ gain: { sd: 0.3, trials: 0.1 } }"), "tuning.gain.trials: expected number to be >=1, found 0.1"],
  [
    "C6",
    chosen("constraints: { minDistance: 1, recentFaces: 10 }, repeats: { shows: 2, afterFaces: 10 }"),
    "choice.repeats.afterFaces: expected more than choice.constraints.recentFaces (10)",
  ],
  [
    "C6",
    chosen("constraints: { minDistance: 1, recentFaces: 8 }, catch: { everyFaces: 4, faces: 2 }"),
    "choice.catch: expected everyFaces × faces to be more than choice.constraints.recentFaces (8)",
  ],
  [
    "C5",
    chosen("catch: { everyFaces: 5, faces: 2 }, randomEvery: 10"),
    "choice.randomEvery: expected no multiple of choice.catch.everyFaces (5)",
  ],
])("%s: what could never work out is refused: %o", (_rule, experiment, words) => {
  expect(parseExperiment(file(experiment))).toEqual({ ok: false, errors: expect.stringContaining(words) });
});

test.each([
  ["S12", { more: byPhotodiode }],
  ["S12", { stimulus: noPatch }],
  ["S15", { more: matched }],
  ["S15", { stimulus: black }],
  ["C5", { more: axisTestFirst }],
  ["P6", tuned("{ memoryTrials: 10, gain: { sd: 0.3, trials: 1 } }")],
  ["C6", chosen("constraints: { minDistance: 1, recentFaces: 9 }, repeats: { shows: 2, afterFaces: 10 }")],
  ["C6", chosen("constraints: { recentFaces: 10 }, repeats: { shows: 2, afterFaces: 10 }")],
  ["C6", chosen("constraints: { minDistance: 1, recentFaces: 7 }, catch: { everyFaces: 4, faces: 2 }")],
  ["C5", chosen("catch: { everyFaces: 20, faces: 2 }, randomEvery: 10")],
])("%s: and what can is not: %o", (_rule, experiment) => {
  expect(parseExperiment(file(experiment))).toMatchObject({ ok: true });
});
