import type { SessionState, TrialFlag, UnalignedReason } from "../../protocols/wire/events.ts";
import type { OperatorOp, UnitOrder } from "../../protocols/wire/operator.ts";
import type { AcquisitionEvent } from "../acquisition/spike-batch.ts";
import { type Choice, NONE_ALLOWED } from "../choice/choice.ts";
import type { BestUnit, Refined } from "../choice/decider.ts";
import type { GateEvent } from "../gate/gate.ts";
import type { Realised } from "../model/synthesis-worker.ts";
import type { SettingOrder } from "../operator/desk.ts";
import type { DisplayEvent } from "../presentation/display-server.ts";
import type { PlanOutput } from "../presentation/plan.ts";
import { isBroken, isUsable, type Trial } from "../trials/trial.ts";

/** Everything that happens in a session, in order. The journal keeps all of it; the view below is folded from it. */
export type SessionEvent =
  | { kind: "acquisition"; event: AcquisitionEvent }
  | { kind: "display"; event: DisplayEvent }
  /** The decider is asked for choices after a trial (null: for the first few), or told of the pause with the faces that were read back. */
  | { kind: "decide"; trial: number | null; count: number }
  | { kind: "refine"; faces: number[] }
  /** `after` is the trial whose answer this choice has learned from; null for the first few. */
  | { kind: "choice"; face: number; choice: Choice; after: number | null }
  /** A chosen face was synthesised and read back. */
  | ({ kind: "realised"; face: number } & Realised)
  | { kind: "trial"; trial: Trial }
  | { kind: "plan"; output: PlanOutput }
  | ({ kind: "refined" } & Refined)
  | { kind: "gate"; event: GateEvent & { serverMs: number } }
  | { kind: "command"; command: OperatorOp }
  | { kind: "unit"; order: UnitOrder }
  /** A change or a check that an operator asked for has taken effect: for faces chosen after trial `after`; null: before any. */
  | { kind: "setting"; order: SettingOrder; after: number | null }
  /** An operator's note. */
  | { kind: "mark"; text: string }
  /** A thread that the session can't do without was lost, or has been replaced. */
  | ({ kind: "worker" } & WorkerState)
  /** A rule of the experiment ended the session before its last trial. */
  | { kind: "stopped"; reason: string };

export interface WorkerState {
  worker: "decider" | "synthesis";
  up: boolean;
  /** What happened. */
  why: string;
}

type Counts<Key extends string> = Readonly<Partial<Record<Key, number>>>;

/** What is known of the session at this moment. */
export interface SessionView {
  state: Exclude<SessionState, "ended">;
  trials: { closed: number; usable: number; planned: number };
  /** Server times of the first and the last closed trial, for the rate. */
  firstTrialServerMs: number | null;
  lastTrialServerMs: number | null;
  /** Spikes counted in response windows, one entry a unit; empty before the first trial. */
  spikesInWindows: readonly number[];
  bestUnit: BestUnit | null;
  displayConnected: boolean;
  /** Why the gate is closed; null where it is open or there is none. */
  gateClosed: string | null;
  deadlineMisses: number;
  abortedPresentations: number;
  droppedFrames: number;
  /** The rule that ended the session before its last trial. */
  stopped: string | null;
  /** Faces chosen that keep no constraint, since none that was considered does. */
  unconstrainedFaces: number;
  /** Refits that failed: their units keep what they learned a trial at a time. */
  failedRefits: number;
  /** Trials by flag. */
  flags: Counts<TrialFlag>;
  /** Unaligned ones by why they are. */
  unaligned: Counts<UnalignedReason>;
}

export const waitingView = (planned: number): SessionView => ({
  state: "waiting",
  trials: { closed: 0, usable: 0, planned },
  firstTrialServerMs: null,
  lastTrialServerMs: null,
  spikesInWindows: [],
  bestUnit: null,
  displayConnected: false,
  gateClosed: null,
  deadlineMisses: 0,
  abortedPresentations: 0,
  droppedFrames: 0,
  stopped: null,
  unconstrainedFaces: 0,
  failedRefits: 0,
  flags: {},
  unaligned: {},
});

export function stepView(view: SessionView, event: SessionEvent): SessionView {
  switch (event.kind) {
    case "display":
      return stepDisplay(view, event.event);
    case "trial":
      return {
        ...view,
        trials: {
          ...view.trials,
          closed: view.trials.closed + Number(!isBroken(event.trial)),
          usable: view.trials.usable + Number(isUsable(event.trial)),
        },
        spikesInWindows: Array.from(event.trial.counts, (n, u) => n + (view.spikesInWindows[u] ?? 0)),
        flags: counted(view.flags, event.trial.flags),
        unaligned: event.trial.unaligned ? counted(view.unaligned, [event.trial.unaligned]) : view.unaligned,
        firstTrialServerMs: view.firstTrialServerMs ?? event.trial.closedServerMs,
        lastTrialServerMs: event.trial.closedServerMs,
      };
    case "plan":
      return stepOutput(view, event.output);
    case "refined":
      return stepRefined(view, event);
    case "command":
      if (event.command === "abort" || event.command === "skip") return view;
      return { ...view, state: event.command === "pause" ? "paused" : "running" };
    case "gate":
      return { ...view, gateClosed: event.event.open ? null : event.event.why };
    case "choice":
      return event.choice.reason.special === NONE_ALLOWED
        ? { ...view, unconstrainedFaces: view.unconstrainedFaces + 1 }
        : view;
    case "acquisition":
    case "decide":
    case "refine":
    case "unit":
    case "setting":
    case "mark":
    case "realised":
    case "worker":
      return view;
    case "stopped":
      return { ...view, stopped: event.reason };
  }
}

function stepRefined(view: SessionView, { bestUnit, refits }: Refined): SessionView {
  const failed = refits.reduce((sum, refit) => sum + Number(refit.failed !== null), 0);
  if (failed === 0 && view.trials.usable === 0) return view;
  return {
    ...view,
    bestUnit: view.trials.usable > 0 ? bestUnit : view.bestUnit,
    failedRefits: view.failedRefits + failed,
  };
}

function counted<Key extends string>(before: Counts<Key>, keys: readonly Key[]): Counts<Key> {
  const counts: Partial<Record<Key, number>> = { ...before };
  for (const key of keys) counts[key] = (counts[key] ?? 0) + 1;
  return counts;
}

/** Trials per minute since the first; 0 before there are two. */
export function trialsPerMinute({ trials, firstTrialServerMs, lastTrialServerMs }: SessionView): number {
  if (firstTrialServerMs === null || lastTrialServerMs === null || lastTrialServerMs <= firstTrialServerMs) return 0;
  return ((trials.closed - 1) * 60_000) / (lastTrialServerMs - firstTrialServerMs);
}

function stepDisplay(view: SessionView, event: DisplayEvent): SessionView {
  switch (event.type) {
    case "connected":
      return { ...view, displayConnected: true };
    case "lost":
      return { ...view, displayConnected: false };
    case "shown":
      if (event.retold) return view;
      return {
        ...view,
        state: view.state === "waiting" ? "running" : view.state,
        droppedFrames: view.droppedFrames + event.dropped,
      };
    default:
      return view;
  }
}

function stepOutput(view: SessionView, output: PlanOutput): SessionView {
  if (!output.deadlineMissed && output.aborted.length === 0) return view;
  return {
    ...view,
    deadlineMisses: view.deadlineMisses + Number(output.deadlineMissed),
    abortedPresentations: view.abortedPresentations + output.aborted.length,
  };
}
