import type { SessionEvent, SessionView } from "./view.ts";

/** When each edge was last heard, on the server's clock. */
export interface Quiet {
  batchServerMs: number;
  shownServerMs: number;
}

/** An edge that has been silent for so long is worth a word. */
const PATIENCE_MS = 5000;

export const initQuiet = (serverMs: number): Quiet => ({ batchServerMs: serverMs, shownServerMs: serverMs });

export function stepQuiet(quiet: Quiet, event: SessionEvent, serverMs: number): Quiet {
  if (event.kind === "acquisition" && event.event.type === "batch") return { ...quiet, batchServerMs: serverMs };
  const isShown = event.kind === "display" && event.event.type === "shown";
  const isResumed = event.kind === "command" && event.command === "resume";
  return isShown || isResumed ? { ...quiet, shownServerMs: serverMs } : quiet;
}

/**
 * What is missing for the session to go on, in words for a person; nothing where all is well.
 *
 * @param periodMs onset to onset
 */
export function complaints(quiet: Quiet, view: SessionView, periodMs: number, serverMs: number): string[] {
  const seconds = (sinceMs: number) => Math.round((serverMs - sinceMs) / 1000);
  const noSpikes = serverMs - quiet.batchServerMs > PATIENCE_MS;
  if (!view.displayConnected)
    return ["no display", ...(noSpikes ? [`no spikes for ${seconds(quiet.batchServerMs)} s`] : [])];
  if (noSpikes) return [`no spikes for ${seconds(quiet.batchServerMs)} s`];
  // Without spikes no face is due; with them, and a display, one should have come.
  if (view.gateClosed !== null) return [`the gate is closed: ${view.gateClosed}`];
  const nothingShown = view.state !== "paused" && serverMs - quiet.shownServerMs > PATIENCE_MS + periodMs;
  return nothingShown ? [`the display has shown nothing for ${seconds(quiet.shownServerMs)} s`] : [];
}
