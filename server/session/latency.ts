/** Where the time goes between a spike and the next face, by step, over a session. */
import type { Experiment } from "../../protocols/experiment.ts";
import { initStreamClock, leastOffsetMs, type StreamClock, stepStreamClock } from "../trials/stream-clock.ts";
import type { Trial } from "../trials/trial.ts";
import { quantile } from "./quantile.ts";
import type { SessionEvent } from "./view.ts";

/** In the order in which they pass. */
export const latencySteps = [
  /** From a message's sending to its arrival; known of simulated rigs alone, until their clock begins again. */
  "spikesToServer",
  /**
   * From the end of a response window to the arrival of the message that closes it: the sender's blocks, the margin, and transport (by
   * photodiode, where the end is known on the stream's clock alone: what of it the quickest messages do not take).
   */
  "windowToClosed",
  /** Tuning and choice. */
  "closedToDecided",
  /** The decoder. */
  "decidedToDecoded",
  "decodedToSent",
  /** Socket, upload, and the way of `ready` back. */
  "sentToReady",
  /** The four steps before this one together. */
  "closedToReady",
  /** Callback of an onset's frame after the beginning of the frame that was planned. */
  "onsetJitter",
] as const;
export type LatencyStep = (typeof latencySteps)[number];

export interface Latency {
  n: number;
  p50: number;
  p99: number;
  max: number;
}

export interface LatencyBudget {
  /** Told of every event of the session, `serverMs` being now. */
  told(event: SessionEvent, serverMs: number): void;
  decoded(latents: Float64Array, serverMs: number): void;
  sent(face: number, serverMs: number): void;
  /** By step, in ms, over the last so many passages or all; steps that were not seen are left out. */
  table(last?: number): Partial<Record<LatencyStep, Latency>>;
}

interface Passage {
  face: number;
  closedMs: number;
  decidedMs: number;
  decodedMs?: number;
  sentMs?: number;
}

/**
 * @param experiment as the session begins
 * @param rigOriginMs server time at a simulated rig's stream time 0; null for a real one
 */
export function createLatencyBudget(experiment: Experiment, rigOriginMs: number | null): LatencyBudget {
  let { response } = experiment;
  let originMs = rigOriginMs;
  const isPhotodiode = experiment.alignment.method === "photodiode";
  const samples = new Map<LatencyStep, number[]>(latencySteps.map((step) => [step, []]));
  const add = (step: LatencyStep, ms: number) => samples.get(step)!.push(ms);
  /** Server time of each open window's end, by presentation. */
  const windowEnds = new Map<number, number>();
  const closed = new Map<number, number>();
  const clocks = new Map<string, StreamClock>();
  const byLatents = new Map<Float64Array, Passage>();
  const byFace = new Map<number, Passage>();

  /** Where the diode placed a window: it ends later than the display's report has it, by the screen's own delay. */
  function endByStream({ stream, window }: Trial): number | undefined {
    const clock = clocks.get(stream);
    const offsetMs = clock ? leastOffsetMs(clock) : null;
    return window?.by === "photodiode" && offsetMs !== null ? 1000 * window.endS + offsetMs : undefined;
  }

  function ready(face: number, readyMs: number): void {
    const passage = byFace.get(face);
    byFace.delete(face);
    // A face that was sent again, to a display that came back, says nothing.
    if (passage?.decodedMs === undefined || passage.sentMs === undefined) return;
    const { closedMs, decidedMs, decodedMs, sentMs } = passage;
    add("closedToDecided", decidedMs - closedMs);
    add("decidedToDecoded", decodedMs - decidedMs);
    add("decodedToSent", sentMs - decodedMs);
    add("sentToReady", readyMs - sentMs);
    add("closedToReady", readyMs - closedMs);
  }

  return {
    told(event, serverMs) {
      switch (event.kind) {
        case "acquisition":
          if (event.event.type === "batch") {
            const { stream, reachedS, arrivedServerMs } = event.event;
            if (isPhotodiode)
              clocks.set(stream, stepStreamClock(clocks.get(stream) ?? initStreamClock(), reachedS, arrivedServerMs));
            if (originMs !== null) add("spikesToServer", arrivedServerMs - originMs - 1000 * reachedS);
          } else if (event.event.type === "restart") {
            clocks.clear();
            originMs = null;
          }
          break;
        case "plan":
          for (const { presentation, onsetServerMs } of event.output.onsets)
            windowEnds.set(presentation, onsetServerMs + response.latencyMs + response.windowMs);
          break;
        case "setting":
          if (event.order.op === "change") response = event.order.experiment.response;
          break;
        case "trial": {
          const { trial, presentation, closedServerMs } = event.trial;
          const endMs = isPhotodiode ? endByStream(event.trial) : windowEnds.get(presentation);
          windowEnds.delete(presentation);
          closed.set(trial, closedServerMs);
          if (endMs !== undefined && event.trial.window) add("windowToClosed", closedServerMs - endMs);
          break;
        }
        case "choice": {
          const closedMs = event.after === null ? undefined : closed.get(event.after);
          if (event.after !== null) closed.delete(event.after);
          if (closedMs === undefined) break;
          const passage: Passage = { face: event.face, closedMs, decidedMs: serverMs };
          byLatents.set(event.choice.latents, passage);
          byFace.set(event.face, passage);
          break;
        }
        case "display":
          if (event.event.type === "ready") ready(event.event.face, event.event.serverMs);
          else if (event.event.type === "lost") byFace.clear();
          else if (event.event.type === "shown") add("onsetJitter", event.event.displayMs - event.event.dueMs);
      }
    },
    decoded(latents, serverMs) {
      const passage = byLatents.get(latents);
      if (passage) passage.decodedMs = serverMs;
      byLatents.delete(latents);
    },
    sent(face, serverMs) {
      const passage = byFace.get(face);
      if (passage) passage.sentMs ??= serverMs;
    },
    table: (last = Number.POSITIVE_INFINITY) =>
      Object.fromEntries(
        [...samples]
          .filter(([, values]) => values.length > 0)
          .map(([step, values]) => [step, last < values.length ? values.slice(-last) : values] as const)
          .map(([step, values]) => [
            step,
            {
              n: values.length,
              p50: quantile(values, 0.5),
              p99: quantile(values, 0.99),
              max: values.reduce((a, b) => Math.max(a, b)),
            },
          ]),
      ),
  };
}

export const latencyWords: Record<LatencyStep, string> = {
  spikesToServer: "spikes sent → received (ZeroMQ)",
  windowToClosed: "window's end → closed",
  closedToDecided: "→ tuned and chosen",
  decidedToDecoded: "→ decoded",
  decodedToSent: "→ sent",
  sentToReady: "→ texture ready",
  closedToReady: "closed → texture ready",
  onsetJitter: "onset after its planned frame",
};

/** The table as lines for a terminal. */
export function latencyLines(table: Partial<Record<LatencyStep, Latency>>): string[] {
  const ms = (value: number) => value.toFixed(2).padStart(9);
  return Object.entries(table).map(
    ([step, { n, p50, p99, max }]) =>
      `  ${latencyWords[step as LatencyStep].padEnd(34)} ${ms(p50)} ${ms(p99)} ${ms(max)}  (${n})`,
  );
}
