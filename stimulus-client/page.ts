/** The words over the canvas. */
import type { Welcome } from "./display-session.ts";
import { readoutCorner } from "./layout.ts";

const notice = document.querySelector("#notice")!;
const readout = document.querySelector("#readout")!;

/** Centred, over a blank screen; empty takes it away. */
export function showNotice(text: string): void {
  notice.textContent = text;
}

export function showReadout(text: string): void {
  readout.textContent = text;
}

/** Background as the server asks, ink that reads on it without shining, the read-out away from the patch. */
export function dress({ background, photodiode }: Welcome): void {
  const level = (value: number) =>
    `rgb(${Array(3)
      .fill(Math.round(255 * value))
      .join(" ")})`;
  document.documentElement.style.setProperty("--background", level(background));
  document.documentElement.style.setProperty("--ink", level(background < 0.35 ? background + 0.45 : background - 0.35));
  readout.className = readoutCorner(photodiode);
}
