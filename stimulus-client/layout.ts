/** Where things lie on the screen, in device pixels: pure, so that a test can read a face back pixel for pixel. */
import type { Welcome } from "./display-session.ts";

export interface Size {
  width: number;
  height: number;
}
export interface Box extends Size {
  x: number;
  y: number;
}

/**
 * Centred, at the largest whole-number scale at which the longer side of the face stays within `faceFraction` of the
 * shorter side of the screen (at least 1): every pixel of the face becomes a square of equal pixels.
 */
export function faceBox(face: Size, screen: Size, faceFraction: number): Box {
  const room = faceFraction * Math.min(screen.width, screen.height);
  const scale = Math.max(1, Math.floor(room / Math.max(face.width, face.height)));
  const width = face.width * scale;
  const height = face.height * scale;
  return { x: Math.floor((screen.width - width) / 2), y: Math.floor((screen.height - height) / 2), width, height };
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

/** Corner for the read-out: bottom left, unless the patch is there. */
export const readoutCorner = (photodiode: Welcome["photodiode"]) =>
  photodiode.corner === "bottom-left" ? "bottom-right" : "bottom-left";
