import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { expect, test } from "vitest";
import { ConfigurationError } from "../../server/failure.ts";
import { readImages } from "../../server/model/training/images.ts";

const emptyFolder = () => mkdtemp(join(tmpdir(), "images-"));

async function picture(folder: string, name: string, width: number, height: number, shade: number) {
  await sharp({ create: { width, height, channels: 3, background: { r: shade, g: 0, b: 255 } } }).toFile(
    join(folder, name),
  );
}

test("images are read in the order of their names, from the folder or its images/", async () => {
  for (const within of [".", "images"]) {
    const folder = await emptyFolder();
    await mkdir(join(folder, within), { recursive: true });
    await picture(join(folder, within), "b.png", 8, 8, 20);
    await picture(join(folder, within), "a.png", 8, 8, 10);
    const images = await readImages(folder);
    expect([images.count, images.side]).toEqual([2, 8]);
    expect(Array.from(images.pixels.subarray(0, 3))).toEqual([10, 0, 255]);
    expect(Array.from(images.pixels.subarray(192, 195))).toEqual([20, 0, 255]);
  }
});

test("a packed set is read whole or refused", async () => {
  const folder = await emptyFolder();
  const manifest = { format: "latentloop-faces/1", count: 2, image: { width: 8 }, packed: "images.u8" };
  await writeFile(join(folder, "manifest.json"), JSON.stringify(manifest));
  await writeFile(join(folder, "images.u8"), new Uint8Array(384).fill(7));
  expect(await readImages(folder)).toMatchObject({ count: 2, side: 8, manifest });
  await writeFile(join(folder, "images.u8"), new Uint8Array(100));
  await expect(readImages(folder)).rejects.toThrow("expected 384 bytes, found 100");
});

test("no folder, no image, a broken one and mixed sizes are refused, naming the file", async () => {
  await expect(readImages("/nowhere")).rejects.toThrow(ConfigurationError);
  const folder = await emptyFolder();
  await expect(readImages(folder)).rejects.toThrow(/expected PNG or JPEG files.*found none/);
  await picture(folder, "a.png", 8, 8, 1);
  await picture(folder, "b.png", 8, 9, 1);
  await expect(readImages(folder)).rejects.toThrow(/b\.png: expected 8 × 8 RGB.*found 8 × 9/);
  await writeFile(join(folder, "b.png"), "not an image");
  await expect(readImages(folder)).rejects.toThrow(/b\.png: expected an image/);
});

test("with a size, images of any shape, grey ones too, are cropped to squares and scaled", async () => {
  const folder = await emptyFolder();
  await picture(folder, "a.png", 32, 16, 100);
  await sharp({ create: { width: 20, height: 40, channels: 3, background: "white" } })
    .greyscale()
    .toFile(join(folder, "b.jpg"));
  const images = await readImages(folder, { size: 16 });
  expect([images.count, images.side, images.pixels.length]).toEqual([2, 16, 2 * 16 * 16 * 3]);
  expect(Array.from(images.pixels.subarray(0, 3))).toEqual([100, 0, 255]);
  expect(Array.from(images.pixels.subarray(768, 771))).toEqual([255, 255, 255]);
});

test("grey: the brightness of each pixel, from files and from a packed set", async () => {
  const folder = await emptyFolder();
  await picture(folder, "a.png", 8, 8, 100);
  const grey = Math.round(0.299 * 100 + 0.114 * 255);
  expect(await readImages(folder, { gray: true })).toMatchObject({
    channels: 1,
    pixels: new Uint8Array(64).fill(grey),
  });
  const manifest = { format: "latentloop-faces/1", count: 1, image: { width: 8 }, packed: "images.u8" };
  await writeFile(join(folder, "manifest.json"), JSON.stringify(manifest));
  const rgb = Uint8Array.from({ length: 192 }, (_, i) => [100, 0, 255][i % 3]);
  await writeFile(join(folder, "images.u8"), rgb);
  expect((await readImages(folder, { gray: true })).pixels).toEqual(new Uint8Array(64).fill(grey));
});
