import { writeFile } from "node:fs/promises";
import sharp from "sharp";
import { ConfigurationError } from "../failure.ts";

/** Writes what `sheet` gives to a file. */
export async function writeSheet(file: string, ...pictures: Parameters<typeof sheet>): Promise<void> {
  await writeFile(file, await sheet(...pictures)).catch((error: Error) => {
    throw new ConfigurationError(`${file}: expected a file to write to, ${error.message}`);
  });
}

/**
 * Pictures in rows as one PNG, `zoom` times enlarged without smoothing. Pictures are RGB bytes of width × height; all rows
 * are as long as the first. Labels, if given, stand left of their rows.
 */
export async function sheet(
  rows: readonly (readonly Uint8Array[])[],
  { width, height }: { width: number; height: number },
  zoom = 1,
  labels: readonly string[] = [],
): Promise<Buffer> {
  const across = rows[0].length * width;
  const down = rows.length * height;
  const pixels = new Uint8Array(across * down * 3);
  for (const [r, row] of rows.entries()) {
    for (const [c, picture] of row.entries()) {
      for (let y = 0; y < height; y++) {
        const line = picture.subarray(y * width * 3, (y + 1) * width * 3);
        pixels.set(line, ((r * height + y) * across + c * width) * 3);
      }
    }
  }
  const left = labels.length > 0 ? 8 * Math.max(...labels.map((label) => label.length)) + 12 : 0;
  const enlarged = await sharp(pixels, { raw: { width: across, height: down, channels: 3 } })
    .resize(across * zoom, down * zoom, { kernel: "nearest" })
    .png()
    .toBuffer();
  const text = labels.map(
    (label, r) =>
      `<text x="6" y="${(r + 0.5) * height * zoom + 5}" font-family="sans-serif" font-size="14">${escaped(label)}</text>`,
  );
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${left}" height="${down * zoom}">${text.join("")}</svg>`;
  return sharp({
    create: { width: across * zoom + left, height: down * zoom, channels: 3, background: "white" },
  })
    .composite([{ input: enlarged, left, top: 0 }, ...(left > 0 ? [{ input: Buffer.from(svg), left: 0, top: 0 }] : [])])
    .png()
    .toBuffer();
}

/** RGB bytes of picture `index` of RGBA ones of `pixels` pixels each. */
export const rgbOf = (rgba: Uint8Array, index: number, pixels: number): Uint8Array =>
  withoutAlpha(rgba.subarray(index * pixels * 4, (index + 1) * pixels * 4));

/** Columns of a sheet of traversals, in standard deviations of the prior. */
export const traversalPositions = [-3, -2, -1, 0, 1, 2, 3];

/** A row of RGB pictures for each latent: it moves over `traversalPositions`, the others stay at 0. */
export async function traversals(
  decode: (latents: Float32Array) => Promise<Uint8Array>,
  count: number,
  pixels: number,
): Promise<Uint8Array[][]> {
  const columns = traversalPositions.length;
  const codes = new Float32Array(count * columns * count);
  for (let latent = 0; latent < count; latent++) {
    for (const [column, value] of traversalPositions.entries()) {
      codes[(latent * columns + column) * count + latent] = value;
    }
  }
  const faces = await decode(codes);
  return Array.from({ length: count }, (_, latent) =>
    traversalPositions.map((_, column) => rgbOf(faces, latent * columns + column, pixels)),
  );
}

/** Text for SVG and HTML, outside of attributes. */
export const escaped = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

/** RGB bytes of RGBA ones. */
export const withoutAlpha = (rgba: Uint8Array): Uint8Array => rgba.filter((_, i) => i % 4 < 3);
