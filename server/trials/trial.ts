import type { TrialFlag, UnalignedReason } from "../../protocols/wire/events.ts";
import type { AcquisitionEvent, SpikeBatch } from "../acquisition/spike-batch.ts";
import {
  expectPulse,
  initPhotodiode,
  type Match,
  matchPulses,
  type PhotodiodeSettings,
  type PhotodiodeState,
  restartPhotodiode,
  takeTtl,
} from "./photodiode.ts";
import {
  hasJumpedAhead,
  initStreamClock,
  type NeuralTime,
  type StreamClock,
  stepStreamClock,
  toNeural,
} from "./stream-clock.ts";

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
  /** The photodiode's patch from this onset on: white or not. */
  patch: boolean;
  /** The display went away while it was on. */
  interrupted: boolean;
}

/** [startS, endS) on the stream's clock, right to within `uncertaintyMs`. */
export interface ResponseWindow {
  startS: number;
  endS: number;
  uncertaintyMs: number;
  /** What placed it on the stream's clock. */
  by: "software" | "photodiode";
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
  /** Why it is flagged `unaligned`; left out where it is not. */
  unaligned?: UnalignedReason;
  /** Server clock at the arrival of the message that closed the window. */
  closedServerMs: number;
  /** The same presentation on the clocks of the session's other streams; none where it counts one. */
  others?: readonly Pick<Trial, "stream" | "window" | "flags" | "unaligned">[];
}

export interface TrialSettings {
  units: number;
  latencyMs: number;
  windowMs: number;
  alignment: AlignmentSettings;
}

export interface AlignmentSettings extends PhotodiodeSettings {
  method: "software" | "photodiode";
  /** Longest that the quickest spike message takes from its samples to its arrival. */
  transportMs: number;
  /** From a frame's callback to light, as measured; `software` only. */
  displayDelayMs: number;
  /** A window that is less certain than this teaches nothing. */
  maxUncertaintyMs: number;
}

export type TrialInput =
  | AcquisitionEvent
  | ({ type: "onset" } & Onset)
  /** The display went away: what is on the screen from here on is not known. */
  | { type: "displayLost" }
  /** The gate closed while this presentation's face was needed on the screen. */
  | { type: "gateBroken"; presentation: number }
  /** An operator had this presentation's face taken off. */
  | { type: "skipped"; presentation: number }
  /** Onsets from here on have another response window. */
  | { type: "response"; latencyMs: number; windowMs: number };

