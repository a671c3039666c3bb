import { ranks } from "../../../server/model/measures/rank.ts";
import type { Codes } from "../../../server/model/measures/udr.ts";

/** What a model says of the heads to measure on, as far as the ranking asks. */
export interface KeptCodes {
  klNats: readonly number[];
  /** Base64 of little-endian 16-bit numbers [latents][heads]: how many heads have a lower posterior mean, which is what Spearman's ρ knows of it. */
  below: string;
}

/** Of more heads the first so many: ρ is known to ±0.02 by then. */
const MOST_HEADS = 2000;

export function keepCodes({ latents, klNats }: Codes): KeptCodes {
  const heads = Math.min(MOST_HEADS, latents[0].length);
  const bytes = new DataView(new ArrayBuffer(2 * heads * latents.length));
  latents.forEach((means, l) => {
    const below = ranks(
      Array.from({ length: heads }, (_, i) => means[i]),
      (first) => first,
    );
    for (const [i, lower] of below.entries()) bytes.setUint16(2 * (l * heads + i), lower, true);
  });
  return { klNats, below: Buffer.from(bytes.buffer).toString("base64") };
}

/** Of which only ranks are known. */
export function codesOf({ klNats, below }: KeptCodes): Codes {
  const bytes = Buffer.from(below, "base64");
  const heads = bytes.length / 2 / klNats.length;
  const latents = klNats.map((_, l) =>
    Float64Array.from({ length: heads }, (_, i) => bytes.readUInt16LE(2 * (l * heads + i))),
  );
  return { latents, klNats };
}
