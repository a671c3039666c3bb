/**
 * What a display draws at each of its frames, and what it reports (SPEC.md, rules S). Pure: frames and messages go in,
 * a picture and reports come out. The page and the headless display both run it.
 */
import type { DisplayMessage } from "../protocols/wire/display.ts";
import { type FrameCount, initFrameCount, stepFrameCount } from "./frame-count.ts";

export interface Show {
  presentation: number;
  face: number;
  onMs: number;
  periodMs: number | null;
}
export type ScheduleInput =
  /** `displayMs`: `performance.now()` in the frame's callback. */
  | { type: "frame"; displayMs: number }
  | { type: "ready"; face: number }
  | { type: "release"; face: number }
  | ({ type: "show" } & Show)
  /** The screen's interval between frames is another one from here on. */
  | { type: "rate"; frameMs: number }
  /** For whoever sets up the photodiode: the patch changes, at the next frame, while nothing is shown or asked for. */
  | { type: "patch-test" }
  | { type: "clear" };

export type ScheduleReport = Extract<DisplayMessage, { op: "shown" | "hidden" | "cancelled" }>;

/** What the screen holds: `face` null is the background alone. */
export interface Picture {
  readonly face: number | null;
  readonly patch: boolean;
  /** The last presentation that was shown, for the patches that say its number; 0 before the first. */
  readonly code: number;
}

export interface ScheduleState {
  readonly count: FrameCount;
  /** Frame during which each face became ready. */
  readonly readyAt: ReadonlyMap<number, number>;
  readonly waiting: readonly (Show & { readonly arrivedAt: number })[];
  readonly showing: {
    readonly presentation: number;
    readonly face: number;
    readonly onset: number;
    readonly plannedFrames: number;
  } | null;
  readonly lastOnset: number | null;
  /** First frame that no earlier presentation occupies. */
  readonly freeAt: number;
  /** Highest presentation asked for so far: a repeated or older one is refused. */
  readonly newest: number;
  readonly missedSinceOnset: number;
  readonly picture: Picture;
}

const noReports: readonly ScheduleReport[] = [];

/** `frameMs`: measured interval between frames. `patches`: how the photodiode's patches stand. */
export const initSchedule = (
  frameMs: number,
  { patch, code }: Omit<Picture, "face"> = { patch: false, code: 0 },
): ScheduleState => ({
  count: initFrameCount(frameMs),
  readyAt: new Map(),
  waiting: [],
  showing: null,
  lastOnset: null,
  freeAt: 0,
  newest: -1,
  missedSinceOnset: 0,
  picture: { face: null, patch, code },
});

export function stepSchedule(
  state: ScheduleState,
  input: ScheduleInput,
): readonly [ScheduleState, readonly ScheduleReport[]] {
  switch (input.type) {
    case "frame":
      return stepFrame(state, input.displayMs);
    case "ready":
      return [{ ...state, readyAt: new Map(state.readyAt).set(input.face, state.count.frame) }, noReports];
    case "release": {
      const readyAt = new Map(state.readyAt);
      readyAt.delete(input.face);
      return [{ ...state, readyAt }, noReports];
    }
    case "rate":
      return [{ ...state, count: { ...state.count, frameMs: input.frameMs } }, noReports];
    case "patch-test":
      if (state.showing !== null || state.waiting.length > 0) return [state, noReports];
      return [{ ...state, picture: { ...state.picture, patch: !state.picture.patch } }, noReports];
    case "show":
      return stepShow(state, input);
    case "clear":
      return [
        { ...state, waiting: [], freeAt: Math.min(state.freeAt, state.count.frame + 1) },
        state.waiting.map(({ presentation }) => ({ op: "cancelled", presentation, reason: "cleared" })),
      ];
  }
}

function stepShow(state: ScheduleState, show: Show): readonly [ScheduleState, readonly ScheduleReport[]] {
  const { presentation, face, onMs, periodMs } = show;
  if (presentation <= state.newest) return [state, [{ op: "cancelled", presentation, reason: "repeated" }]];
  const waiting = [...state.waiting, { presentation, face, onMs, periodMs, arrivedAt: state.count.frame }];
  return [{ ...state, waiting, newest: presentation }, noReports];
}

function stepFrame(before: ScheduleState, displayMs: number): readonly [ScheduleState, readonly ScheduleReport[]] {
  const count = stepFrameCount(before.count, displayMs);
  const { frame } = count;
  const reports: ScheduleReport[] = [];
  let state: ScheduleState = { ...before, count, missedSinceOnset: before.missedSinceOnset + count.missed };

  if (state.showing !== null && frame >= state.freeAt) {
    const { presentation, onset, plannedFrames } = state.showing;
    reports.push({ op: "hidden", presentation, frame, displayMs, frames: frame - onset, plannedFrames });
    state = { ...state, showing: null, picture: { ...state.picture, face: null } };
  }

  const next = state.waiting[0];
  if (next === undefined) return [state, reports];
  const due = dueFrame(state, next);
  const readyAt = state.readyAt.get(next.face);
  if (frame < due || readyAt === undefined) return [state, reports];
  const { presentation, face } = next;
  reports.push({
    op: "shown",
    presentation,
    face,
    frame,
    displayMs,
    dropped: state.missedSinceOnset,
    lateFrames: frame - due,
    cause: latenessCause(frame, due, next.arrivedAt, readyAt),
    patch: !state.picture.patch,
    dueMs: count.gridMs - (frame - due) * count.frameMs,
    callbackLateMs: Math.max(0, displayMs - count.gridMs),
    intervalsMs: [...count.intervalsMs],
  });
  const plannedFrames = wholeFrames(next.onMs, count.frameMs);
  state = {
    ...state,
    waiting: state.waiting.slice(1),
    showing: { presentation, face, onset: frame, plannedFrames },
    lastOnset: frame,
    freeAt: frame + plannedFrames,
    missedSinceOnset: 0,
    picture: { face, patch: !state.picture.patch, code: presentation },
  };
  return [state, reports];
}

const wholeFrames = (ms: number, frameMs: number) => Math.max(1, Math.round(ms / frameMs));

function dueFrame(state: ScheduleState, next: ScheduleState["waiting"][number]): number {
  const asked =
    next.periodMs === null || state.lastOnset === null
      ? next.arrivedAt + 1
      : state.lastOnset + wholeFrames(next.periodMs, state.count.frameMs);
  return Math.max(asked, state.freeAt);
}

/** Which of the conditions for showing a face was met last, where it was met at the due frame or later. */
function latenessCause(frame: number, due: number, arrivedAt: number, readyAt: number) {
  if (frame === due) return "none";
  if (readyAt >= due && readyAt >= arrivedAt) return "face-missing";
  return arrivedAt >= due ? "show-late" : "frame-dropped";
}
