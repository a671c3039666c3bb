import sharp from "sharp";

/**
 * Writes pictures in rows as one PNG, `zoom` times enlarged without smoothing. Pictures are RGB bytes of width × height;
 * all rows are as long as the first. Labels, if given, stand left of their rows.
 */
export async function writeSheet(
  file: string,
  rows: readonly (readonly Uint8Array[])[],
  { width, height }: { width: number; height: number },
  zoom = 1,
  labels: readonly string[] = [],
): Promise<void> {
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
  await sharp({
    create: { width: across * zoom + left, height: down * zoom, channels: 3, background: "white" },
  })
    .composite([{ input: enlarged, left, top: 0 }, ...(left > 0 ? [{ input: Buffer.from(svg), left: 0, top: 0 }] : [])])
    .png()
    .toFile(file);
}

const escaped = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

/** RGB bytes of RGBA ones. */
export const withoutAlpha = (rgba: Uint8Array): Uint8Array => rgba.filter((_, i) => i % 4 < 3);
