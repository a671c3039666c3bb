/** The sentences of the display page. */
import type { Readout } from "../protocols/wire/display.ts";

export const words = {
  measuring: "Measuring the frame rate…",
  connecting: (host: string) => `Connecting to ${host}…`,
  lost: (host: string) => `No connection to the server at ${host}.\nTrying again every second.`,
  ended: (message: string) => `The session has ended: ${message}\nWaiting for the next one.`,
  refused: (message: string) => `This display was turned away.\n${message}`,
  noWebGl: (detail: string) =>
    `This browser gives no WebGL, so no face can be shown here.\nUse a current Chromium or Chrome with graphics acceleration on. (${detail})`,
  hidden: "This page is hidden: nothing is shown until it is in front again.",
  mirror: "mirror · follows the stimulus display",
  mayBlank: "this screen may go dark: the browser does not keep it awake",
  pausing: "p pressed",
  abortOnce: "press q once more to end the session",
  connected: (frameMs: number) => `connected · ${(1000 / frameMs).toFixed(1)} Hz · waiting for the first trial`,
};

const states: Record<Readout["state"], string> = {
  waiting: "waiting · ",
  running: "",
  paused: "paused · ",
  ended: "ended · ",
};

export function readoutWords({ state, trial, trials, trialsPerMin, bestUnit }: Readout): string {
  const best =
    bestUnit === null
      ? ""
      : ` · best known: ${bestUnit.unit} on ${bestUnit.latent} (${Math.round(100 * bestUnit.share)} %)`;
  return `${states[state]}trial ${trial} of ${trials} · ${trialsPerMin.toFixed(1)} a minute${best}`;
}
