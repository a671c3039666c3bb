import type { Factors } from "./factors.ts";
import { fitted, type HeadModel, morph, targetWeights } from "./head.ts";
import type { Surface, Texture } from "./makehuman.ts";
import { attributesPerPixel, type Corners, clear, geometryBuffer, rasterise } from "./rasterise.ts";

type Colour = readonly [number, number, number];

const layers = { background: 0, skin: 1, eyes: 2, brows: 3, hair: 4, mouth: 5 } as const;
/** Samples a pixel and axis; also the period of the alpha-to-coverage pattern. */
const samples = 3;
/** Decimetres from the middle of the picture to its edge; the middle lies this far below the eyes. */
const halfView = 0.81;
const eyesAboveMiddle = 0.3;

const skinLight: Colour = [0.72, 0.55, 0.455];
const skinDark: Colour = [0.565, 0.405, 0.32];
const hairColours: readonly Colour[] = [
  [0.13, 0.085, 0.07],
  [0.25, 0.16, 0.1],
  [0.42, 0.3, 0.16],
];
const browColour: Colour = [0.12, 0.09, 0.075];
/** Part of the skin's red, green and blue that a full beard's shadow takes away. */
const beardDims: Colour = [0.42, 0.36, 0.24];
const teeth: Colour = [0.95, 0.92, 0.86];
const backgroundBlue: Colour = [0.26, 0.34, 0.72];
const backgroundGreen: Colour = [0.34, 0.7, 0.4];

/** A renderer of `size` × `size` heads; it keeps its working memory, so use one for each thread. */
export interface Renderer {
  /** RGB bytes, row by row from the top; the array is the caller's. */
  render(factors: Factors): Uint8Array;
}

