import { existsSync } from "node:fs";
import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { makehumanFolder, makehumanPackage, readHeadData } from "../../../sim/faces/makehuman.ts";
import { writeMakehuman } from "./package.ts";

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
  // Four vertices; a quad of the body (material 0) and one of a helper (material 1), which is left out.
  const targets = new Map([
    ["b", -500],
    ["a", 1000],
  ]);
  await writeMakehuman(folder, [0, 0, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0], targets);

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
