import type { FacesRecipe } from "./data-set.ts";
import { makehumanFolder } from "./makehuman.ts";
import { headsAtOnce, renderHeads } from "./render-pool.ts";

/**
 * The heads of a recipe, rendered into memory that threads share: RGB bytes [count][size][size][3].
 *
 * @param said told what is waited for
 * @throws ConfigurationError if MakeHuman's data can't be had, and the reason of `stopped`
 */
export async function drawHeads(
  recipe: FacesRecipe,
  threads: number,
  said: (words: string) => void,
  stopped?: AbortSignal,
): Promise<Uint8Array> {
  const { count, size } = recipe;
  const bytes = size * size * 3;
  const makehuman = await makehumanFolder(said);
  const pixels = new Uint8Array(new SharedArrayBuffer(count * bytes));
  const starts = Array.from({ length: Math.ceil(count / headsAtOnce) }, (_, i) => i * headsAtOnce);
  let drawn = 0;
  const tenths = () => Math.floor((10 * drawn) / count);
  const keep = (from: number, some: Uint8Array) => {
    pixels.set(some, from * bytes);
    const before = tenths();
    drawn += some.length / bytes;
    if (tenths() > before) said(`${drawn} of ${count} heads drawn`);
  };
  await renderHeads(makehuman, recipe, starts, threads, keep, stopped);
  return pixels;
}