/** Draws heads; what is seen depends on the factors alone. */
export function createRenderer(model: HeadModel, size: number): Renderer {
  const side = size * samples;
  const buffer = geometryBuffer(side, side);
  const skinDetail = skinDetails(model.skins);
  const hairDetail = relative(model.hair.texture);
  return {
    render(f) {
      clear(buffer);
      const shape = morph(model, targetWeights(f));
      const place = placement(shape, model.eyeVertices, f, side);
      const draw = (surface: Surface, vertices: Float32Array, layer: number, keep?: Parameters<typeof rasterise>[3]) =>
        rasterise(buffer, corners(surface, vertices, place), layer, keep);
      rasterise(buffer, corners(model.skin, shape, place, model.beard), layers.skin);
      draw(model.mouth, shape, layers.mouth);
      draw(model.eyes, fitted(model.eyes, shape), layers.eyes);
      const browTexture = model.brows.texture;
      const browWeight = 1.6 + 0.9 * f.gender;
      draw(model.brows, fitted(model.brows, shape), layers.brows, (a, x, y) => {
        return browWeight * alpha(browTexture, a[0], a[1]) > coverage(x, y);
      });
      // The cut falls from the forehead's height, the shortest hair, to below the picture.
      const cutY = place.eyeY + 0.4 - 1.1 * f.hair_length;
      draw(model.hair, fitted(model.hair, shape), layers.hair, (a, x, y) => {
        const cut = Math.min(1, Math.max(0, (a[5] - cutY) / 0.3 + 0.5));
        return cut * 1.4 * alpha(model.hair.texture, a[0], a[1]) > coverage(x, y);
      });
      return shade();

      function shade(): Uint8Array {
        const light = direction(f.light_azimuth_rad, 0.45);
        const tone = mix(skinLight, skinDark, f.skin_tone);
        const hair = path(hairColours, f.hair_colour);
        const brow = browColour;
        const back = mix(backgroundBlue, backgroundGreen, f.background);
        const detailWeights = [
          (1 - f.gender) * (1 - f.age),
          f.gender * (1 - f.age),
          (1 - f.gender) * f.age,
          f.gender * f.age,
        ];
        const sum = new Float32Array(size * size * 3);
        const texel = new Float32Array(3);
        for (let y = 0; y < side; y++) {
          for (let x = 0; x < side; x++) {
            const pixel = y * side + x;
            const at = (Math.floor(y / samples) * size + Math.floor(x / samples)) * 3;
            const layer = buffer.layer[pixel];
            if (layer === layers.background) {
              for (let c = 0; c < 3; c++) sum[at + c] += back[c];
              continue;
            }
            const a = pixel * attributesPerPixel;
            const u = buffer.attributes[a];
            const v = buffer.attributes[a + 1];
            let nx = buffer.attributes[a + 2];
            let ny = buffer.attributes[a + 3];
            let nz = buffer.attributes[a + 4];
            const norm = Math.hypot(nx, ny, nz) || 1;
            // Sheets of hair have no inside: light whichever side is seen.
            const sign = layer === layers.hair && nz < 0 ? -1 / norm : 1 / norm;
            nx *= sign;
            ny *= sign;
            nz *= sign;
            const facing = nx * light[0] + ny * light[1] + nz * light[2];
            const wrapped = Math.max(0, (facing + 0.25) / 1.25);
            const lit = 0.36 + 0.76 * wrapped;
            if (layer === layers.skin) {
              texel.fill(0);
              for (let k = 0; k < 4; k++) addSample(skinDetail[k], u, v, detailWeights[k], texel);
              const beard = f.gender * buffer.attributes[a + 5];
              for (let c = 0; c < 3; c++) {
                sum[at + c] += Math.min(1, tone[c] * texel[c] * lit * (1 - beard * beardDims[c]));
              }
            } else if (layer === layers.eyes) {
              const t = texture(model.eyes.texture, u, v);
              for (let c = 0; c < 3; c++) {
                sum[at + c] += Math.min(1, (model.eyes.texture.rgba[t + c] / 255) * (0.35 + 0.65 * lit));
              }
            } else if (layer === layers.mouth) {
              for (let c = 0; c < 3; c++) sum[at + c] += teeth[c] * (0.55 + 0.4 * lit);
            } else if (layer === layers.brows) {
              for (let c = 0; c < 3; c++) sum[at + c] += Math.min(1, brow[c] * lit);
            } else {
              texel.fill(0);
              addSample(hairDetail, u, v, 1, texel);
              for (let c = 0; c < 3; c++) sum[at + c] += Math.min(1, hair[c] * texel[0] * lit);
            }
          }
        }
        const scale = 255 / (samples * samples);
        return Uint8Array.from(sum, (value) => Math.round(value * scale));
      }
    },
  };
}

interface Placement {
  /** Rows of the rotation, then the point turned about, then pixels a decimetre and the middle in pixels. */
  rotation: Float32Array;
  centre: Colour;
  scale: number;
  middle: number;
  eyeY: number;
}

/** Turns about a point between the ears and puts the eyes' height (before turning) at the same row for every head. */
function placement(shape: Float32Array, eyeVertices: Uint32Array, f: Factors, side: number): Placement {
  let eyeY = 0;
  let eyeZ = 0;
  for (const vertex of eyeVertices) {
    eyeY += shape[vertex * 3 + 1] / eyeVertices.length;
    eyeZ += shape[vertex * 3 + 2] / eyeVertices.length;
  }
  const cy = Math.cos(f.yaw_rad);
  const sy = Math.sin(f.yaw_rad);
  const cp = Math.cos(f.pitch_rad);
  const sp = Math.sin(f.pitch_rad);
  return {
    // Pitch after yaw: R = Rx(pitch) · Ry(yaw).
    rotation: Float32Array.of(cy, 0, sy, sp * sy, cp, -sp * cy, -cp * sy, sp, cp * cy),
    centre: [0, eyeY - eyesAboveMiddle, eyeZ - 0.25],
    scale: side / (2 * halfView),
    middle: side / 2,
    eyeY,
  };
}

