/** The calibration page (key c): what a ruler and a photometer are held against. Over the canvas, while no face is shown. */
import type { Welcome } from "./display-session.ts";
import { faceBox, pixelsOf, type Size } from "./layout.ts";

const CM = 10;
const STEPS = 17;
const element = document.querySelector<HTMLElement>("#calibration")!;

export function toggleCalibration(welcome: Welcome | null, screen: Size): void {
  element.hidden = !element.hidden;
  if (element.hidden) return;
  element.replaceChildren(words(welcome, screen), ...squares(welcome, screen), ramp());
}

export function hideCalibration(): void {
  element.hidden = true;
}

/** Device pixels as CSS has them. */
const css = (px: number): string => `${px / devicePixelRatio}px`;

function words(welcome: Welcome | null, screen: Size): HTMLElement {
  const paragraph = document.createElement("p");
  paragraph.textContent =
    welcome === null
      ? "No session: start one, to see its calibration."
      : welcome.placement === null
        ? `${screen.width} × ${screen.height} pixels. The experiment file has no display section (widthCm, distanceCm, sizeDeg): sizes in degrees are not known.`
        : calibrated(welcome, welcome.placement, screen);
  return paragraph;
}

function calibrated(welcome: Welcome, placement: NonNullable<Welcome["placement"]>, screen: Size): string {
  const { widthCm, distanceCm, sizeDeg } = placement;
  const { width, height } = faceBox(welcome, screen, welcome.faceFraction, placement);
  return (
    `${screen.width} × ${screen.height} pixels on ${widthCm} cm, seen from ${distanceCm} cm.\n` +
    `The outer square is ${CM} × ${CM} cm: hold a ruler to it. The inner one is a face: ${width} × ${height} pixels for ${sizeDeg}° (${pixelsOf(sizeDeg, placement, screen).toFixed(1)} pixels).\n` +
    "The bar's levels, left to right, are those to measure for luminance.gamma."
  );
}

function squares(welcome: Welcome | null, screen: Size): HTMLElement[] {
  if (welcome?.placement == null) return [];
  const ruler = (CM * screen.width) / welcome.placement.widthCm;
  const face = faceBox(welcome, screen, welcome.faceFraction, welcome.placement);
  return [
    { width: ruler, height: ruler },
    { width: face.width, height: face.height },
  ].map(({ width, height }) => {
    const square = document.createElement("div");
    square.className = "square";
    square.style.width = css(width);
    square.style.height = css(height);
    return square;
  });
}

function ramp(): HTMLElement {
  const bar = document.createElement("div");
  bar.className = "ramp";
  for (let step = 0; step < STEPS; step++) {
    const level = Math.round((255 * step) / (STEPS - 1));
    const patch = document.createElement("span");
    patch.style.background = `rgb(${level} ${level} ${level})`;
    patch.style.color = level < 128 ? "#fff" : "#000";
    patch.textContent = String(level);
    bar.append(patch);
  }
  return bar;
}
