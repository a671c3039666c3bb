import type { TrialFlag } from "../../protocols/wire/events.ts";
import type { AcquisitionEvent, SpikeBatch } from "../acquisition/spike-batch.ts";
import { initStreamClock, type StreamClock, stepStreamClock, toNeural } from "./stream-clock.ts";

/** A presentation whose onset the display has confirmed. */
export interface Onset {
  presentation: number;
  face: number;
  latents: Float64Array;
  onsetServerMs: number;
  uncertaintyMs: number;
  /** Frames the display lost around this presentation. */
  dropped: number;
  lateFrames: number;
}

/** [startS, endS) on the stream's clock, right to within `uncertaintyMs`. */
export interface ResponseWindow {
  startS: number;
  endS: number;
  uncertaintyMs: number;
}

/** A presentation with its response. */
export interface Trial {
  trial: number;
  presentation: number;
  face: number;
  latents: Float64Array;
  stream: string;
  /** Response window on the stream's clock; null where the sender restarted before the onset could be placed. */
  window: ResponseWindow | null;
  /** Spikes in the window, one entry a unit. */
  counts: Uint32Array;
  flags: TrialFlag[];
  /** Server clock at the arrival of the message that closed the window. */
  closedServerMs: number;
}

export interface TrialSettings {
  units: number;
  latencyMs: number;
  windowMs: number;
}

export type TrialInput =
  | AcquisitionEvent
  | ({ type: "onset" } & Onset)
  /** The display went away: what is on the screen from here on is not known. */
  | { type: "displayLost" };

interface OpenTrial {
  onset: Onset;
  window: ResponseWindow | null;
  flags: readonly TrialFlag[];
}

/**
 * Batches as a list from the newest to the oldest: taking one costs the same however many are kept. What is too old is cut off
 * once as many have come as were kept, so that a batch costs a constant number of steps on average.
 */
interface Retained {
  newest: Link | null;
  kept: number;
  sinceCut: number;
}
interface Link {
  batch: SpikeBatch;
  /** No spike of this batch or an older one is later; a batch may hold spikes beyond its `untilS`. */
  latestS: number;
  older: Link | null;
}

export interface TrialState {
  settings: TrialSettings;
  clock: StreamClock;
  /** The stream's time; −∞ before it is heard. */
  untilS: number;
  /** Batches that a window may still need. */
  recent: Retained;
  /** Stream time from which everything that arrived is still in `recent`. */
  retainedFromS: number;
  /** Spans of stream time in which messages are missing; the last is open (toS = ∞) until the next batch. */
  gaps: readonly { fromS: number; toS: number }[];
  open: readonly OpenTrial[];
  /** Trials closed so far. */
  count: number;
}

/** How long spikes wait for an onset that is confirmed late, in seconds beyond the window's end. */
const retainS = 5;

export const initTrials = (settings: TrialSettings): TrialState => ({
  settings,
  clock: initStreamClock(),
  untilS: Number.NEGATIVE_INFINITY,
  recent: { newest: null, kept: 0, sinceCut: 0 },
  retainedFromS: Number.NEGATIVE_INFINITY,
  gaps: [],
  open: [],
  count: 0,
});

/** One input to trials: the new state and the trials it closed, in the order of their onsets (SPEC.md, rules T). */
export function stepTrials(state: TrialState, input: TrialInput): [TrialState, Trial[]] {
  switch (input.type) {
    case "batch":
      return closePassed(takeBatch(state, input), input.stream, input.arrivedServerMs);
    case "gap":
      return [{ ...state, gaps: [...state.gaps, { fromS: state.untilS, toS: Number.POSITIVE_INFINITY }] }, []];
    case "restart":
      return restart(state, input.stream, input.arrivedServerMs);
    case "rejected":
    case "reordered":
    case "ttl":
    case "link":
      return [state, []];
    case "displayLost":
      return [{ ...state, open: state.open.map((trial) => withFlag(trial, "aborted")) }, []];
    case "onset":
      return [
        { ...state, open: [...state.open, openTrial(state, input, input.dropped > 0 ? ["droppedFrame"] : [])] },
        [],
      ];
  }
}

/** Whether a trial may teach: it was on the screen as planned and no spike of its window can be missing. */
export const isUsable = ({ flags }: Trial): boolean => flags.includes("complete");

const withFlag = (trial: OpenTrial, flag: TrialFlag): OpenTrial =>
  trial.flags.includes(flag) ? trial : { ...trial, flags: [...trial.flags, flag] };

function windowOf({ clock, settings }: TrialState, onset: Onset): OpenTrial["window"] {
  const at = toNeural(clock, onset.onsetServerMs);
  if (!at) return null;
  const startS = at.neuralS + settings.latencyMs / 1000;
  return {
    startS,
    endS: startS + settings.windowMs / 1000,
    uncertaintyMs: at.uncertaintyMs + onset.uncertaintyMs,
  };
}

