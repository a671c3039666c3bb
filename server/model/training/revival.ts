import type { Random } from "../../../sim/random.ts";
import type { Architecture } from "../network.ts";
import type { Weights } from "./trainer.ts";

/**
 * Gives latents that a model does not use another chance. An unused latent sits on a saddle: its decoder weights are near
 * 0, so the encoder learns nothing for it, and the other way round; it leaves only slowly even when β no longer holds it
 * there. Its weights are drawn anew, a third as large as those of the latents in use, with a posterior of mean near 0 and
 * sd 0.6: some reconstruction is lost at first. `dead` lists the latents; the others' weights stay.
 */
export function revived(a: Architecture, weights: Weights, dead: readonly number[], generator: Random): Weights {
  const posterior = weights["encoder/posterior/kernel"].slice();
  const bias = weights["encoder/posterior/bias"].slice();
  const decoder = weights["decoder/hidden/kernel"].slice();
  const alive = Array.from({ length: a.latents }, (_, i) => i).filter((i) => !dead.includes(i));
  const meanColumn = (latent: number) => Array.from({ length: a.hidden }, (_, h) => h * 2 * a.latents + latent);
  const row = (latent: number) => Array.from({ length: a.hidden }, (_, h) => latent * a.hidden + h);
  const size = (values: Float32Array, places: number[]) =>
    places.length === 0 ? 0.1 : Math.sqrt(places.reduce((sum, k) => sum + values[k] ** 2, 0) / places.length);
  const posteriorSize = size(posterior, alive.flatMap(meanColumn)) / 3;
  const decoderSize = size(decoder, alive.flatMap(row)) / 3;
  for (const latent of dead) {
    const draws = generator.split("revived", latent);
    for (const k of meanColumn(latent)) {
      posterior[k] = posteriorSize * draws.normal();
      posterior[k + a.latents] = 0;
    }
    bias[latent] = 0;
    bias[latent + a.latents] = 2 * Math.log(0.6);
    for (const k of row(latent)) decoder[k] = decoderSize * draws.normal();
  }
  return {
    ...weights,
    "encoder/posterior/kernel": posterior,
    "encoder/posterior/bias": bias,
    "decoder/hidden/kernel": decoder,
  };
}
