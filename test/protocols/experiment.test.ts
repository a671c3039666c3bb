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

test.each([
  ["S12", { stimulus: noPatch, more: byPhotodiode }, "stimulus.photodiode.corner: expected a corner"],
  ["S15", { stimulus: black, more: matched }, "stimulus.background: expected more than 0"],
  ["C5", { latents: 1, more: axisTest }, "latents: expected at least 2"],
  ["C5", { latents: 1, more: axisTestFirst }, "latents: expected at least 2"],
])("%s: what could never work out is refused: %o", (_rule, experiment, words) => {
  expect(parseExperiment(file(experiment))).toEqual({ ok: false, errors: expect.stringContaining(words) });
});

test.each([
  ["S12", { more: byPhotodiode }],
  ["S12", { stimulus: noPatch }],
  ["S15", { more: matched }],
  ["S15", { stimulus: black }],
  ["C5", { more: axisTestFirst }],
])("%s: and what can is not: %o", (_rule, experiment) => {
  expect(parseExperiment(file(experiment))).toMatchObject({ ok: true });
});