/** Triangles on the screen with smooth normals; `extra` of each vertex, or else its height before turning, decimetres. */
function corners(surface: Surface, vertices: Float32Array, place: Placement, extra?: Float32Array): Corners {
  const n = vertices.length / 3;
  const r = place.rotation;
  const screen = new Float32Array(vertices.length);
  const turned = new Float32Array(vertices.length);
  for (let i = 0; i < n; i++) {
    const x = vertices[i * 3] - place.centre[0];
    const y = vertices[i * 3 + 1] - place.centre[1];
    const z = vertices[i * 3 + 2] - place.centre[2];
    const tx = r[0] * x + r[1] * y + r[2] * z;
    const ty = r[3] * x + r[4] * y + r[5] * z;
    const tz = r[6] * x + r[7] * y + r[8] * z;
    turned[i * 3] = tx;
    turned[i * 3 + 1] = ty;
    turned[i * 3 + 2] = tz;
    // A camera 12 dm away: a little perspective, as in a portrait.
    const near = (place.scale * 12) / (12 - tz);
    screen[i * 3] = place.middle + near * tx;
    screen[i * 3 + 1] = place.middle - near * ty;
    screen[i * 3 + 2] = tz;
  }
  const normals = vertexNormals(surface.quads, turned);
  const triangles = surface.quads.length / 2;
  const positions = new Float32Array(triangles * 9);
  const attributes = new Float32Array(triangles * 3 * attributesPerPixel);
  let corner = 0;
  for (let quad = 0; quad < surface.quads.length; quad += 4) {
    for (const k of quadAsTriangles) {
      const vertex = surface.quads[quad + k];
      positions.set(screen.subarray(vertex * 3, vertex * 3 + 3), corner * 3);
      const at = corner * attributesPerPixel;
      attributes[at] = surface.uv[(quad + k) * 2];
      attributes[at + 1] = surface.uv[(quad + k) * 2 + 1];
      attributes[at + 2] = normals[vertex * 3];
      attributes[at + 3] = normals[vertex * 3 + 1];
      attributes[at + 4] = normals[vertex * 3 + 2];
      attributes[at + 5] = extra === undefined ? vertices[vertex * 3 + 1] : extra[vertex];
      corner++;
    }
  }
  return { positions, attributes, triangles };
}

const quadAsTriangles = [0, 1, 2, 0, 2, 3];

/** Sum of the quads' normals (weighted by area) at each vertex; not normalised. */
function vertexNormals(quads: Uint32Array, p: Float32Array): Float32Array {
  const normals = new Float32Array(p.length);
  for (let quad = 0; quad < quads.length; quad += 4) {
    const a = quads[quad] * 3;
    const b = quads[quad + 1] * 3;
    const c = quads[quad + 2] * 3;
    const d = quads[quad + 3] * 3;
    const ux = p[c] - p[a];
    const uy = p[c + 1] - p[a + 1];
    const uz = p[c + 2] - p[a + 2];
    const vx = p[d] - p[b];
    const vy = p[d + 1] - p[b + 1];
    const vz = p[d + 2] - p[b + 2];
    const nx = uy * vz - uz * vy;
    const ny = uz * vx - ux * vz;
    const nz = ux * vy - uy * vx;
    for (const at of [a, b, c, d]) {
      normals[at] += nx;
      normals[at + 1] += ny;
      normals[at + 2] += nz;
    }
  }
  return normals;
}

/** A threshold in (0, 1) for each sample of a pixel, spread evenly: transparency becomes coverage, whatever the order. */
function coverage(x: number, y: number): number {
  return (coveragePattern[(y % samples) * samples + (x % samples)] + 0.5) / (samples * samples);
}

const coveragePattern = [0, 5, 2, 7, 4, 8, 3, 6, 1];

function texture(t: Texture, u: number, v: number): number {
  const x = Math.min(t.width - 1, Math.max(0, Math.floor(u * t.width)));
  const y = Math.min(t.height - 1, Math.max(0, Math.floor((1 - v) * t.height)));
  return (y * t.width + x) * 4;
}

const alpha = (t: Texture, u: number, v: number) => t.rgba[texture(t, u, v) + 3] / 255;

/** A texture divided by its mean colour, 3 floats a texel, so that colour can be set by a factor of its own. */
interface Detail {
  width: number;
  height: number;
  rgb: Float32Array;
}

