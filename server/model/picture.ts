import sharp from "sharp";
import { ConfigurationError } from "../failure.ts";

/** An image as RGBA bytes of a model's size: cropped about its middle and scaled. @throws ConfigurationError where it can't be read */
export async function readPicture(
  file: string,
  size: { width: number; height: number },
  gray: boolean,
): Promise<Uint8Array> {
  const picture = sharp(file).flatten().toColourspace("srgb").resize(size.width, size.height, { fit: "cover" });
  const pixels = await (gray ? picture.grayscale().toColourspace("srgb") : picture)
    .ensureAlpha()
    .raw()
    .toBuffer()
    .catch((error: Error) => {
      throw new ConfigurationError(`${file}: expected an image, ${error.message.split("\n")[0]}`);
    });
  return new Uint8Array(pixels);
}
