import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseExperiment } from "../../protocols/experiment.ts";
import { createLuminance } from "../../server/presentation/luminance.ts";
import { random } from "../../server/random.ts";

const experimentWith = (section: string, background = 0.5) =>
  parseExperiment(`
name: luminance
trials: 1
model: faces-64
latents: 1
stimulus: { onMs: 100, gapMs: 100, background: ${background} }
response: { latencyMs: 80, windowMs: 200 }
luminance: ${section}
`);
function luminance(section: string, background = 0.5) {
  const parsed = experimentWith(section, background);
  if (!parsed.ok) throw new Error(parsed.errors);
  return createLuminance(parsed.experiment);
}
const toLinear = (level: number) => (level <= 0.04045 ? level / 12.92 : ((level + 0.055) / 1.055) ** 2.4);
const grey = (level: number) => Uint8Array.of(level, level, level, 255);
const face = (seed: number, from = 0, to = 256) => {
  const { uniform } = random(seed);
  return Uint8Array.from({ length: 4 * 32 * 32 }, (_, i) =>
    i % 4 === 3 ? 255 : Math.floor(from + (to - from) * uniform()),
  );
};

describe("S15 luminance", () => {
  test("without calibration every level goes as it is", () => {
    const pixels = face(1);
    expect(luminance("{}").face(pixels)).toBe(pixels);
    expect(luminance("{}").level(0.5)).toBe(0.5);
  });

  test("gamma: a screen with that exponent gives the light of an sRGB screen, to half a level", () => {
    const { face: send, level } = luminance("{ gamma: 1.8 }");
    for (let value = 0; value < 256; value++) {
      const sent = send(grey(value))[0];
      const wanted = 255 * toLinear(value / 255) ** (1 / 1.8);
      // Half a level, and what a table of 4096 steps of light is coarse near black.
      expect(Math.abs(sent - wanted)).toBeLessThan(value < 20 ? 2 : 0.6);
    }
    expect(level(0.5) ** 1.8).toBeCloseTo(toLinear(0.5), 9);
  });

  test("gamma: measured pairs are interpolated, between the screen's own black and white", () => {
    // A screen that is linear in level, from 2 to 102 cd/m²: half of its range of light is level 127.5.
    const { level } = luminance("{ gamma: [[0, 2], [128, 52.2], [255, 102]] }");
    expect(level(0)).toBe(0);
    expect(level(1)).toBe(1);
    // sRGB 0.7354 is half the light: 52 cd/m², just below level 128.
    expect(255 * level(0.73536)).toBeCloseTo(127.5, 0);
  });

  test("gamma: white is the table's last level, however its luminances round", () => {
    // 1.923 + (21.676 − 1.923) is 21.676000000000002 in doubles: more than any entry.
    const bright = 1.923 + (21.676 - 1.923);
    expect(bright).toBeGreaterThan(21.676);
    const { face: send, level } = luminance(
      "{ gamma: [[0, 1.923], [64, 2.9], [128, 6.3], [192, 11.8], [255, 21.676]] }",
    );
    expect(level(1)).toBe(1);
    expect(send(grey(255))).toEqual(grey(255));
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 3, noNaN: true }),
        fc.double({ min: 1, max: 300, noNaN: true }),
        (dark, range) => {
          const table = [0, 0.2, 1].map((share, i) => [[0, 128, 255][i], dark + share * range]);
          const drawn = luminance(`{ gamma: ${JSON.stringify(table)} }`);
          expect(drawn.level(1)).toBe(1);
          expect(drawn.level(0)).toBe(0);
        },
      ),
      { numRuns: 40 },
    );
  });

  test.each([
    ["[[0, 2], [128, 50], [128, 60], [255, 102]]", "luminance.gamma.2: expected a higher level"],
    ["[[255, 102], [128, 50], [0, 2]]", "luminance.gamma.1: expected a higher level"],
    ["[[0, 2], [128, 60], [200, 50], [255, 102]]", "luminance.gamma.2: expected a higher level"],
    ["[[0, 2], [255, 2]]", "luminance.gamma: expected more cd/m² at the last level"],
  ])("gamma: a table that does not rise is refused: %s", (table, words) => {
    expect(experimentWith(`{ gamma: ${table} }`)).toEqual({ ok: false, errors: expect.stringContaining(words) });
  });

  test("matchFaces: whatever the face, its mean luminance is the background's", () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.constantFrom([0, 256], [0, 80], [120, 256]),
        fc.constantFrom(0.3, 0.5),
        (seed, [a, b], background) => {
          const sent = luminance("{ matchFaces: true }", background).face(face(seed, a, b));
          let mean = 0;
          for (let i = 0; i < sent.length; i += 4)
            mean +=
              (0.2126 * toLinear(sent[i] / 255) +
                0.7152 * toLinear(sent[i + 1] / 255) +
                0.0722 * toLinear(sent[i + 2] / 255)) /
              (sent.length / 4);
          // Levels are whole numbers: a hundredth is what rounding leaves.
          expect(Math.abs(mean / toLinear(background) - 1)).toBeLessThan(0.01);
          expect(sent[3]).toBe(255);
        },
      ),
      { numRuns: 40 },
    );
  });

  test("a face without any light stays black", () => {
    expect(luminance("{ matchFaces: true }").face(grey(0))).toEqual(grey(0));
  });
});
