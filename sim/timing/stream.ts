/**
 * A stream of presentations, spikes messages and photodiode edges with every fault that a rig has, in virtual time: what
 * `server/trials` sees, beside what was true. Pure: the same generator gives the same stream.
 */
import type { Random } from "../../server/random.ts";
import type { TrialInput } from "../../server/trials/trial.ts";

export interface StreamFaults {
  /** Share of onsets without an edge. */
  lost: number;
  /** Edges that no onset made, as a share of onsets. */
  extra: number;
  /** Pulses shorter than the debouncing time, as a share of onsets. */
  glitches: number;
  /** Server's clock against the stream's, parts per million, drawn anew at each jump: uniform in ±driftPpm. */
  driftPpm: number;
  /** Jumps of the stream's clock, as a share of onsets: up to ±0.9 s, some by a whole number of periods. */
  jumps: number;
  /** Restarts of the sender, as a share of onsets. */
  restarts: number;
  /** Share of seconds in which messages queue up for `burstMs`. */
  bursts: number;
  burstMs: number;
  /** The line is low where the patch is white. */
  inverted: boolean;
  /** Presentations that were over before the stream was heard. */
  unheard: number;
}

export const noFaults: StreamFaults = {
  lost: 0,
  extra: 0,
  glitches: 0,
  driftPpm: 0,
  jumps: 0,
  restarts: 0,
  bursts: 0,
  burstMs: 20,
  inverted: false,
  unheard: 0,
};

export interface SimulatedStream {
  /** In order of arrival at the server. */
  input: TrialInput;
  /** With each onset: when light changed, on the stream's clock as it ran then; null where it was not heard. */
  trueOnsetS: number | null;
}

const FRAME_MS = 1000 / 60;
const BLOCK_MS = 5;
/** From a frame's callback to light. */
const PANEL_MS = 24;
const PANEL_SD_MS = 0.2;
/** What the display's report is off by. */
const REPORT_SD_MS = 0.15;
/** From an onset to the arrival of its report. */
const REPORT_MS = 4;
const STARTS_AT_MS = 1.7e12;
/** One unit fires like a clock, every 2.5 ms of true time: what a window counts tells how much true time it held. */
export const SPIKE_EVERY_MS = BLOCK_MS / 2;

