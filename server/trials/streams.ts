/**
 * Trials of a session that counts several streams, each on a clock of its own (two probes): every stream places and closes the
 * window of each presentation by itself, and the presentation's trial is closed when the last has (SPEC.md, T17). Pure.
 */
import { initTrials, stepTrials, type Trial, type TrialInput, type TrialSettings, type TrialState } from "./trial.ts";

export interface StreamSettings {
  /** Null: whatever stream is heard; of a session with one stream only. */
  stream: string | null;
  settings: TrialSettings;
}

interface OneStream {
  readonly stream: string | null;
  readonly trials: TrialState;
  /** Closed here and not yet everywhere, in the order of their onsets. */
  readonly waiting: readonly Trial[];
}

export interface StreamsState {
  readonly streams: readonly OneStream[];
}

/** @param count trials of the session so far */
export const initStreams = (streams: readonly StreamSettings[], count = 0): StreamsState => ({
  streams: streams.map(({ stream, settings }) => ({ stream, trials: initTrials(settings, count), waiting: [] })),
});

/** One input to trials: the new state and the trials it closed, in the order of their onsets. */
export function stepStreams(state: StreamsState, input: TrialInput): [StreamsState, Trial[]] {
  const streams = state.streams.map((one): OneStream => {
    if (!concerns(input, one.stream)) return one;
    const [trials, closed] = stepTrials(one.trials, input);
    return { ...one, trials, waiting: closed.length > 0 ? [...one.waiting, ...closed] : one.waiting };
  });
  const ready = Math.min(...streams.map(({ waiting }) => waiting.length));
  if (ready === 0) return [{ streams }, []];
  return [
    { streams: streams.map((one) => ({ ...one, waiting: one.waiting.slice(ready) })) },
    Array.from({ length: ready }, (_, i) => joined(streams.map(({ waiting }) => waiting[i]))),
  ];
}

/** Whether an input is about a stream: those of presentations, and of messages that may be any stream's, are about all. */
const concerns = (input: TrialInput, stream: string | null): boolean =>
  stream === null || !("stream" in input) || input.stream === null || input.stream === stream;

/** The trial of one presentation from what each stream has of it; it is complete if it is complete in all of them. */
function joined(parts: readonly Trial[]): Trial {
  const [first, ...others] = parts;
  if (others.length === 0) return first;
  const unaligned = parts.find((part) => part.unaligned)?.unaligned;
  const flags = [...new Set(parts.flatMap((part) => part.flags))].filter((flag) => flag !== "complete");
  return {
    ...first,
    counts: first.counts.map((n, u) => others.reduce((sum, part) => sum + part.counts[u], n)),
    flags: parts.every((part) => part.flags.includes("complete")) ? ["complete", ...flags] : flags,
    ...(unaligned && { unaligned }),
    closedServerMs: Math.max(...parts.map((part) => part.closedServerMs)),
    others: others.map(({ stream, window, flags: own, unaligned: why }) => ({
      stream,
      window,
      flags: own,
      ...(why && { unaligned: why }),
    })),
  };
}
