import { join } from "node:path";
import type { Page } from "playwright-core";
import sharp from "sharp";
import type { Box } from "../../stimulus-client/layout.ts";

/** The screen as RGB. `LATENTLOOP_SHOTS` keeps the picture in a folder, to be looked at. */
export async function screenshot(page: Page, name: string) {
  const folder = process.env.LATENTLOOP_SHOTS;
  const png = await page.screenshot(folder === undefined ? {} : { path: join(folder, `${name}.png`) });
  const { data, info } = await sharp(png).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  return {
    at: (x: number, y: number) => [...data.subarray(3 * (y * info.width + x), 3 * (y * info.width + x) + 3)],
    info,
  };
}

export type At = Awaited<ReturnType<typeof screenshot>>["at"];

/** Pixels of the screen in `box` that are not the face's pixel enlarged. */
export function differing(at: At, face: { width: number; pixels: Uint8Array }, box: Box): number {
  const scale = box.width / face.width;
  let different = 0;
  for (let y = 0; y < box.height; y++) {
    for (let x = 0; x < box.width; x++) {
      const source = 4 * (Math.floor(y / scale) * face.width + Math.floor(x / scale));
      if (at(box.x + x, box.y + y).some((value, channel) => value !== face.pixels[source + channel])) different++;
    }
  }
  return different;
}
