import { existsSync } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { z } from "zod";
import { ConfigurationError } from "../../failure.ts";
import { luma } from "../luma.ts";

/** Square images in memory, bytes [count][side][side][channels]: RGB or grey. */
export interface ImageSet {
  count: number;
  side: number;
  channels: 1 | 3;
  pixels: Uint8Array;
  /** What the folder says of itself (manifest.json), if it does. */
  manifest: unknown;
}

const packedSchema = z.looseObject({
  format: z.literal("latentloop-faces/1"),
  count: z.int().positive(),
  image: z.looseObject({ width: z.int().positive() }),
  packed: z.string(),
});

/**
 * Reads a folder of images: what `latentloop faces` wrote (packed, quick), or any PNG or JPEG files in it or in its
 * images/; all become RGB, or grey if `gray` says so. They are all of one square size, unless `size` is given: then each is cropped to a square
 * about its middle and scaled to that side. Throws ConfigurationError for no folder, no images, a broken one, or mixed sizes.
 */
export async function readImages(
  folder: string,
  { size, gray = false }: { size?: number | undefined; gray?: boolean } = {},
): Promise<ImageSet> {
  const colours: ImageSet = { ...(await readColours(folder, size)), channels: 3 };
  return gray ? inGray(colours) : colours;
}

/** The same images by their brightness alone. */
export const inGray = (rgb: ImageSet): ImageSet => ({ ...rgb, channels: 1, pixels: grayOf(rgb.pixels) });

const grayOf = (rgb: Uint8Array): Uint8Array =>
  Uint8Array.from({ length: rgb.length / 3 }, (_, i) => Math.round(luma(rgb[3 * i], rgb[3 * i + 1], rgb[3 * i + 2])));

type Colours = Omit<ImageSet, "channels">;

async function readColours(folder: string, size?: number): Promise<Colours> {
  if (!(await stat(folder).catch(() => undefined))?.isDirectory()) {
    throw new ConfigurationError(`--images: expected a folder, found none at ${folder}`);
  }
  const manifestFile = join(folder, "manifest.json");
  const manifest: unknown = existsSync(manifestFile) ? JSON.parse(await readFile(manifestFile, "utf8")) : undefined;
  const packed = packedSchema.safeParse(manifest);
  const scaled = packed.success && size !== undefined && size !== packed.data.image.width;
  if (packed.success && !scaled && existsSync(join(folder, packed.data.packed))) {
    const { count, image } = packed.data;
    const pixels = new Uint8Array(await readFile(join(folder, packed.data.packed)));
    const expected = count * image.width ** 2 * 3;
    if (pixels.length !== expected) {
      throw new ConfigurationError(
        `${packed.data.packed} in ${folder}: expected ${expected} bytes, found ${pixels.length}`,
      );
    }
    return { count, side: image.width, pixels, manifest };
  }
  return { ...(await readFiles(existsSync(join(folder, "images")) ? join(folder, "images") : folder, size)), manifest };
}

async function readFiles(folder: string, size?: number): Promise<Omit<Colours, "manifest">> {
  const names = (await readdir(folder)).filter((name) => /\.(png|jpe?g)$/i.test(name)).sort();
  if (names.length === 0) throw new ConfigurationError(`--images: expected PNG or JPEG files in ${folder}, found none`);
  let side = 0;
  let pixels = new Uint8Array(0);
  for (const [i, name] of names.entries()) {
    const file = sharp(join(folder, name)).autoOrient();
    const { data, info } = await (size === undefined ? file : file.resize(size, size, { fit: "cover" }))
      .flatten()
      .toColourspace("srgb")
      .raw()
      .toBuffer({ resolveWithObject: true })
      .catch((error: Error) => {
        throw new ConfigurationError(`${join(folder, name)}: expected an image, ${error.message.split("\n")[0]}`);
      });
    if (i === 0) {
      side = info.width;
      pixels = new Uint8Array(names.length * side * side * 3);
    }
    if (info.width !== side || info.height !== side || info.channels !== 3) {
      const found = `${info.width} × ${info.height} with ${info.channels} channels`;
      throw new ConfigurationError(
        `${join(folder, name)}: expected ${side} × ${side} RGB as the first, found ${found}; --size 64 would scale them all`,
      );
    }
    pixels.set(data, i * side * side * 3);
  }
  return { count: names.length, side, pixels };
}
