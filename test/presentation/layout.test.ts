import fc from "fast-check";
import { expect, test } from "vitest";
import { codeBoxes, faceBox, patchBox, readoutCorner } from "../../stimulus-client/layout.ts";

const side = fc.integer({ min: 1, max: 4000 });
const size = fc.record({ width: side, height: side });

test("S9: a face is drawn at a whole-number scale, centred, the largest that keeps to its share of the screen", () => {
  // 0.5 × 1080 = 540 px hold a 64 px face 8 times: 512 px, at (1920 - 512) / 2.
  expect(faceBox({ width: 64, height: 64 }, { width: 1920, height: 1080 }, 0.5)).toEqual({
    x: 704,
    y: 284,
    width: 512,
    height: 512,
  });
  fc.assert(
    fc.property(size, size, fc.double({ min: 0.01, max: 1, noNaN: true }), (face, screen, fraction) => {
      const box = faceBox(face, screen, fraction);
      const scale = box.width / face.width;
      const room = fraction * Math.min(screen.width, screen.height);
      expect(Number.isInteger(scale) && scale >= 1 && box.height === scale * face.height).toBe(true);
      if (scale > 1) expect(Math.max(box.width, box.height)).toBeLessThanOrEqual(room);
      expect((scale + 1) * Math.max(face.width, face.height)).toBeGreaterThan(room);
      expect(Math.abs(2 * box.x + box.width - screen.width)).toBeLessThanOrEqual(1);
    }),
  );
});

test("S12: the patch is flush with its corner and the read-out keeps out of it", () => {
  const screen = { width: 800, height: 600 };
  expect(patchBox({ corner: "none", sizePx: 40, codeBits: 0 }, screen)).toBeNull();
  expect(patchBox({ corner: "top-left", sizePx: 40, codeBits: 0 }, screen)).toEqual({
    x: 0,
    y: 0,
    width: 40,
    height: 40,
  });
  expect(patchBox({ corner: "bottom-right", sizePx: 40, codeBits: 0 }, screen)).toEqual({
    x: 760,
    y: 560,
    width: 40,
    height: 40,
  });
  for (const corner of ["none", "top-left", "top-right", "bottom-left", "bottom-right"] as const)
    expect(readoutCorner({ corner, sizePx: 40, codeBits: 0 })).not.toBe(corner);
});

test("S12: patches for the presentation's number lie beside the first, away from the corner", () => {
  const screen = { width: 800, height: 600 };
  const xs = (corner: "top-left" | "bottom-right" | "none") =>
    codeBoxes({ corner, sizePx: 40, codeBits: 3 }, screen).map(({ x }) => x);
  expect(xs("top-left")).toEqual([40, 80, 120]);
  expect(xs("bottom-right")).toEqual([720, 680, 640]);
  expect(xs("none")).toEqual([]);
});
