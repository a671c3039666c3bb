/**
 * When a past session's faces come again (SPEC.md, J15): pure. Session time runs, times the speed, while a display is there to be seen, and
 * stands while there is none. Each face is asked for when the one before it is on, for the frame at which it is due.
 */
import type { ServerMessage } from "../../protocols/wire/display.ts";
import type { DisplayEvent } from "../presentation/display-server.ts";
import type { Script } from "./script.ts";

export interface PlayerState {
  readonly script: Script;
  /** Times real time; infinite: a face a frame, and nothing is waited for. */
  readonly speed: number;
  /** Session time, in ms from the first onset, at `sinceServerMs`; it stands where that is null. */
  readonly clock: { readonly atMs: number; readonly sinceServerMs: number | null };
  readonly connected: boolean;
  /** The first face that has not been shown, and the first that the display has not got. */
  readonly next: number;
  readonly unsent: number;
  readonly asked: { readonly presentation: number; readonly dueServerMs: number } | null;
  readonly nextPresentation: number;
  /** Onset of the last face, where the display has been there since. */
  readonly lastOnsetServerMs: number | null;
  /** Whether the last face may still be on the screen. */
  readonly isOn: boolean;
}

export type PlayerInput = DisplayEvent | { type: "tick"; serverMs: number };

export interface PlayerOutput {
  messages: ServerMessage[];
  /** Faces, by their place in the script, to be drawn and sent, in order. */
  faces: number[];
  /** By how much a face came later than it was due. */
  lateMs: number | null;
}

/** Faces that the display has before they are shown; what there is to draw them in before the first. */
const AHEAD = 4;
const LEAD_MS = 1000;

export const initPlayer = (script: Script, speed: number): PlayerState => ({
  script,
  speed,
  clock: { atMs: -LEAD_MS, sinceServerMs: null },
  connected: false,
  next: 0,
  unsent: 0,
  asked: null,
  nextPresentation: 0,
  lastOnsetServerMs: null,
  isOn: false,
});

export function stepPlayer(state: PlayerState, input: PlayerInput): [PlayerState, PlayerOutput] {
  const output: PlayerOutput = { messages: [], faces: [], lateMs: null };
  return [ask(take(state, input, output), input.serverMs, output), output];
}

function take(state: PlayerState, input: PlayerInput, output: PlayerOutput): PlayerState {
  switch (input.type) {
    case "connected":
      return { ...run(state, input.serverMs), connected: true, unsent: state.next, asked: null };
    case "lost":
      return { ...stand(state, input.serverMs), connected: false, asked: null, isOn: false };
    case "visibility":
      if (input.visible) return run(state, input.serverMs);
      output.messages.push({ op: "clear" });
      return stand(state, input.serverMs);
    case "cancelled":
      return input.presentation === state.asked?.presentation ? { ...state, asked: null } : state;
    case "shown":
      if (input.presentation !== state.asked?.presentation) return state;
      output.lateMs = input.onsetServerMs - state.asked.dueServerMs;
      if (state.next > 0) output.messages.push({ op: "release", face: state.next - 1 });
      return {
        ...state,
        // Frames are where they are: from the first face on, each is as long after it as it was.
        clock:
          state.lastOnsetServerMs === null && state.clock.sinceServerMs !== null
            ? { atMs: state.script.shown[state.next].atMs, sinceServerMs: input.onsetServerMs }
            : state.clock,
        next: state.next + 1,
        asked: null,
        lastOnsetServerMs: input.onsetServerMs,
        isOn: true,
      };
    case "hidden":
      return { ...state, isOn: state.isOn && input.presentation !== state.nextPresentation - 1 };
    default:
      return state;
  }
}

const run = (state: PlayerState, serverMs: number): PlayerState =>
  state.clock.sinceServerMs === null
    ? { ...state, clock: { ...state.clock, sinceServerMs: serverMs }, lastOnsetServerMs: null }
    : state;

const stand = (state: PlayerState, serverMs: number): PlayerState => ({
  ...state,
  clock: { atMs: Math.min(headMs(state, serverMs), state.script.endMs), sinceServerMs: null },
  lastOnsetServerMs: null,
});

/** Sends faces ahead, and asks for the next one. */
function ask(state: PlayerState, serverMs: number, output: PlayerOutput): PlayerState {
  const { script, connected, next, asked, speed, lastOnsetServerMs, nextPresentation: presentation } = state;
  if (!connected) return state;
  let { unsent } = state;
  while (unsent < Math.min(next + AHEAD, script.shown.length)) output.faces.push(unsent++);
  const dueServerMs = dueOf(state);
  const isTime = dueServerMs !== null && (lastOnsetServerMs !== null || dueServerMs <= serverMs);
  if (!isTime || asked) return { ...state, unsent };
  output.messages.push({
    op: "show",
    presentation,
    face: next,
    onMs: Math.max(script.shown[next].onMs / speed, LEAST_MS),
    periodMs: lastOnsetServerMs === null ? null : Math.max(dueServerMs - lastOnsetServerMs, LEAST_MS),
  });
  return { ...state, unsent, asked: { presentation, dueServerMs }, nextPresentation: presentation + 1 };
}

/** A display rounds it up to a frame. */
const LEAST_MS = 1;

/** When the next face is due; null while time stands, and after the last. */
const dueOf = (state: PlayerState): number | null =>
  state.next < state.script.shown.length ? serverMsAt(state, state.script.shown[state.next].atMs) : null;

const serverMsAt = ({ clock: { atMs, sinceServerMs }, speed }: PlayerState, wantedMs: number): number | null =>
  sinceServerMs === null ? null : sinceServerMs + (wantedMs - atMs) / speed;

/** How far the session has come again, in ms from its first onset: no further than to a face that is still to be shown. */
export function headMs({ script, clock, speed, next }: PlayerState, serverMs: number): number {
  const sinceMs = clock.sinceServerMs === null ? 0 : serverMs - clock.sinceServerMs;
  const ranMs = sinceMs > 0 ? sinceMs * speed : 0;
  return Math.min(clock.atMs + ranMs, script.shown[next]?.atMs ?? Number.POSITIVE_INFINITY);
}

/** Trials that have closed by now. */
export function closedBy(state: PlayerState, serverMs: number): number {
  const head = headMs(state, serverMs);
  const after = state.script.closedMs.findIndex((closedMs) => closedMs > head);
  return after < 0 ? state.script.closedMs.length : after;
}

export const isOver = (state: PlayerState, serverMs: number): boolean =>
  state.next === state.script.shown.length && !state.isOn && headMs(state, serverMs) >= state.script.endMs;

/** When something is to be done that no event of the display brings about: a tick is due; null: none is. */
export function wakeServerMs(state: PlayerState, serverMs: number): number | null {
  const { script, next, asked, lastOnsetServerMs } = state;
  const limitMs = script.shown[next]?.atMs ?? script.endMs;
  const closing = script.closedMs[closedBy(state, serverMs)] ?? script.endMs;
  const times = [
    asked === null && lastOnsetServerMs === null ? dueOf(state) : null,
    closing <= limitMs ? serverMsAt(state, closing) : null,
  ].filter((time) => time !== null);
  return times.length > 0 ? Math.min(...times) : null;
}
