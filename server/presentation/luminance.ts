/** What is sent to a screen so that its light is what was meant (SPEC.md, S15). Pure. */
import type { Experiment } from "../../protocols/experiment.ts";

export interface Luminance {
  /** A grey of the experiment file (0 to 1, as on an sRGB screen) as the level to send, 0 to 1. */
  level(grey: number): number;
  /** A face's RGBA as the decoder drew it, for an sRGB screen: what to send. Alpha is kept. */
  face(pixels: Uint8Array): Uint8Array;
}

/** Rec. 709 luminance of linear RGB. */
const WEIGHTS = [0.2126, 0.7152, 0.0722] as const;
/** Scaling a face clips its brightest pixels, which darkens it: scaled again until the mean is right to a thousandth. */
const ROUNDS = 8;
const CLOSE = 1e-3;

export function createLuminance({ luminance: { gamma, matchFaces }, stimulus }: Experiment): Luminance {
  const levelOf = gamma === undefined ? fromLinear : inverse(gamma);
  /** Linear light, in units of a 4096th, to a level of 0 to 255. */
  const levels = Uint8Array.from({ length: 4097 }, (_, i) => Math.round(255 * levelOf(i / 4096)));
  const light = Float64Array.from({ length: 256 }, (_, i) => toLinear(i / 255));
  const aim = toLinear(stimulus.background);
  const isPlain = gamma === undefined && !matchFaces;
  return {
    level: (grey) => (gamma === undefined ? grey : levelOf(toLinear(grey))),
    face(pixels) {
      if (isPlain) return pixels;
      const scale = matchFaces ? scaleTo(aim, pixels, light) : 1;
      return pixels.map((value, i) =>
        i % 4 === 3 ? value : levels[Math.round(4096 * Math.min(1, scale * light[value]))],
      );
    },
  };
}

/** Factor on linear light that gives a face's mean luminance `aim`, with what is clipped at white. */
function scaleTo(aim: number, pixels: Uint8Array, light: Float64Array): number {
  let scale = 1;
  for (let round = 0; round < ROUNDS; round++) {
    let sum = 0;
    for (let i = 0; i < pixels.length; i += 4)
      for (let channel = 0; channel < 3; channel++)
        sum += WEIGHTS[channel] * Math.min(1, scale * light[pixels[i + channel]]);
    const mean = sum / (pixels.length / 4);
    if (mean === 0 || Math.abs(mean / aim - 1) < CLOSE) break;
    scale *= aim / mean;
  }
  return scale;
}

/** IEC 61966-2-1: level 0 to 1 of an sRGB screen to linear light, and back. */
const toLinear = (level: number): number => (level <= 0.04045 ? level / 12.92 : ((level + 0.055) / 1.055) ** 2.4);
const fromLinear = (light: number): number => (light <= 0.0031308 ? light * 12.92 : 1.055 * light ** (1 / 2.4) - 0.055);

/** Linear light, 0 the screen's darkest and 1 its brightest, to the level that gives it. */
function inverse(gamma: number | [number, number][]): (light: number) => number {
  if (typeof gamma === "number") return (light) => light ** (1 / gamma);
  const dark = gamma[0][1];
  const bright = gamma[gamma.length - 1][1];
  return (light) => {
    const wanted = dark + light * (bright - dark);
    const reached = gamma.findIndex(([, cd]) => cd >= wanted);
    // By rounding, white may be meant a little brighter than the brightest entry.
    const above = reached < 0 ? gamma.length - 1 : Math.max(1, reached);
    const [[fromLevel, fromCd], [toLevel, toCd]] = [gamma[above - 1], gamma[above]];
    const share = toCd > fromCd ? Math.min(1, (wanted - fromCd) / (toCd - fromCd)) : 0;
    return (fromLevel + share * (toLevel - fromLevel)) / 255;
  };
}
