import { existsSync } from "node:fs";
import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterEach, expect, test, vi } from "vitest";
import { makehumanFolder, makehumanPackage, readHeadData } from "../../../sim/faces/makehuman.ts";

afterEach(() => vi.unstubAllEnvs());

const label = `${makehumanPackage.name}-${makehumanPackage.version}`;

test("an archive that is not the package this was written for is refused and thrown away", async () => {
  const cache = await mkdtemp(join(tmpdir(), "cache-"));
  vi.stubEnv("LATENTLOOP_CACHE", cache);
  await writeFile(join(cache, `${label}.tgz`), "something else");
  await expect(makehumanFolder(() => {})).rejects.toThrow(/expected integrity sha512-.*found sha512-/);
  expect(existsSync(join(cache, `${label}.tgz`))).toBe(false);
});

test("data already in the cache are used without a question to the registry", async () => {
  const cache = await mkdtemp(join(tmpdir(), "cache-"));
  vi.stubEnv("LATENTLOOP_CACHE", cache);
  await mkdir(join(cache, label));
  expect(await makehumanFolder(() => expect.unreachable("it spoke"))).toBe(join(cache, label));
});

test("mesh, pieces and targets are read as the package lays them out", async () => {
  const folder = await mkdtemp(join(tmpdir(), "data-"));
  const write = async (file: string, contents: unknown) => {
    await mkdir(join(folder, file, ".."), { recursive: true });
    if (contents instanceof Uint8Array) await writeFile(join(folder, file), contents);
    else await writeFile(join(folder, file), JSON.stringify(contents));
  };
  const png = await sharp({ create: { width: 2, height: 1, channels: 3, background: { r: 1, g: 2, b: 3 } } })
    .png()
    .toBuffer();
  // Four vertices; a quad of the body (material 0) and one of a helper (material 1), which is left out.
  const vertices = [0, 0, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0];
  const uvs = [[0, 0, 0.5, 0, 0.5, 1]];
  const faces = [11, 0, 1, 2, 3, 0, 0, 1, 2, 2, 11, 3, 2, 1, 0, 1, 0, 0, 0, 0];
  await write("public/data/models/human_full_size.json", { vertices, faces, uvs });
  const piece = {
    vertices: [],
    faces: faces.slice(0, 10),
    uvs,
    ref_vIdxs: [[1, 2, 3]],
    weights: [[0.5, 0.25, 0.25]],
    offsets: [[0, 0, 1]],
  };
  const proxies = "public/data/proxies";
  for (const [name, texture] of [
    ["hair/long01/long01", "hair/long01/textures/long01_diffuse"],
    ["eyes/Low-Poly/Low-Poly", "eyes/Low-Poly/textures/brown_eye"],
    ["eyebrows/eyebrow001/eyebrow001", "eyebrows/eyebrow001/textures/eyebrow001"],
  ]) {
    await write(`${proxies}/${name}.json`, piece);
    await write(`${proxies}/${texture}.png`, new Uint8Array(png));
  }
  for (const age of ["young", "old"]) {
    for (const gender of ["female", "male"]) {
      const skins = "public/data/skins";
      await write(
        `${skins}/${age}_caucasian_${gender}/textures/${age}_lightskinned_${gender}_diffuse.png`,
        new Uint8Array(png),
      );
      await write(
        `${skins}/${age}_african_${gender}/textures/${age}_darkskinned_${gender}_diffuse.png`,
        new Uint8Array(png),
      );
    }
  }
  // Written in another order than they are stored: the file has them by sorted name.
  await write("src/json/targets/target-list.json", {
    targets: { "data/targets/b.target": [], "data/targets/a.target": [] },
  });
  const deltas = Int16Array.from({ length: 24 }, (_, i) => (i < 12 ? 1000 : -500));
  await write("public/data/targets/targets.bin", new Uint8Array(deltas.buffer));

  const data = await readHeadData(folder, ["b"]);
  expect(Array.from(data.body.quads)).toEqual([0, 1, 2, 3]);
  expect(Array.from(data.body.uv)).toEqual([0, 0, 0.5, 0, 0.5, 1, 0.5, 1]);
  expect(Array.from(data.targets.get("b")!)).toEqual(new Array(12).fill(-0.5));
  expect(Array.from(data.hair.references)).toEqual([1, 2, 3]);
  expect(data.eyes.texture).toMatchObject({ width: 2, height: 1 });
  expect(Array.from(data.brows.texture.rgba.subarray(0, 4))).toEqual([1, 2, 3, 255]);
  expect(data.skins.size).toBe(8);
  await expect(readHeadData(folder, ["c"])).rejects.toThrow("no MakeHuman target c");
});
