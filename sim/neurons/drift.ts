import type { Random } from "../../server/random.ts";

/** Swings by ± amplitude about where it was at presentation 0, with a period of 400 to 1,200 presentations. */
export function swing(amplitude: number, random: Random): (presentation: number) => number {
  const period = 400 + 800 * random.uniform();
  const phase = 2 * Math.PI * random.uniform();
  const at = (presentation: number) => amplitude * Math.sin((2 * Math.PI * presentation) / period + phase);
  const start = at(0);
  return (presentation) => at(presentation) - start;
}

type Rate = (latents: ArrayLike<number>, presentation: number) => number;

/** The rate of a unit whose log gain, and whose preferred values, move with the presentations. */
export function wandering(
  rateHz: Rate,
  logGain: (presentation: number) => number,
  shift: (presentation: number) => number,
  latents: number,
): Rate {
  const moved = new Float64Array(latents);
  return (z, presentation) => {
    for (let d = 0; d < latents; d++) moved[d] = z[d] - shift(presentation);
    return Math.exp(logGain(presentation)) * rateHz(moved, presentation);
  };
}
