/** Where things lie on the screen, in device pixels: pure, so that a test can read a face back pixel for pixel. */
import type { Placement } from "../protocols/wire/display.ts";
import type { Welcome } from "./display-session.ts";

export interface Size {
  width: number;
  height: number;
}
export interface Box extends Size {
  x: number;
  y: number;
}

/** Device pixels that a visual angle about the screen's centre spans. */
export const pixelsOf = (deg: number, { widthCm, distanceCm }: Placement, screen: Size): number =>
  (2 * distanceCm * Math.tan((deg * Math.PI) / 360) * screen.width) / widthCm;

/** The visual angle, in degrees, of so many device pixels about the screen's centre. */
export const degreesOf = (px: number, { widthCm, distanceCm }: Placement, screen: Size): number =>
  (360 / Math.PI) * Math.atan((px * widthCm) / (2 * distanceCm * screen.width));

/** Device pixels from the screen's centre to a point that lies `deg` off it. */
const offsetOf = (deg: number, { widthCm, distanceCm }: Placement, screen: Size): number =>
  (distanceCm * Math.tan((deg * Math.PI) / 180) * screen.width) / widthCm;

/**
 * Where a face goes: at a whole-number scale, so that every pixel of it becomes a square of equal pixels. With a `placement`, the
 * scale nearest to its size in degrees, about its centre; without, the largest at which the longer side stays within
 * `faceFraction` of the shorter side of the screen (at least 1), in the middle.
 */
export function faceBox(face: Size, screen: Size, faceFraction: number, placement: Placement | null = null): Box {
  const side = Math.max(face.width, face.height);
  const scale = placement
    ? Math.round(pixelsOf(placement.sizeDeg, placement, screen) / side)
    : Math.floor((faceFraction * Math.min(screen.width, screen.height)) / side);
  const width = face.width * Math.max(1, scale);
  const height = face.height * Math.max(1, scale);
  const right = placement ? Math.round(offsetOf(placement.xDeg, placement, screen)) : 0;
  const up = placement ? Math.round(offsetOf(placement.yDeg, placement, screen)) : 0;
  return {
    x: Math.floor((screen.width - width) / 2) + right,
    y: Math.floor((screen.height - height) / 2) - up,
    width,
    height,
  };
}

/** The fixation spot's box, centred; null where there is none. */
export function fixationBox(
  { fixation, placement }: Pick<Welcome, "fixation" | "placement">,
  screen: Size,
): Box | null {
  if (fixation === null) return null;
  const wanted =
    fixation.sizeDeg !== null && placement ? pixelsOf(fixation.sizeDeg, placement, screen) : fixation.sizePx;
  const side = Math.max(1, Math.round(wanted ?? 1));
  return {
    x: Math.floor((screen.width - side) / 2),
    y: Math.floor((screen.height - side) / 2),
    width: side,
    height: side,
  };
}

/** The patch for the photodiode, flush with its corner; null where the rig has none. */
export function patchBox({ corner, sizePx }: Welcome["photodiode"], screen: Size): Box | null {
  if (corner === "none") return null;
  return {
    x: corner.endsWith("left") ? 0 : screen.width - sizePx,
    y: corner.startsWith("top") ? 0 : screen.height - sizePx,
    width: sizePx,
    height: sizePx,
  };
}

/** The patches that say the presentation's number, beside the first one from the corner on: bit 0 next to it. */
export function codeBoxes(photodiode: Welcome["photodiode"], screen: Size): Box[] {
  const first = patchBox(photodiode, screen);
  if (first === null) return [];
  const step = photodiode.corner.endsWith("left") ? first.width : -first.width;
  return Array.from({ length: photodiode.codeBits }, (_, bit) => ({ ...first, x: first.x + (bit + 1) * step }));
}

/** Corner for the read-out: bottom left, unless the patch is there. */
export const readoutCorner = (photodiode: Welcome["photodiode"]) =>
  photodiode.corner === "bottom-left" ? "bottom-right" : "bottom-left";
