import type { Factors } from "./factors.ts";
import type { HeadData, Piece, Surface } from "./makehuman.ts";

const ancestries = ["african", "asian", "caucasian"] as const;
const genders = ["female", "male"] as const;
const ages = ["young", "old"] as const;
const both = (name: string) => [`eyes/l-${name}`, `eyes/r-${name}`];
const unit = (name: string) => ancestries.map((ancestry) => `expression/units/${ancestry}/${name}`);

/** Every MakeHuman target that `targetWeights` can ask for. */
export const targetNames: readonly string[] = [
  ...ancestries.flatMap((a) => genders.flatMap((g) => ages.map((age) => `macrodetails/${a}-${g}-${age}`))),
  ...genders.flatMap((g) =>
    ages.flatMap((age) =>
      ["minweight", "averageweight", "maxweight"].map(
        (weight) => `macrodetails/universal-${g}-${age}-averagemuscle-${weight}`,
      ),
    ),
  ),
  "head/head-fat",
  "head/head-skinny",
  "chin/chin-width-max",
  "chin/chin-width-min",
  "chin/chin-triangle",
  "chin/chin-prominent-more",
  "head/head-square",
  "head/head-oval",
  ...["eye-height1-max", "eye-height2-max", "eye-height3-max", "eye-size-big"].flatMap(both),
  ...["eye-height1-min", "eye-height2-min", "eye-height3-min", "eye-size-small"].flatMap(both),
  "mouth/mouth-scale-horiz-incr",
  "mouth/mouth-scale-horiz-decr",
  "eyebrows/eyebrows-trans-vert-more",
  "eyebrows/eyebrows-trans-vert-less",
  ...["mouth-corner-puller", "mouth-depression", "mouth-open"].flatMap(unit),
  ...["eyebrows-left-up", "eyebrows-right-up", "eyebrows-left-down", "eyebrows-right-down"].flatMap(unit),
];

/**
 * Weights of MakeHuman's targets for a head. Macro targets are products of ancestry (an equal mixture, which sums to 1),
 * gender, age and weight; the others are added, some beyond their nominal 1 so as to be seen at 64 pixels.
 */
export function targetWeights(f: Factors): Map<string, number> {
  const weights = new Map<string, number>();
  const add = (names: readonly string[], weight: number) => {
    if (weight <= 0) return;
    for (const name of names) weights.set(name, (weights.get(name) ?? 0) + weight);
  };
  // Beyond the modelled ends, so that a face tells its gender without hair or make-up.
  const male = 1.6 * f.gender - 0.3;
  const old = f.age;
  for (const [g, gender] of genders.entries()) {
    for (const [a, age] of ages.entries()) {
      const weight = (g === 1 ? male : 1 - male) * (a === 1 ? old : 1 - old);
      for (const ancestry of ancestries) {
        const name = `macrodetails/${ancestry}-${gender}-${age}`;
        weights.set(name, weight / ancestries.length);
      }
      const heavy = Math.abs(f.weight);
      const universal = `macrodetails/universal-${gender}-${age}-averagemuscle-`;
      weights.set(`${universal}averageweight`, weight * (1 - heavy));
      weights.set(`${universal}${f.weight < 0 ? "minweight" : "maxweight"}`, weight * heavy);
    }
  }
  add(["head/head-fat"], 1.7 * f.weight);
  add(["head/head-skinny"], -1.3 * f.weight);
  const masculine = 2 * f.gender - 1;
  add(["chin/chin-width-max", "head/head-square"], 0.5 * masculine);
  add(["chin/chin-prominent-more"], 0.7 * masculine);
  add(["chin/chin-triangle", "chin/chin-width-min"], -0.5 * masculine);
  const third = 1 / ancestries.length;
  add(unit("mouth-corner-puller"), 1.5 * third * f.smile);
  add(unit("mouth-open"), 0.57 * third * Math.max(0, f.smile + 0.5));
  add(unit("mouth-depression"), -2.2 * third * f.smile);
  add(["eye-height1-max", "eye-height2-max", "eye-height3-max", "eye-size-big"].flatMap(both), 1.2 * f.eyes);
  add(["eye-height1-min", "eye-height2-min", "eye-height3-min", "eye-size-small"].flatMap(both), -1.2 * f.eyes);
  add([...unit("eyebrows-left-up"), ...unit("eyebrows-right-up")], 1.7 * third * f.eyes);
  add([...unit("eyebrows-left-down"), ...unit("eyebrows-right-down")], -1.5 * third * f.eyes);
  add(["mouth/mouth-scale-horiz-incr"], f.smile);
  add(["mouth/mouth-scale-horiz-decr"], -f.smile);
  add(["eyebrows/eyebrows-trans-vert-more"], 1.2 * f.eyes);
  add(["eyebrows/eyebrows-trans-vert-less"], -0.8 * f.eyes);
  return weights;
}

/** The part of MakeHuman's data that a picture of a head needs, with morphs over fewer vertices. */
export interface HeadModel {
  base: Float32Array;
  /** How much beard grows at each vertex, 0 to 1. */
  beard: Float32Array;
  morphs: Map<string, { indices: Uint32Array; deltas: Float32Array }>;
  skin: Surface;
  /** The inside of the mouth, part of the same body. */
  mouth: Surface;
  hair: Piece;
  eyes: Piece;
  brows: Piece;
  /** Indices of the vertices whose mean is the middle of the two eyes. */
  eyeVertices: Uint32Array;
  skins: HeadData["skins"];
}

