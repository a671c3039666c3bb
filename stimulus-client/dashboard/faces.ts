/** Faces as they are: every pixel of them, enlarged without smoothing. */
import type { Picture } from "../../protocols/wire/dashboard.ts";
import { el } from "./dom.ts";

export interface FaceView {
  element: HTMLElement;
  show(picture: Picture | null, label: string): void;
}

export function faceView(size: "large" | "medium" | "small"): FaceView {
  const canvas = el("canvas", { className: "face", width: 64, height: 64, role: "img" });
  const element = el("div", { className: `face-box ${size}` }, canvas);
  let shown: Picture | null = null;
  return {
    element,
    show(picture, label) {
      if (canvas.ariaLabel !== label) canvas.ariaLabel = label;
      if (picture === shown) return;
      shown = picture;
      element.classList.toggle("empty", picture === null);
      const context = canvas.getContext("2d")!;
      if (picture === null) return context.clearRect(0, 0, canvas.width, canvas.height);
      const { width, height, pixels } = picture;
      canvas.width = width;
      canvas.height = height;
      context.putImageData(new ImageData(Uint8ClampedArray.from(pixels), width, height), 0, 0);
    },
  };
}
