/**
 * Watches the interval between frames (SPEC.md, S13): another rate (a window that was moved to another screen) and an unsteady
 * one (variable refresh, a screen that is driven too slowly). Pure.
 */
export interface RefreshWatch {
  readonly frameMs: number;
  readonly lastMs: number | null;
  readonly intervalsMs: readonly number[];
  readonly isUnsteady: boolean;
}

export interface Refresh {
  frameMs: number;
  /** Share of intervals more than a quarter of a frame off a whole number of frames, 0 to 1. */
  unsteady: number;
}

const WINDOW = 120;
/** 59.94 and 60 Hz are one rate here: 0.1 % apart. */
const SAME_RATE = 0.01;
const OFF_GRID = 0.25;
/** Told as unsteady above the one, as steady again below the other. */
export const UNSTEADY_ABOVE = 0.2;
const STEADY_BELOW = 0.05;

export const initRefreshWatch = (frameMs: number): RefreshWatch => ({
  frameMs,
  lastMs: null,
  intervalsMs: [],
  isUnsteady: false,
});

/** One frame's callback; a finding where something has changed. Frames without a callback are no change of rate. */
export function stepRefreshWatch(watch: RefreshWatch, displayMs: number): readonly [RefreshWatch, Refresh | null] {
  if (watch.lastMs === null) return [{ ...watch, lastMs: displayMs }, null];
  const intervalsMs = [...watch.intervalsMs, displayMs - watch.lastMs];
  const next = { ...watch, lastMs: displayMs, intervalsMs };
  if (intervalsMs.length < WINDOW) return [next, null];
  const measured = refreshOf(intervalsMs);
  const emptied = { ...next, intervalsMs: [] };
  if (measured.unsteady > UNSTEADY_ABOVE) {
    if (watch.isUnsteady) return [emptied, null];
    return [
      { ...emptied, isUnsteady: true },
      { frameMs: watch.frameMs, unsteady: measured.unsteady },
    ];
  }
  const isOther = Math.abs(measured.frameMs / watch.frameMs - 1) > SAME_RATE;
  const isSteadyAgain = watch.isUnsteady && measured.unsteady < STEADY_BELOW;
  if (!isOther && !isSteadyAgain) return [emptied, null];
  const frameMs = isOther ? measured.frameMs : watch.frameMs;
  return [
    { ...emptied, frameMs, isUnsteady: false },
    { frameMs, unsteady: measured.unsteady },
  ];
}

/** The interval between frames behind intervals between callbacks, of which some may span several frames. */
export function refreshOf(intervalsMs: readonly number[]): Refresh {
  const sorted = [...intervalsMs].sort((a, b) => a - b);
  const roughMs = sorted[Math.floor(sorted.length / 2)];
  const each = intervalsMs.map((ms) => ms / Math.max(1, Math.round(ms / roughMs)));
  const frameMs = each.sort((a, b) => a - b)[Math.floor(each.length / 2)];
  const off = intervalsMs.filter((ms) => Math.abs(ms / frameMs - Math.max(1, Math.round(ms / frameMs))) > OFF_GRID);
  return { frameMs, unsteady: off.length / intervalsMs.length };
}
