import type { SessionEvent, SessionView } from "./view.ts";

/** When each edge was last heard, on the server's clock. */
export interface Quiet {
  /** By stream, of the streams that the session counts; the empty name stands for any where none is named. */
  batchServerMs: Readonly<Record<string, number>>;
  shownServerMs: number;
  /** Where spikes are to come from, as long as there never was a connection; null since there was one. */
  unlinkedAddress: string | null;
}

/** An edge that has been silent for so long is worth a word. */
const PATIENCE_MS = 5000;

/**
 * @param streams that the session counts, by name; none: whichever is heard
 * @param address where spikes are to come from
 */
export const initQuiet = (serverMs: number, streams: readonly string[] = [], address: string | null = null): Quiet => ({
  batchServerMs: Object.fromEntries((streams.length > 0 ? streams : [""]).map((name) => [name, serverMs])),
  shownServerMs: serverMs,
  unlinkedAddress: address,
});

export function stepQuiet(quiet: Quiet, event: SessionEvent, serverMs: number): Quiet {
  if (event.kind === "acquisition" && event.event.type === "batch") {
    const { stream } = event.event;
    const name = Object.hasOwn(quiet.batchServerMs, stream) ? stream : "";
    return { ...quiet, batchServerMs: { ...quiet.batchServerMs, [name]: serverMs } };
  }
  if (event.kind === "acquisition" && event.event.type === "link") return { ...quiet, unlinkedAddress: null };
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
  const { unlinkedAddress } = quiet;
  const silent = Object.entries(quiet.batchServerMs)
    .filter(([, heardMs]) => serverMs - heardMs > PATIENCE_MS)
    .map(([name, heardMs]) => `no spikes${name && ` of stream ${name}`} for ${seconds(heardMs)} s`);
  const noSpikes =
    silent.length > 0 && unlinkedAddress !== null ? [`no connection at ${unlinkedAddress} yet`, ...silent] : silent;
  if (!view.displayConnected) return ["no display", ...noSpikes];
  if (noSpikes.length > 0) return noSpikes;
  // Without spikes no face is due; with them, and a display, one should have come.
  if (view.gateClosed !== null) return [`the gate is closed: ${view.gateClosed}`];
  const nothingShown = view.state !== "paused" && serverMs - quiet.shownServerMs > PATIENCE_MS + periodMs;
  return nothingShown ? [`the display has shown nothing for ${seconds(quiet.shownServerMs)} s`] : [];
}