function openTrial(state: TrialState, onset: Onset, flags: readonly TrialFlag[]): OpenTrial {
  const window = windowOf(state, onset);
  const trial: OpenTrial = { onset, window, flags };
  return window && window.endS <= state.untilS ? withFlag(trial, "late") : trial;
}

function takeBatch(state: TrialState, batch: SpikeBatch): TrialState {
  const clock = stepStreamClock(state.clock, batch.reachedS, batch.arrivedServerMs);
  const untilS = Math.max(state.untilS, batch.untilS);
  const horizonS = Math.min(
    untilS - retainS - state.settings.windowMs / 1000,
    ...state.open.map((trial) => trial.window?.startS ?? Number.POSITIVE_INFINITY),
  );
  const next: TrialState = {
    ...state,
    clock,
    untilS,
    recent: retain(state.recent, batch, horizonS),
    // The first batch that is heard may begin anywhere: nothing before its time can be vouched for.
    retainedFromS: Math.max(horizonS, state.untilS === Number.NEGATIVE_INFINITY ? batch.untilS : state.retainedFromS),
    gaps: state.gaps
      .map((gap) => (gap.toS === Number.POSITIVE_INFINITY ? { ...gap, toS: batch.untilS } : gap))
      .filter((gap) => gap.toS >= horizonS),
  };
  if (next.open.every((trial) => trial.window)) return next;
  return {
    ...next,
    open: next.open.map((trial) => (trial.window ? trial : openTrial(next, trial.onset, trial.flags))),
  };
}

function closePassed(state: TrialState, stream: string, arrivedServerMs: number): [TrialState, Trial[]] {
  let passed = 0;
  while (passed < state.open.length && state.open[passed].window!.endS <= state.untilS) passed++;
  if (passed === 0) return [state, []];
  const closed = state.open.slice(0, passed).map((trial, i) => close(state, trial, i, stream, arrivedServerMs));
  return [{ ...state, open: state.open.slice(passed), count: state.count + passed }, closed];
}

function close(
  state: TrialState,
  { onset, window, flags }: OpenTrial,
  i: number,
  stream: string,
  closedServerMs: number,
): Trial {
  const all = [...flags];
  if (mayMiss(state, window) && !all.includes("gap")) all.push("gap");
  if (!all.includes("gap") && !all.includes("aborted")) all.unshift("complete");
  return {
    trial: state.count + i,
    presentation: onset.presentation,
    face: onset.face,
    latents: onset.latents,
    stream,
    window,
    counts: countSpikes(state.recent, state.settings.units, window),
    flags: all,
    closedServerMs,
  };
}

/** Whether spikes of the window can be missing. */
const mayMiss = ({ retainedFromS, gaps }: TrialState, window: ResponseWindow | null): boolean =>
  window === null ||
  window.startS < retainedFromS ||
  gaps.some(({ fromS, toS }) => fromS < window.endS && toS >= window.startS);

function retain({ newest, kept, sinceCut }: Retained, batch: SpikeBatch, horizonS: number): Retained {
  let latestS = Math.max(batch.untilS, newest?.latestS ?? Number.NEGATIVE_INFINITY);
  for (const timeS of batch.timeS) if (timeS > latestS) latestS = timeS;
  const link = { batch, latestS, older: newest };
  if (sinceCut <= kept) return { newest: link, kept, sinceCut: sinceCut + 1 };
  const young: Link[] = [];
  for (let at: Link | null = link; at && at.latestS >= horizonS; at = at.older) young.push(at);
  return {
    newest: young.reduceRight<Link | null>((older, { batch, latestS }) => ({ batch, latestS, older }), null),
    kept: young.length,
    sinceCut: 0,
  };
}

/** Spikes of each unit with startS ≤ t < endS; none where there is no window. */
function countSpikes({ newest }: Retained, units: number, window: ResponseWindow | null): Uint32Array {
  const counts = new Uint32Array(units);
  if (!window) return counts;
  const { startS, endS } = window;
  for (let at = newest; at && at.latestS >= startS; at = at.older) {
    const { unit, timeS, count } = at.batch;
    for (let i = 0; i < timeS.length; i++)
      if (timeS[i] >= startS && timeS[i] < endS) counts[unit[i]] += count ? count[i] : 1;
  }
  return counts;
}

/** The sender began again: windows that were open can never be filled on a clock that is gone. */
function restart(state: TrialState, stream: string, arrivedServerMs: number): [TrialState, Trial[]] {
  const closed = state.open.map((trial, i) => close(state, withFlag(trial, "gap"), i, stream, arrivedServerMs));
  return [{ ...initTrials(state.settings), count: state.count + closed.length }, closed];
}
