/** The last presentation that this display has shown, kept over a reload of the page (SPEC.md, S3). */
import type { DisplayMessage } from "../protocols/wire/display.ts";

type Shown = Extract<DisplayMessage, { op: "shown" }>;
interface Kept {
  sessionId: string;
  shown: Shown;
  /** Where `displayMs` was on the computer's clock: the page's own begins anew with each load. */
  epochMs: number;
}

const KEY = "latentloop.last-shown";

export function keepShown(sessionId: string, shown: Shown): void {
  const kept: Kept = { sessionId, shown, epochMs: performance.timeOrigin + shown.displayMs };
  sessionStorage.setItem(KEY, JSON.stringify(kept));
}

/** As a `hello` tells it: with times on the page's present clock. */
export function lastShown(): { sessionId: string; shown: Shown } | null {
  const text = sessionStorage.getItem(KEY);
  if (text === null) return null;
  const { sessionId, shown, epochMs } = JSON.parse(text) as Kept;
  const displayMs = epochMs - performance.timeOrigin;
  return { sessionId, shown: { ...shown, displayMs, dueMs: shown.dueMs + displayMs - shown.displayMs } };
}