interface OpenTrial {
  onset: Onset;
  /** The response window as it was when its face came on, in ms. */
  response: { latencyMs: number; windowMs: number };
  window: ResponseWindow | null;
  flags: readonly TrialFlag[];
  /** Why the photodiode could not place it. */
  unaligned?: UnalignedReason;
  /** Its place is final: by software at once, by photodiode once its edge was found or given up. */
  placed: boolean;
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
  /** The stream that is counted; empty before it is heard. */
  stream: string;
  clock: StreamClock;
  photodiode: PhotodiodeState;
  /** The stream's time; −∞ before it is heard. */
  untilS: number;
  /** Where the stream's clock stood last: behind `untilS` where it was set back. */
  reachedS: number;
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

/** By how much a stream's time may fall from rounding alone. */
const SET_BACK_S = 0.001;
/** How long spikes wait for an onset that is confirmed late, in seconds beyond the window's end. */
const retainS = 5;

/** @param count trials of the session so far */
export const initTrials = (settings: TrialSettings, count = 0): TrialState => ({
  settings,
  stream: "",
  clock: initStreamClock(),
  photodiode: initPhotodiode(settings.alignment),
  untilS: Number.NEGATIVE_INFINITY,
  reachedS: Number.NEGATIVE_INFINITY,
  recent: { newest: null, kept: 0, sinceCut: 0 },
  retainedFromS: Number.NEGATIVE_INFINITY,
  gaps: [],
  open: [],
  count,
});

/** One input to trials: the new state and the trials it closed, in the order of their onsets (SPEC.md, rules T). */
export function stepTrials(state: TrialState, input: TrialInput): [TrialState, Trial[]] {
  switch (input.type) {
    case "batch":
      return closePassed(takeBatch(state, input), input.arrivedServerMs);
    case "gap":
      return [{ ...state, gaps: [...state.gaps, { fromS: state.untilS, toS: Number.POSITIVE_INFINITY }] }, []];
    case "restart":
      return restart(state, input.arrivedServerMs);
    case "rejected":
    case "reordered":
    case "link":
    case "heartbeat":
      return [state, []];
    case "ttl":
      return [
        { ...state, photodiode: takeTtl(state.photodiode, input.line, { timeS: input.timeS, level: input.state }) },
        [],
      ];
    case "displayLost":
      return [{ ...state, open: state.open.map((trial) => withFlag(trial, "aborted")) }, []];
    case "response": {
      const { latencyMs, windowMs } = input;
      return [{ ...state, settings: { ...state.settings, latencyMs, windowMs } }, []];
    }
    case "gateBroken":
    case "skipped": {
      const open = state.open.map((trial) =>
        trial.onset.presentation === input.presentation ? withFlag(trial, input.type) : trial,
      );
      return [{ ...state, open }, []];
    }
    case "onset":
      return [takeOnset(state, input), []];
  }
}

/** Whether a trial may teach: it was on the screen as planned and no spike of its window can be missing. */
export const isUsable = ({ flags }: Trial): boolean => flags.includes("complete");

/** Whether its face is shown again: it counts for nothing. */
export const isBroken = ({ flags }: Trial): boolean => flags.includes("gateBroken") || flags.includes("interrupted");

const withFlag = (trial: OpenTrial, flag: TrialFlag): OpenTrial =>
  trial.flags.includes(flag) ? trial : { ...trial, flags: [...trial.flags, flag] };

function takeOnset(state: TrialState, onset: Onset): TrialState {
  const { presentation, onsetServerMs: serverMs, patch } = onset;
  const flags: TrialFlag[] = [];
  if (onset.dropped > 0) flags.push("droppedFrame");
  if (onset.interrupted) flags.push("aborted");
  const isPhotodiode = state.settings.alignment.method === "photodiode";
  return {
    ...state,
    photodiode: isPhotodiode ? expectPulse(state.photodiode, { presentation, serverMs, patch }) : state.photodiode,
    open: [...state.open, openTrial(state, { onset, response: state.settings, flags, placed: !isPhotodiode })],
  };
}

const place = ({ clock, settings }: TrialState, serverMs: number): NeuralTime | null =>
  toNeural(clock, serverMs, settings.alignment.transportMs);

function windowAt(
  { latencyMs, windowMs }: OpenTrial["response"],
  onsetS: number,
  uncertaintyMs: number,
  by: ResponseWindow["by"],
): ResponseWindow {
  const startS = onsetS + latencyMs / 1000;
  return { startS, endS: startS + windowMs / 1000, uncertaintyMs, by };
}

function softwareWindow(
  state: TrialState,
  { onset, response }: Pick<OpenTrial, "onset" | "response">,
): ResponseWindow | null {
  const at = place(state, onset.onsetServerMs);
  if (!at) return null;
  const onsetS = at.neuralS + state.settings.alignment.displayDelayMs / 1000;
  return windowAt(response, onsetS, at.uncertaintyMs + onset.uncertaintyMs, "software");
}

function openTrial(state: TrialState, unplaced: Omit<OpenTrial, "window">): OpenTrial {
  const window = softwareWindow(state, unplaced);
  const trial: OpenTrial = { ...unplaced, window };
  return window && window.endS <= state.untilS ? withFlag(trial, "late") : trial;
}

/** A digital edge is known to a sample; this covers 10 kHz and more. The diode's own rise is not in it. */
const EDGE_UNCERTAINTY_MS = 0.1;

function placeByPhotodiode(state: TrialState, matches: readonly Match[]): TrialState {
  if (matches.length === 0) return state;
  const byPresentation = new Map(matches.map((match) => [match.presentation, match]));
  const open = state.open.map((trial): OpenTrial => {
    const match = byPresentation.get(trial.onset.presentation);
    if (!match) return trial;
    if (match.onsetS === null) return withFlag({ ...trial, placed: true, unaligned: match.why }, "unaligned");
    const window = windowAt(trial.response, match.onsetS, EDGE_UNCERTAINTY_MS, "photodiode");
    return { ...trial, window, placed: true };
  });
  return { ...state, open };
}

function takeBatch(state: TrialState, batch: SpikeBatch): TrialState {
  const clock = stepStreamClock(state.clock, batch.reachedS, batch.arrivedServerMs);
  const untilS = Math.max(state.untilS, batch.untilS);
  const jump = jumpOf(state, batch);
  // A window that is less certain than this can't be used anyway.
  const marginS = state.settings.alignment.maxUncertaintyMs / 1000;
  const horizonS = Math.min(
    untilS - retainS - state.settings.windowMs / 1000,
    ...state.open.map(({ window }) => (window ? window.startS - marginS : Number.POSITIVE_INFINITY)),
  );
  const next: TrialState = {
    ...state,
    stream: batch.stream,
    clock,
    untilS,
    reachedS: batch.reachedS,
    recent: retain(state.recent, batch, horizonS),
    // The first batch that is heard may begin anywhere: nothing before its time can be vouched for.
    retainedFromS: Math.max(horizonS, state.untilS === Number.NEGATIVE_INFINITY ? batch.untilS : state.retainedFromS),
    gaps: [...state.gaps, ...(jump ? [jump] : [])]
      .map((gap) => (gap.toS === Number.POSITIVE_INFINITY ? { ...gap, toS: batch.untilS } : gap))
      .filter((gap) => gap.toS >= horizonS),
  };
  const opened = next.open.every((trial) => trial.window)
    ? next
    : {
        ...next,
        open: next.open.map((t) => (t.window ? t : openTrial(next, t))),
      };
  if (opened.settings.alignment.method === "software") return opened;
  const [photodiode, matches] = matchPulses(opened.photodiode, completeS(opened), (serverMs) =>
    place(opened, serverMs),
  );
  return placeByPhotodiode({ ...opened, photodiode }, matches);
}

/** Stream time that came twice, as the clock was set back, or never, as it jumped ahead; null where it runs on. */
function jumpOf(
  { clock, settings, untilS, reachedS }: TrialState,
  batch: SpikeBatch,
): { fromS: number; toS: number } | null {
  if (batch.reachedS < reachedS - SET_BACK_S) return { fromS: batch.reachedS, toS: untilS };
  if (hasJumpedAhead(clock, batch.reachedS, batch.arrivedServerMs, settings.alignment.transportMs))
    return { fromS: untilS, toS: batch.untilS };
  return null;
}

/** Up to where nothing is still to come: where a clock was set back, the time between comes again. */
const completeS = ({ untilS, reachedS }: TrialState): number => Math.min(untilS, reachedS);

/** The stream has passed the window, wherever in its margin it lies. */
const isPassed = (state: TrialState, { window, placed }: OpenTrial): boolean =>
  placed && window !== null && window.endS + window.uncertaintyMs / 1000 <= completeS(state);

function closePassed(state: TrialState, arrivedServerMs: number): [TrialState, Trial[]] {
  let passed = 0;
  while (passed < state.open.length && isPassed(state, state.open[passed])) passed++;
  if (passed === 0) return [state, []];
  const closed = state.open.slice(0, passed).map((trial, i) => close(state, trial, i, arrivedServerMs));
  return [{ ...state, open: state.open.slice(passed), count: state.count + passed }, closed];
}

/**
 * A software window with what has been learned since it was opened: a clock that was set back shows in later messages only,
 * so where the onset would now be placed elsewhere, that is part of the uncertainty.
 */
function reconsidered(state: TrialState, trial: OpenTrial): ResponseWindow | null {
  const { window } = trial;
  if (window?.by !== "software") return window;
  const now = softwareWindow(state, trial);
  if (!now) return window;
  const movedMs = 1000 * Math.abs(now.startS - window.startS);
  return { ...window, uncertaintyMs: Math.max(window.uncertaintyMs, movedMs + now.uncertaintyMs) };
}

function close(state: TrialState, trial: OpenTrial, i: number, closedServerMs: number): Trial {
  const { onset } = trial;
  const window = reconsidered(state, trial);
  const all = [...trial.flags];
  const raise = (flag: TrialFlag, when: boolean) => when && !all.includes(flag) && all.push(flag);
  raise("gap", mayMiss(state, window));
  const isUncertain = window !== null && window.uncertaintyMs > state.settings.alignment.maxUncertaintyMs;
  raise("unaligned", isUncertain);
  const unaligned = trial.unaligned ?? (isUncertain ? "uncertain" : null);
  if (!unusable.some((flag) => all.includes(flag))) all.unshift("complete");
  return {
    trial: state.count + i,
    presentation: onset.presentation,
    face: onset.face,
    latents: onset.latents,
    stream: state.stream,
    window,
    counts: countSpikes(state.recent, state.settings.units, window),
    flags: all,
    ...(unaligned && { unaligned }),
    closedServerMs,
  };
}

const unusable: readonly TrialFlag[] = ["gap", "aborted", "unaligned", "gateBroken", "skipped"];

/** Whether spikes of the window can be missing, wherever in its margin it lies. */
function mayMiss({ retainedFromS, gaps }: TrialState, window: ResponseWindow | null): boolean {
  if (window === null) return true;
  const marginS = window.uncertaintyMs / 1000;
  const startS = window.startS - marginS;
  const endS = window.endS + marginS;
  return startS < retainedFromS || gaps.some(({ fromS, toS }) => fromS < endS && toS >= startS);
}

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
function restart(state: TrialState, arrivedServerMs: number): [TrialState, Trial[]] {
  const closed = state.open.map((trial, i) => close(state, withFlag(trial, "gap"), i, arrivedServerMs));
  const [photodiode] = restartPhotodiode(state.photodiode);
  return [
    { ...initTrials(state.settings), stream: state.stream, photodiode, count: state.count + closed.length },
    closed,
  ];
}
