import type { ServerMessage } from "../../protocols/wire/display.ts";
import type { Choice } from "../choice/choice.ts";
import type { GateEvent } from "../gate/gate.ts";
import type { Onset } from "../trials/trial.ts";
import type { DisplayEvent } from "./display-server.ts";

/** A face that was chosen and synthesised. */
export interface PlannedFace {
  face: number;
  choice: Choice;
  width: number;
  height: number;
  /** RGBA, row-major. */
  pixels: Uint8Array;
  /** Arrival of the message that completed the trial this face was chosen with; null for the first few. */
  answersServerMs: number | null;
}

export type PlanInput =
  | ({ type: "face" } & PlannedFace)
  | DisplayEvent
  /** Spikes are arriving: responses can be counted from here on. */
  | { type: "streaming" }
  | (GateEvent & { serverMs: number })
  | { type: "pause" }
  | { type: "resume" }
  /** The face on the screen is taken off; the next comes as after a pause. */
  | { type: "skip" }
  /** From an onset to where the gate no longer matters, from the next onset on. */
  | { type: "gatedMs"; gatedMs: number };

/** What a step asks of the edges, and tells the rest of the loop. */
export interface PlanOutput {
  messages: ServerMessage[];
  onsets: Onset[];
  /** Presentations that were asked for and never confirmed; their faces are shown again under a new number. */
  aborted: { presentation: number; face: number }[];
  /** Presentations that an operator had taken off. */
  skipped: number[];
  /** Presentations during which the gate closed; their faces are shown again under a new number. */
  broken: { presentation: number; face: number }[];
  /** Milliseconds from the last spike message of a trial to `ready` of the first face chosen with it. */
  lastSpikeToReadyMs: number[];
  /** Whether the face due now was missing when its frame came. */
  deadlineMissed: boolean;
}

export interface PlanSettings {
  onMs: number;
  periodMs: number;
  /** From an onset to where the gate no longer matters: the face is off, or its response window is over. */
  gatedMs: number;
  /** Whether a gate decides; closed until it says otherwise. */
  gated: boolean;
}

export interface PlanState {
  settings: PlanSettings;
  /** Faces not yet confirmed on the screen, in the order of showing. */
  queue: readonly PlannedFace[];
  ready: ReadonlySet<number>;
  connected: boolean;
  /** False while the page lies in a hidden tab. */
  visible: boolean;
  streaming: boolean;
  paused: boolean;
  gateOpen: boolean;
  /** The presentation asked for and not yet confirmed. */
  asked: { presentation: number; face: number } | null;
  /** Since it was asked for, a `clear` was sent: where it comes on before that, it is cut short. */
  clearing: boolean;
  /** The face that was last confirmed on the screen, as long as it is still needed there. */
  onScreen: { presentation: number; face: PlannedFace; gatedUntilServerMs: number } | null;
  /** Whether the next face is due a period after the last, or at the next frame (the first, or after a pause). */
  continues: boolean;
  nextPresentation: number;
}

/** @param from where a session goes on: whether it was paused, and the next presentation's number */
export const initPlan = (settings: PlanSettings, from = { paused: false, nextPresentation: 0 }): PlanState => ({
  settings,
  queue: [],
  ready: new Set(),
  connected: false,
  visible: true,
  streaming: false,
  paused: from.paused,
  gateOpen: !settings.gated,
  asked: null,
  clearing: false,
  onScreen: null,
  continues: false,
  nextPresentation: from.nextPresentation,
});

/** An output that asks and tells nothing. */
export const nothingPlanned = (): PlanOutput => ({
  messages: [],
  onsets: [],
  aborted: [],
  broken: [],
  skipped: [],
  lastSpikeToReadyMs: [],
  deadlineMissed: false,
});

const faceMessage = ({ face, width, height, pixels }: PlannedFace): ServerMessage => ({
  op: "face",
  face,
  width,
  height,
  pixels,
});

/** A face that had to wait for a display says nothing about how quick the loop is. */
const untimed = (face: PlannedFace): PlannedFace => ({ ...face, answersServerMs: null });

/** One input to the plan of what is shown when (SPEC.md, rules S). */
export function stepPlan(state: PlanState, input: PlanInput): [PlanState, PlanOutput] {
  const output = nothingPlanned();
  return [askNext(take(state, input, output), output), output];
}

function take(state: PlanState, input: PlanInput, output: PlanOutput): PlanState {
  switch (input.type) {
    case "face":
      if (!state.connected) return { ...state, queue: [...state.queue, untimed(input)] };
      output.messages.push(faceMessage(input));
      return { ...state, queue: [...state.queue, input] };
    case "connected":
      return reconnect(state, input.last, output);
    case "ready":
      return markReady(state, input.face, input.serverMs, output);
    case "shown":
      return confirm(state, input, output);
    case "lost":
      // What was asked for may have been shown: a display that comes back says so.
      return { ...state, queue: state.queue.map(untimed), connected: false, onScreen: null, ready: new Set() };
    case "visibility":
      if (!input.visible) output.messages.push({ op: "clear" });
      return { ...state, visible: input.visible, clearing: state.clearing || !input.visible, continues: false };
    case "streaming":
      return { ...state, streaming: true };
    case "pause":
      return { ...state, paused: true };
    case "resume":
      return { ...state, paused: false, continues: false };
    case "skip":
      if (state.onScreen === null) return state;
      output.skipped.push(state.onScreen.presentation);
      output.messages.push({ op: "clear" }, { op: "release", face: state.onScreen.face.face });
      return { ...state, clearing: true, onScreen: null, continues: false };
    case "gatedMs":
      return { ...state, settings: { ...state.settings, gatedMs: input.gatedMs } };
    case "gate":
      return takeGate(state, input, output);
    case "cancelled":
      return input.presentation === state.asked?.presentation ? giveUp(state, output) : state;
    case "hidden":
    case "geometry":
    case "refresh":
    case "command":
    case "refused":
    case "rejected":
      return state;
  }
}

