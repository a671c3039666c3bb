import { describe, expect, test } from "vitest";
import { random } from "../../server/random.ts";
import type { AlignmentSettings } from "../../server/trials/trial.ts";
import { judgeStream } from "../../sim/timing/judge.ts";
import { noFaults, type StreamFaults } from "../../sim/timing/stream.ts";
import { experimentOf } from "../experiment.ts";

const experiment = experimentOf(`
name: alignment
trials: 1
model: faces-64
latents: 1
stimulus: { onMs: 100, gapMs: 100 }
response: { latencyMs: 80, windowMs: 200 }
choice: { objective: random }
`);
const { alignment, response } = experiment;

const judge = (changed: Partial<AlignmentSettings>, faults: Partial<StreamFaults>, onsets = 3000, periodFrames = 12) =>
  judgeStream(
    onsets,
    periodFrames,
    { ...noFaults, ...faults },
    { units: 1, ...response, alignment: { ...alignment, ...changed } },
    random(3).split("judged"),
  );

/** The faults of the study of 200,000 (test/bench/alignment.ts), jumps more often. */
const rig: Partial<StreamFaults> = {
  lost: 0.01,
  extra: 0.01,
  glitches: 0.005,
  driftPpm: 50,
  jumps: 1 / 1000,
  restarts: 1 / 2000,
  bursts: 0.05,
};

describe("a simulated rig, through the trials of a session", () => {
  test.each([12, 6])(
    "T10 to T16: photodiode, %i frames a face: no trial is misassigned, few are undecided",
    (frames) => {
      const { trials, wrong, miscounted, undecided, placed, worstErrorMs } = judge(
        { method: "photodiode" },
        rig,
        6000,
        frames,
      );
      expect(trials).toBe(6000);
      expect(wrong).toBe(0);
      // T4: windows in which the clock jumped are told.
      expect(miscounted).toBe(0);
      expect(worstErrorMs).toBeLessThan(1);
      // Jumps come four times as often as in the study, where fewer than 2 % are undecided.
      expect(undecided).toBeLessThan(0.05 * trials);
      expect(placed + undecided).toBe(trials);
    },
  );

  test("T14, T15: swapped polarity and a start in mid-stream", () => {
    const { wrong, undecided } = judge({ method: "photodiode" }, { inverted: true, unheard: 37 });
    expect(wrong).toBe(0);
    // Those that were over before the stream was heard, and no others but the first after it.
    expect(undecided).toBeGreaterThanOrEqual(37);
    expect(undecided).toBeLessThanOrEqual(40);
  });

  test("T12, T16: without any fault but drift, every trial is placed", () => {
    expect(judge({ method: "photodiode" }, { driftPpm: 50 })).toMatchObject({ wrong: 0, undecided: 0 });
  });

  test("T6, T7: software, with drift, bursts and jumps: every usable trial's error is within what it states", () => {
    const { trials, wrong, undecided, worstUncertaintyMs } = judge({ displayDelayMs: 24 }, rig, 6000);
    expect(trials).toBe(6000);
    expect(wrong).toBe(0);
    expect(undecided).toBeGreaterThan(0);
    expect(worstUncertaintyMs).toBeLessThanOrEqual(alignment.maxUncertaintyMs);
  });
});