/** Keeps head, neck and shoulders, and the helpers that hair, eyes and brows are fitted to; renumbers vertices. */
export function headModel(data: HeadData, lowestY = 5.2): HeadModel {
  const index = new Map<number, number>();
  const kept = (vertex: number) => {
    const known = index.get(vertex);
    if (known !== undefined) return known;
    index.set(vertex, index.size);
    return index.size - 1;
  };
  const skin = { quads: [] as number[], uv: [] as number[] };
  const mouth = { quads: [] as number[], uv: [] as number[] };
  for (let quad = 0; quad < data.body.quads.length; quad += 4) {
    const corners = data.body.quads.subarray(quad, quad + 4);
    if (!corners.every((vertex) => data.vertices[vertex * 3 + 1] > lowestY)) continue;
    const uv = data.body.uv.subarray(quad * 2, quad * 2 + 8);
    const surface = insideMouth(uv) ? mouth : skin;
    surface.quads.push(...Array.from(corners, kept));
    surface.uv.push(...uv);
  }
  const refit = (proxy: Piece): Piece => ({ ...proxy, references: proxy.references.map(kept) });
  const hair = refit(data.hair);
  const eyes = refit(data.eyes);
  const brows = refit(data.brows);
  const originals = [...index.keys()];
  const base = new Float32Array(originals.length * 3);
  for (const [to, from] of originals.entries()) base.set(data.vertices.subarray(from * 3, from * 3 + 3), to * 3);
  const morphs: HeadModel["morphs"] = new Map();
  for (const [name, full] of data.targets) {
    const moved = originals.flatMap((from, to) =>
      full[from * 3] !== 0 || full[from * 3 + 1] !== 0 || full[from * 3 + 2] !== 0 ? [[to, from] as const] : [],
    );
    const deltas = new Float32Array(moved.length * 3);
    for (const [i, [, from]] of moved.entries()) deltas.set(full.subarray(from * 3, from * 3 + 3), i * 3);
    morphs.set(name, { indices: Uint32Array.from(moved, ([to]) => to), deltas });
  }
  return {
    base,
    beard: Float32Array.from({ length: base.length / 3 }, (_, i) =>
      beardAt(base[i * 3], base[i * 3 + 1], base[i * 3 + 2]),
    ),
    morphs,
    skin: packed(skin),
    mouth: packed(mouth),
    hair,
    eyes,
    brows,
    eyeVertices: Uint32Array.from(new Set(eyes.references)),
    skins: data.skins,
  };
}

const packed = ({ quads, uv }: { quads: number[]; uv: number[] }): Surface => ({
  quads: Uint32Array.from(quads),
  uv: Float32Array.from(uv),
});

/** Where the inside of the mouth lies in MakeHuman's skin texture: u and v from, to (origin bottom left). */
const mouthInSkin = { u: [0.755, 0.925], v: [0.015, 0.13] } as const;

/** Whether a quad with these corners' u and v is of the inside of the mouth. */
function insideMouth(uv: Float32Array): boolean {
  const { u, v } = mouthInSkin;
  return uv.every((value, i) => (i % 2 === 0 ? value > u[0] && value < u[1] : value > v[0] && value < v[1]));
}

/** Beard of the unmorphed head at a point, decimetres: below nose and cheekbones, around the lips, not on the neck's back. */
function beardAt(x: number, y: number, z: number): number {
  const step = (value: number, width: number) => Math.min(1, Math.max(0, value / width + 0.5));
  const lips = Math.hypot(x / 0.36, (y - 6.64) / 0.17);
  return (
    step(6.95 - 0.25 * Math.max(0, 0.5 - Math.abs(x)) - y, 0.15) *
    step(y - 6, 0.2) *
    step(z - 0.5, 0.4) *
    step(lips - 1.05, 0.3)
  );
}

/** base + Σ weight · target, over all vertices (3 numbers each); unknown targets throw. */
export function morph(model: HeadModel, weights: Map<string, number>): Float32Array {
  const shape = model.base.slice();
  for (const [name, weight] of weights) {
    if (weight === 0) continue;
    const target = model.morphs.get(name);
    if (target === undefined) throw new Error(`no target ${name}`);
    const { indices, deltas } = target;
    for (let i = 0; i < indices.length; i++) {
      const at = indices[i] * 3;
      shape[at] += weight * deltas[i * 3];
      shape[at + 1] += weight * deltas[i * 3 + 1];
      shape[at + 2] += weight * deltas[i * 3 + 2];
    }
  }
  return shape;
}

/** Vertices of a piece fitted to a morphed body. */
export function fitted(proxy: Piece, body: Float32Array): Float32Array {
  const vertices = proxy.offsets.slice();
  for (let i = 0; i < proxy.references.length; i++) {
    const from = proxy.references[i] * 3;
    const to = Math.floor(i / 3) * 3;
    const weight = proxy.weights[i];
    vertices[to] += weight * body[from];
    vertices[to + 1] += weight * body[from + 1];
    vertices[to + 2] += weight * body[from + 2];
  }
  return vertices;
}
