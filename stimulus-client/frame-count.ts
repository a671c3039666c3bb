/**
 * Counts display frames from the times at which frame callbacks ran, missed ones included.
 * A callback may run late but never before its frame, so the grid of frames follows the earliest callbacks.
 */
export interface FrameCount {
  readonly frameMs: number;
  /** Frames since the start; -1 before the first. */
  readonly frame: number;
  /** When the current frame began, as far as the callbacks show. */
  readonly gridMs: number;
  /** Frames that passed without a callback between this one and the last. */
  readonly missed: number;
  /** When the last callback ran, and the intervals between the last ones, newest last. */
  readonly lastMs: number;
  readonly intervalsMs: readonly number[];
}

/** How early, in frames, a callback may seem to come before it counts as belonging to the frame before. */
const TOLERANCE = 0.12;
/** Callbacks are late by chance, so late ones hardly move the grid, however late; early ones show where it is. */
const FOLLOW_EARLY = 0.5;
const FOLLOW_LATE = 0.02;
const LATE_AT_MOST = 0.15;
/** Callbacks closer than this, in frames, may belong to one frame. */
const BUNCHED = 0.5;
/** As many as `shown` may tell: with periods of up to so many frames none is left out. */
const INTERVALS = 64;

export const initFrameCount = (frameMs: number): FrameCount => ({
  frameMs,
  frame: -1,
  gridMs: 0,
  missed: 0,
  lastMs: 0,
  intervalsMs: [],
});

/** `displayMs`: `performance.now()` in the frame's callback. */
export function stepFrameCount(count: FrameCount, displayMs: number): FrameCount {
  const { frameMs, frame, gridMs } = count;
  if (frame < 0) return { frameMs, frame: 0, gridMs: displayMs, missed: 0, lastMs: displayMs, intervalsMs: [] };
  // A late callback and the next one may run in the same frame: the screen shows what the last one drew.
  const least = displayMs - count.lastMs < BUNCHED * frameMs ? 0 : 1;
  const passed = Math.max(least, Math.floor((displayMs - gridMs) / frameMs + TOLERANCE));
  const expectedMs = gridMs + passed * frameMs;
  const errorMs = displayMs - expectedMs;
  return {
    frameMs,
    frame: frame + passed,
    gridMs:
      expectedMs + (errorMs < 0 ? FOLLOW_EARLY * errorMs : FOLLOW_LATE * Math.min(errorMs, LATE_AT_MOST * frameMs)),
    missed: Math.max(0, passed - 1),
    lastMs: displayMs,
    intervalsMs: [...count.intervalsMs.slice(1 - INTERVALS), displayMs - count.lastMs],
  };
}
