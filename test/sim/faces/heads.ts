import { type HeadModel, targetNames } from "../../../sim/faces/head.ts";
import type { Piece, Texture } from "../../../sim/faces/makehuman.ts";

const plain = (r: number, g: number, b: number): Texture => ({
  width: 2,
  height: 2,
  rgba: Uint8Array.from([0, 1, 2, 3].flatMap(() => [r, g, b, 255])),
});

/** A square of half side h about (0, y) at depth z, as vertices and one quad facing the viewer. */
const square = (y: number, z: number, h: number) => [-h, y - h, z, h, y - h, z, h, y + h, z, -h, y + h, z];
const quad = { quads: Uint32Array.of(0, 1, 2, 3), uv: Float32Array.of(0, 0, 1, 0, 1, 1, 0, 1) };

/** A piece that hangs on the body's vertex 0 alone. */
function piece(vertices: number[], texture: Texture): Piece {
  return {
    ...quad,
    references: new Uint32Array(12),
    weights: Float32Array.from({ length: 12 }, (_, i) => (i % 3 === 0 ? 1 : 0)),
    offsets: Float32Array.from(vertices, (value, i) => value - body[i % 3]),
    texture,
  };
}

const body = square(7, 1, 0.6);

/** A "head" of four flat squares: a face, eyes, a brow and hair behind; one morph moves the face's upper corners. */
export function flatHead(): HeadModel {
  const morphs: HeadModel["morphs"] = new Map(
    targetNames.map((name) => [name, { indices: new Uint32Array(0), deltas: new Float32Array(0) }]),
  );
  morphs.set("head/head-fat", { indices: Uint32Array.of(1, 2), deltas: Float32Array.of(0.3, 0, 0, 0.3, 0, 0) });
  const skins = new Map(
    ["young", "old"].flatMap((age) =>
      ["light", "dark"].flatMap((tone) =>
        ["female", "male"].map((gender) => [`${age}_${tone}_${gender}`, plain(180, 140, 120)] as const),
      ),
    ),
  );
  return {
    base: Float32Array.from(body),
    beard: new Float32Array(4),
    morphs,
    skin: quad,
    mouth: { quads: new Uint32Array(0), uv: new Float32Array(0) },
    hair: piece(square(7, 0.5, 1.3), plain(90, 90, 90)),
    eyes: piece(square(7.2, 1.1, 0.1), plain(60, 40, 20)),
    brows: piece(square(7.45, 1.1, 0.08), plain(10, 10, 10)),
    eyeVertices: Uint32Array.of(0, 1, 2, 3),
    skins,
  };
}
