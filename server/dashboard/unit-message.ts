import type { Picture, UnitMessage } from "../../protocols/wire/dashboard.ts";
import { bytesOf } from "../../protocols/wire/message.ts";
import type { UnitLook } from "./analyst.ts";
import type { FeedTrial } from "./feed.ts";
import { RASTER_FROM_MS, RASTER_TO_MS, type Raster } from "./raster.ts";

/**
 * One unit's page.
 *
 * @param u the unit's place among all
 * @param pictures one for each stop of the strip, and that of the peak; null where it has not been drawn yet
 */
export function unitMessage(
  unit: string,
  u: number,
  trials: readonly FeedTrial[],
  about: Raster,
  { report, strip }: UnitLook,
  pictures: readonly (Picture | null)[],
): UnitMessage {
  const seen = trials.filter(({ counts }) => !Number.isNaN(counts[u]));
  const raster = about.of(u);
  const { bestLatent, shares, sharesInterval, baselineHz, alignment, axis, peak, fano, codes, heldOut, misfit } =
    report;
  return {
    op: "unit",
    unit,
    trials: seen.length,
    bestLatent,
    shares,
    sharesInterval,
    baselineHz,
    alignment,
    axis,
    peak,
    fano,
    codes,
    heldOut: heldOut && { trials: heldOut.trials, gain: heldOut.gain },
    misfit,
    facesF32: bytesOf(Float32Array.from(seen.flatMap(({ latents }) => Array.from(latents)))),
    ratesF32: bytesOf(Float32Array.from(seen, ({ counts, windowS }) => counts[u] / windowS)),
    strip: strip.map(({ t, rateHz }, i) => ({ t, rateHz, picture: pictures[i] })),
    peakPicture: pictures[strip.length],
    raster: {
      trials: raster.trials,
      fromMs: RASTER_FROM_MS,
      toMs: RASTER_TO_MS,
      rowU16: bytesOf(raster.row),
      msF32: bytesOf(raster.ms),
    },
  };
}
