import { expect, test } from "vitest";
import { foretoldDifference } from "../../server/choice/region.ts";
import { openModel } from "../../server/model/backends.ts";
import type { Decoder } from "../../server/model/decoder.ts";
import { bundledModel, readModel } from "../../server/model/model-folder.ts";
import { differenceOf, measureValidity, readBackLatents } from "../../server/model/validity.ts";

/**
 * Faces that are their latents, and an encoder that reads the first two back off by exp(−1 + 0.2 z₁²) together, with any sign, and
 * nothing of the third.
 */
const pixels = (latents: Float32Array) => new Uint8Array(latents.slice().buffer);
const madeUp: Required<Decoder> = {
  decode: async (latents) => pixels(latents),
  async encode(faces) {
    const z = new Float32Array(faces.slice().buffer);
    return {
      mean: z.map((value, k) => {
        if (k % 3 === 2) return 0;
        const off = Math.exp(-1 + 0.2 * z[k - (k % 3)] ** 2);
        return value + (k % 3 === 0 ? off : -off);
      }),
    };
  },
  dispose() {},
};

test("a difference is the root mean square over the latents in use", () => {
  expect(differenceOf([1, 2, 3], [1, 0, -9], [true, true, false])).toBeCloseTo(Math.sqrt(2), 12);
  expect(differenceOf([1], [5], [false])).toBe(0);
});

test("the region is that of a made-up model whose differences are known", async () => {
  const { used, region, heldOut, correlation } = await measureValidity(madeUp, 3, 3, 1);
  expect(used).toEqual([true, true, false]);
  expect(correlation[2]).toBe(0);
  for (const z of [
    [0, 1, 2],
    [2, -1, 0],
    [-3, 2, 1],
  ])
    expect(foretoldDifference(region, z)).toBeCloseTo(Math.exp(-1 + 0.2 * z[0] ** 2), 1);
  // |z₁| ≤ √5 of ±3.
  expect(heldOut.offered).toBeCloseTo(Math.sqrt(5) / 3, 1);
  expect(heldOut.offeredAgree).toBeGreaterThan(0.97);
  expect(heldOut.refusedDisagree).toBeGreaterThan(0.97);
});

test("faces-64: of the faces offered, most come back within the threshold, and more than of those refused", async () => {
  const model = await readModel(bundledModel("faces-64"));
  const { decoder } = await openModel(model, "wasm");
  const own = decoder as Required<Decoder>;
  const { used, difference, region, heldOut } = await measureValidity(own, model.card.latents.count, 3, 0.75);
  expect(used.filter(Boolean).length).toBe(12);
  expect(difference.median).toBeLessThan(0.2);
  // Nearly every face of the range comes back within the default threshold; a stricter one divides them.
  expect(heldOut.offered).toBeGreaterThan(0.9);
  expect(heldOut.offeredAgree).toBeGreaterThan(0.95);
  const strict = (await measureValidity(own, model.card.latents.count, 3, 0.5)).heldOut;
  expect(strict.offeredAgree).toBeGreaterThan(0.85);
  expect(1 - strict.refusedDisagree).toBeLessThan(strict.offeredAgree);
  // The origin comes back.
  const origin = new Float32Array(model.card.latents.count);
  expect(differenceOf(origin, await readBackLatents(own, origin), used)).toBeLessThan(region.threshold);
});