/** @param periodFrames onset to onset, of 60 a second */
export function* simulateStream(
  onsets: number,
  periodFrames: number,
  faults: StreamFaults,
  random: Random,
): Generator<SimulatedStream> {
  const [schedule, line, clock, transport] = ["schedule", "line", "clock", "transport"].map((part) =>
    random.split(part),
  );
  const periodMs = periodFrames * FRAME_MS;
  const drift = () => 1e-6 * faults.driftPpm * (2 * clock.uniform() - 1);
  let rate = 1 + drift();
  /** Stream time in ms = fixMs + rate · (server time − sinceMs). */
  let fixMs = 1e6 * clock.uniform();
  let sinceMs = STARTS_AT_MS;
  const streamMs = (serverMs: number) => fixMs + rate * (serverMs - sinceMs);
  const setClock = (serverMs: number, toMs: number) => {
    fixMs = toMs;
    sinceMs = serverMs;
    rate = 1 + drift();
  };

  let edges: { timeS: number; level: boolean }[] = [];
  let reports: { dueMs: number; told: SimulatedStream }[] = [];
  let patch = false;
  let blockMs = STARTS_AT_MS;
  let heard = faults.unheard === 0;
  let queuedMs = 0;
  let arrivedMs = STARTS_AT_MS;
  let second = 0;
  let untilS = Number.NEGATIVE_INFINITY;

  /** Blocks of the stream up to a server time. */
  function* blocks(toMs: number): Generator<SimulatedStream> {
    for (; blockMs + BLOCK_MS <= toMs; blockMs += BLOCK_MS) {
      const endMs = blockMs + BLOCK_MS;
      const reachedS = streamMs(endMs) / 1000;
      if (Math.floor(endMs / 1000) !== second) {
        second = Math.floor(endMs / 1000);
        queuedMs = transport.uniform() < faults.bursts ? faults.burstMs : 0;
      }
      const delayMs = 0.2 - 0.3 * Math.log(1 - transport.uniform()) + queuedMs * transport.uniform();
      // Messages stay in order.
      arrivedMs = Math.max(arrivedMs, endMs + delayMs);
      const due = reports.filter((report) => report.dueMs <= arrivedMs);
      reports = reports.filter((report) => report.dueMs > arrivedMs);
      for (const { told } of due) yield told;
      const passed = edges.filter(({ timeS }) => timeS <= reachedS).sort((a, b) => a.timeS - b.timeS);
      edges = edges.filter(({ timeS }) => timeS > reachedS);
      untilS = Math.max(untilS, reachedS);
      if (!heard) continue;
      const base = { stream: "sim", arrivedServerMs: arrivedMs } as const;
      for (const { timeS, level } of passed)
        yield { input: { type: "ttl", line: 0, state: level, timeS, ...base }, trueOnsetS: null };
      const timeS = Float64Array.of(streamMs(blockMs) / 1000, streamMs(blockMs + SPIKE_EVERY_MS) / 1000);
      yield {
        input: { type: "batch", untilS, reachedS, unit: Uint16Array.of(0, 0), timeS, count: null, ...base },
        trueOnsetS: null,
      };
    }
  }

  let onsetMs = STARTS_AT_MS + 500;
  for (let presentation = 0; presentation < onsets; presentation++) {
    const late = schedule.uniform() < 0.01 ? 1 + schedule.int(3) : 0;
    const pauseMs = schedule.uniform() < 0.001 ? 1000 + 19_000 * schedule.uniform() : 0;
    onsetMs += periodMs + (late + Math.round(pauseMs / FRAME_MS)) * FRAME_MS;
    // Something happens to the clock between the light of the presentation before and this onset.
    const eventMs = onsetMs - 0.3 * periodMs;
    const happens = clock.uniform();
    if (happens < faults.jumps + faults.restarts) {
      yield* blocks(eventMs);
      const isRestart = happens < faults.restarts;
      // One of three jumps hides behind whole periods; a sender's clock that goes back by more than 1 s is a restart.
      const jumpMs =
        clock.uniform() < 1 / 3
          ? (clock.uniform() < 0.5 ? -1 : 1) * periodMs * (1 + clock.int(Math.max(1, Math.floor(900 / periodMs))))
          : 1800 * (clock.uniform() - 0.5);
      edges = [];
      setClock(blockMs, isRestart ? 0 : streamMs(blockMs) + jumpMs);
      if (isRestart) untilS = 0;
      if (isRestart) yield { input: { type: "restart", stream: "sim", arrivedServerMs: arrivedMs }, trueOnsetS: null };
    }
    yield* blocks(onsetMs);
    if (presentation === faults.unheard) heard = true;
    patch = !patch;
    const level = patch !== faults.inverted;
    const lightS = streamMs(onsetMs + PANEL_MS + PANEL_SD_MS * line.normal()) / 1000;
    if (line.uniform() >= faults.lost) edges.push({ timeS: lightS, level });
    if (line.uniform() < faults.extra)
      edges.push({ timeS: streamMs(onsetMs + periodMs * line.uniform()) / 1000, level: line.uniform() < 0.5 });
    if (line.uniform() < faults.glitches) {
      const atS = streamMs(onsetMs + periodMs * line.uniform()) / 1000;
      edges.push({ timeS: atS, level: !level }, { timeS: atS + 0.0005, level });
    }
    const onset: TrialInput = {
      type: "onset",
      presentation,
      face: presentation,
      latents: new Float64Array(0),
      onsetServerMs: onsetMs + REPORT_SD_MS * line.normal(),
      uncertaintyMs: 0.6,
      dropped: 0,
      lateFrames: 0,
      patch,
      interrupted: false,
    };
    reports.push({ dueMs: onsetMs + REPORT_MS, told: { input: onset, trueOnsetS: lightS } });
  }
  yield* blocks(onsetMs + 5000);
}
