import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";

/**
 * Writes what the program reads of MakeHuman's npm package, of four vertices: the body's one quad, a helper's, and hair, eyes and brows of
 * one quad each on vertices 1, 2 and 3.
 *
 * @param vertices 12 numbers, decimetres
 * @param targets how far each moves every coordinate, in the file's thousandths of a decimetre; stored by sorted name, whatever their order here
 */
export async function writeMakehuman(
  folder: string,
  vertices: readonly number[],
  targets: ReadonlyMap<string, number>,
): Promise<void> {
  const write = async (file: string, contents: unknown) => {
    await mkdir(join(folder, file, ".."), { recursive: true });
    await writeFile(join(folder, file), contents instanceof Uint8Array ? contents : JSON.stringify(contents));
  };
  const png = await sharp({ create: { width: 2, height: 1, channels: 3, background: { r: 1, g: 2, b: 3 } } })
    .png()
    .toBuffer();
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
    await write(`${proxies}/${texture}.png`, png);
  }
  for (const [age, gender] of ["young", "old"].flatMap((a) => ["female", "male"].map((g) => [a, g]))) {
    const skins = "public/data/skins";
    await write(`${skins}/${age}_caucasian_${gender}/textures/${age}_lightskinned_${gender}_diffuse.png`, png);
    await write(`${skins}/${age}_african_${gender}/textures/${age}_darkskinned_${gender}_diffuse.png`, png);
  }
  const list = Object.fromEntries([...targets.keys()].map((name) => [`data/targets/${name}.target`, []]));
  await write("src/json/targets/target-list.json", { targets: list });
  const sorted = [...targets].sort(([a], [b]) => (a < b ? -1 : 1));
  const deltas = Int16Array.from(sorted.flatMap(([, by]) => Array(vertices.length).fill(by)));
  await write("public/data/targets/targets.bin", new Uint8Array(deltas.buffer));
}
