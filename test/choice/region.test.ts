import { expect, test } from "vitest";
import { createDecider, refitterSettings } from "../../server/choice/decider.ts";
import { foretoldDifference, isInside, type Region } from "../../server/choice/region.ts";
import { random } from "../../server/random.ts";
import { refitsHere } from "../../server/tuning/refits-here.ts";
import { deciderSettings } from "./situation.ts";

/** log difference = −2 + 0.3 z₂ + 0.5 z₁². */
const region: Region = { weights: [-2, 0, 0.5, 0.3, 0, 0, 0], threshold: 1 };

const decider = (settings: ReturnType<typeof deciderSettings>) =>
  createDecider(settings, random(1), refitsHere(refitterSettings(settings)));

test("the difference that a region foretells is the exponential of its polynomial", () => {
  expect(foretoldDifference(region, [1, 2, 3])).toBeCloseTo(Math.exp(-2 + 0.5 + 0.6), 12);
  expect(isInside(region, [2, -0.1, 3])).toBe(true);
  expect(isInside(region, [2, 0.1, 3])).toBe(false);
});

test.each(["variance", "information", "random", "random-range"] as const)(
  "%s: no face outside the region is chosen, and some would be without it",
  (objective) => {
    const outside = (one: Region | null) => {
      const settings = deciderSettings(objective);
      settings.constraints = { ...settings.constraints, region: one };
      const d = decider(settings);
      const faces = d.decide(null, 3);
      for (let t = 0; t < 40; t++) {
        faces.push(...d.decide({ latents: faces[t].latents, counts: [t % 4, t % 3] }, 1));
        d.refine();
      }
      return faces.filter(({ latents }) => !isInside(region, latents)).length;
    };
    expect(outside(region)).toBe(0);
    expect(outside(null)).toBeGreaterThan(0);
  },
);

test("counts are explained by the face as it came out, however it was asked for", () => {
  const asked = [Float64Array.of(1, 0, -1), Float64Array.of(-2, 1, 0.5)];
  const cameOut = [Float64Array.of(0.7, 0.1, -0.4), Float64Array.of(-1.2, 0.6, 0.5)];
  const learned = (shown: Float64Array[], realised: Float64Array[]) => {
    const d = decider(deciderSettings("variance"));
    for (const [t, face] of shown.entries()) {
      d.decide(null, 1, [face]);
      d.refine(realised.length > 0 ? [realised[t]] : []);
      d.decide({ latents: face, counts: [3 + t, 1] }, 0);
    }
    return d.report();
  };
  const expected = learned(cameOut, []);
  const found = learned(asked, cameOut);
  expect(found.map(({ curves }) => curves)).toEqual(expected.map(({ curves }) => curves));
  expect(found.map(({ curves }) => curves)).not.toEqual(learned(asked, []).map(({ curves }) => curves));
});