/**
 * A display is there: faces are sent to it anew. What was asked for before is given up, unless this display has shown it
 * (`last`): its report follows.
 */
function reconnect(state: PlanState, last: number | null, output: PlanOutput): PlanState {
  output.messages.push(...state.queue.map(faceMessage));
  const fresh = { ...state, connected: true, visible: true, ready: new Set<number>(), continues: false };
  return state.asked !== null && state.asked.presentation === last ? fresh : giveUp(fresh, output);
}

/** What was asked for will not be confirmed; the face stays first in the queue. */
function giveUp(state: PlanState, output: PlanOutput): PlanState {
  if (state.asked !== null) output.aborted.push(state.asked);
  return { ...state, asked: null, continues: false };
}

/** A gate that closes takes off what is on the screen and what was asked for; the display answers for the latter. */
function takeGate(state: PlanState, { open, serverMs }: { open: boolean; serverMs: number }, output: PlanOutput) {
  if (open || !state.gateOpen) return { ...state, gateOpen: open };
  if (state.connected) output.messages.push({ op: "clear" });
  const closed = { ...state, gateOpen: false, clearing: true, continues: false };
  const { onScreen } = state;
  return onScreen !== null && serverMs < onScreen.gatedUntilServerMs ? showAgain(closed, onScreen, output) : closed;
}

/** The face goes to the head of the queue; its texture is still on the display. */
function showAgain(
  state: PlanState,
  { presentation, face }: NonNullable<PlanState["onScreen"]>,
  output: PlanOutput,
): PlanState {
  output.broken.push({ presentation, face: face.face });
  const ready = state.connected ? new Set(state.ready).add(face.face) : state.ready;
  return { ...state, queue: [untimed(face), ...state.queue], ready, onScreen: null };
}

function markReady(state: PlanState, face: number, serverMs: number, output: PlanOutput): PlanState {
  const planned = state.queue.find((f) => f.face === face);
  if (!planned || state.ready.has(face)) return state;
  if (planned.answersServerMs !== null) output.lastSpikeToReadyMs.push(serverMs - planned.answersServerMs);
  return { ...state, ready: new Set(state.ready).add(face) };
}

function confirm(state: PlanState, shown: DisplayEvent & { type: "shown" }, output: PlanOutput): PlanState {
  const face = state.queue.find((f) => f.face === state.asked?.face);
  if (shown.presentation !== state.asked?.presentation || !face) return state;
  // Where the gate took it off it is broken, and comes again.
  const interrupted = shown.retold || (state.clearing && state.gateOpen);
  output.onsets.push({
    presentation: shown.presentation,
    face: face.face,
    latents: face.choice.latents,
    onsetServerMs: shown.onsetServerMs,
    uncertaintyMs: shown.uncertaintyMs,
    dropped: shown.dropped,
    lateFrames: shown.lateFrames,
    patch: shown.patch,
    interrupted,
  });
  output.deadlineMissed = state.continues && (shown.cause === "face-missing" || shown.cause === "show-late");
  const ready = new Set(state.ready);
  ready.delete(face.face);
  if (state.onScreen !== null) output.messages.push({ op: "release", face: state.onScreen.face.face });
  // It was taken off when the connection was lost, or is so by the `clear` that is on its way.
  if (interrupted) {
    output.messages.push({ op: "release", face: face.face });
    return { ...state, queue: state.queue.filter((f) => f !== face), ready, asked: null, continues: false };
  }
  const onScreen = {
    presentation: shown.presentation,
    face,
    gatedUntilServerMs: shown.onsetServerMs + state.settings.gatedMs,
  };
  const queue = state.queue.filter((f) => f !== face);
  const next = { ...state, queue, ready, asked: null, onScreen, continues: !state.paused };
  // The gate had closed already: what took this face off is on its way to the display.
  return state.gateOpen ? next : showAgain({ ...next, continues: false }, onScreen, output);
}

/** Asks for the next face as soon as the one before it is on the screen: its due frame is then a whole period away. */
function askNext(state: PlanState, output: PlanOutput): PlanState {
  const first = state.queue[0];
  const { connected, visible, streaming, paused, gateOpen, asked } = state;
  const may = connected && visible && streaming && !paused && gateOpen && asked === null;
  if (!may || !first || !(state.continues || state.ready.has(first.face))) return state;
  const { onMs, periodMs } = state.settings;
  const presentation = state.nextPresentation;
  output.messages.push({
    op: "show",
    presentation,
    face: first.face,
    onMs,
    periodMs: state.continues ? periodMs : null,
  });
  return { ...state, asked: { presentation, face: first.face }, clearing: false, nextPresentation: presentation + 1 };
}