function addSample(d: Detail, u: number, v: number, weight: number, to: Float32Array): void {
  const x = Math.min(d.width - 1, Math.max(0, Math.floor(u * d.width)));
  const y = Math.min(d.height - 1, Math.max(0, Math.floor((1 - v) * d.height)));
  const at = (y * d.width + x) * 3;
  for (let c = 0; c < 3; c++) to[c] += weight * d.rgb[at + c];
}

function relative(t: Texture): Detail {
  const texels = t.width * t.height;
  let sum = 0;
  let weight = 0;
  for (let i = 0; i < texels; i++) {
    const a = t.rgba[i * 4 + 3];
    sum += a * (t.rgba[i * 4] + t.rgba[i * 4 + 1] + t.rgba[i * 4 + 2]);
    weight += a * 3;
  }
  const mean = sum / weight;
  const rgb = new Float32Array(texels * 3);
  for (let i = 0; i < texels; i++) {
    const grey = (t.rgba[i * 4] + t.rgba[i * 4 + 1] + t.rgba[i * 4 + 2]) / (3 * mean);
    rgb.fill(grey, i * 3, i * 3 + 3);
  }
  return { width: t.width, height: t.height, rgb };
}

/** Where the face lies in MakeHuman's skin texture: u and v from, to (origin bottom left). */
const faceInSkin = { u: [0.69, 0.98], v: [0.7, 0.98] } as const;

/** Gains that make the middle of a rendered face equally light for either gender and age: measured on such pictures. */
const evenness: Record<string, number> = { young_female: 0.99, young_male: 1.14, old_female: 0.92, old_male: 1.07 };

/**
 * Young female, young male, old female, old male: light and dark skins averaged after division by the mean colour of
 * their face, so that neither gender nor age carries lightness and wrinkles show on every tone. Old ones with contrast.
 */
function skinDetails(skins: HeadModel["skins"]): Detail[] {
  return ["young", "old"].flatMap((age) =>
    ["female", "male"].map((gender) => {
      const light = normalised(skins.get(`${age}_light_${gender}`)!);
      const dark = normalised(skins.get(`${age}_dark_${gender}`)!);
      const gain = evenness[`${age}_${gender}`];
      const contrast = age === "old" ? 2.7 : 1.1;
      const rgb = light.rgb.map((value, i) => gain * Math.max(0.15, 1 + contrast * ((value + dark.rgb[i]) / 2 - 1)));
      return { ...light, rgb };
    }),
  );
}

function normalised(t: Texture): Detail {
  const mean = [0, 0, 0];
  let texels = 0;
  for (let y = Math.floor((1 - faceInSkin.v[1]) * t.height); y < (1 - faceInSkin.v[0]) * t.height; y++) {
    for (let x = Math.floor(faceInSkin.u[0] * t.width); x < faceInSkin.u[1] * t.width; x++) {
      texels++;
      for (let c = 0; c < 3; c++) mean[c] += t.rgba[(y * t.width + x) * 4 + c];
    }
  }
  const rgb = new Float32Array(t.width * t.height * 3);
  for (let i = 0; i < t.width * t.height; i++) {
    for (let c = 0; c < 3; c++) rgb[i * 3 + c] = (t.rgba[i * 4 + c] * texels) / mean[c];
  }
  return { width: t.width, height: t.height, rgb };
}

function mix(a: Colour, b: Colour, t: number): Colour {
  return [a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1]), a[2] + t * (b[2] - a[2])];
}

function path(colours: readonly Colour[], t: number): Colour {
  const position = t * (colours.length - 1);
  const from = Math.min(colours.length - 2, Math.floor(position));
  return mix(colours[from], colours[from + 1], position - from);
}

/** Unit vector towards a light at this azimuth (positive to the picture's right) and elevation, radians. */
function direction(azimuth: number, elevation: number): Colour {
  return [Math.sin(azimuth) * Math.cos(elevation), Math.sin(elevation), Math.cos(azimuth) * Math.cos(elevation)];
}
