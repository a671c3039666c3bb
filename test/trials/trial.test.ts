import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type AlignmentSettings,
  initTrials,
  isUsable,
  stepTrials,
  type Trial,
  type TrialInput,
  type TrialState,
} from "../../server/trials/trial.ts";
import { bySoftware } from "./alignment-settings.ts";

const settings = { units: 2, latencyMs: 80, windowMs: 200, alignment: bySoftware };
/** The stream's clock runs 1000 s behind the server's: neural second s arrives at server millisecond 1000·s + 1e6. */
const serverMs = (neuralS: number) => 1000 * neuralS + 1e6;

const batch = (
  untilS: number,
  spikes: [unit: number, timeS: number][] = [],
  count?: number[],
): Extract<TrialInput, { type: "batch" }> => ({
  type: "batch",
  stream: "a",
  untilS,
  reachedS: untilS,
  unit: Uint16Array.from(spikes, ([u]) => u),
  timeS: Float64Array.from(spikes, ([, t]) => t),
  count: count ? Uint32Array.from(count) : null,
  arrivedServerMs: serverMs(untilS),
});
const onset = (presentation: number, onsetS: number, dropped = 0): TrialInput => ({
  type: "onset",
  presentation,
  face: presentation,
  latents: Float64Array.of(presentation),
  onsetServerMs: serverMs(onsetS),
  uncertaintyMs: 0.5,
  dropped,
  lateFrames: 0,
  patch: presentation % 2 === 0,
  interrupted: false,
});

function run(inputs: TrialInput[], changed: Partial<AlignmentSettings> = {}): Trial[] {
  let state: TrialState = initTrials({ ...settings, alignment: { ...bySoftware, ...changed } });
  const trials: Trial[] = [];
  for (const input of inputs) {
    const [next, closed] = stepTrials(state, input);
    state = next;
    trials.push(...closed);
  }
  return trials;
}

describe("T1 window", () => {
  test("counts spikes in [onset + latency, onset + latency + window), and those only", () => {
    const [trial] = run([
      batch(0),
      onset(0, 1),
      batch(1.2, [
        [0, 1.0799],
        [0, 1.08],
        [1, 1.15],
      ]),
      batch(1.4, [
        [1, 1.2799],
        [0, 1.28],
        [0, 1.3],
      ]),
    ]);
    expect(trial.window!.startS).toBeCloseTo(1.08, 9);
    expect(trial.window!.endS).toBeCloseTo(1.28, 9);
    expect([...trial.counts]).toEqual([1, 2]);
    expect(trial.flags).toEqual(["complete"]);
  });

  test("an entry that stands for several spikes counts them all", () => {
    const [trial] = run([batch(0), onset(0, 1), batch(2, [[1, 1.1]], [7])]);
    expect([...trial.counts]).toEqual([0, 7]);
  });
});

describe("T2 closing", () => {
  test("a window stays open until the stream's own time has passed its end, whatever the wall clock says", () => {
    const before = [batch(0), onset(0, 1), batch(1.2799)];
    expect(run(before)).toHaveLength(0);
    expect(
      run([...before, { type: "rejected", reason: "malformed", detail: "", arrivedServerMs: serverMs(99) }]),
    ).toHaveLength(0);
    // The onset is known to within 0.5 ms, and 0.1 ms for what clocks may drift in a second.
    expect(run([...before, batch(1.2805)])).toHaveLength(0);
    expect(run([...before, batch(1.2807)])).toHaveLength(1);
  });

  test("closedServerMs is the arrival of the message that closed it", () => {
    expect(run([batch(0), onset(0, 1), batch(1.3)])[0].closedServerMs).toBe(serverMs(1.3));
  });
});

describe("T3 overlap", () => {
  test("a spike counts in every window that holds it; trials close in order of onset", () => {
    const trials = run([
      batch(0),
      onset(0, 1),
      onset(1, 1.1),
      onset(2, 1.2),
      batch(2, [
        [0, 1.23],
        [0, 1.29],
      ]),
    ]);
    expect(trials.map((t) => [t.presentation, t.counts[0]])).toEqual([
      [0, 1],
      [1, 2],
      [2, 1],
    ]);
    expect(trials.map((t) => t.trial)).toEqual([0, 1, 2]);
  });
});

describe("T2 a batch may hold spikes beyond the stream's time", () => {
  test("they count in the window that opens after it (Open Ephys tells of a block's last samples early)", () => {
    const early = {
      ...batch(1.07, [
        [0, 1.085],
        [0, 1.07],
      ]),
      reachedS: 1.09,
      arrivedServerMs: serverMs(1.09),
    };
    const [trial] = run([batch(0), onset(0, 1), early, batch(1.3)]);
    expect([...trial.counts]).toEqual([1, 0]);
  });

  test("the clock goes by how far the stream had come, not by what is known to be complete", () => {
    const lagging = (s: number) => ({ ...batch(s - 0.05), reachedS: s, arrivedServerMs: serverMs(s) });
    const [trial] = run([lagging(0.5), onset(0, 1), lagging(1), lagging(1.5)]);
    expect(trial.window!.startS).toBeCloseTo(1.08, 9);
  });
});

describe("T4 flags", () => {
  test("late: confirmed after its window had passed, and still counted right", () => {
    const [trial] = run([batch(0), batch(1.5, [[0, 1.1]]), onset(0, 1), batch(1.6)]);
    expect(trial.flags).toEqual(["complete", "late"]);
    expect(trial.counts[0]).toBe(1);
  });

  test("gap: messages are missing inside the window, and it teaches nothing; the next one is whole again", () => {
    const trials = run([
      batch(0),
      onset(0, 1),
      batch(1.1),
      { type: "gap", stream: "a", missing: 1, arrivedServerMs: serverMs(1.2) },
      batch(1.2),
      onset(1, 1.25),
      batch(1.6),
    ]);
    expect(trials.map((t) => t.flags)).toEqual([["gap"], ["complete"]]);
    expect(trials.map(isUsable)).toEqual([false, true]);
  });

  test("gap: the window began before the stream was heard", () => {
    expect(run([onset(0, 1), batch(1.2), batch(1.4)])[0].flags).toEqual(["gap"]);
  });

  test("restart: windows that were open are closed with what they have, and the new clock starts clean", () => {
    const trials = run([
      batch(10),
      onset(0, 10),
      batch(10.2, [[0, 10.1]]),
      { type: "restart", stream: "a", arrivedServerMs: serverMs(10.3) },
      { ...batch(0.1), arrivedServerMs: serverMs(10.3) },
      onset(1, 10.4),
      { ...batch(0.5, [[1, 0.3]]), arrivedServerMs: serverMs(10.7) },
    ]);
    expect(trials.map((t) => t.flags)).toEqual([["gap"], ["complete"]]);
    expect(trials[0].counts[0]).toBe(1);
    // On the new clock server time 10.4 s is 0.2 s, so the window is [0.28, 0.48).
    expect(trials[1].window!.startS).toBeCloseTo(0.28, 9);
    expect([...trials[1].counts]).toEqual([0, 1]);
  });

  test("what was known of a trial stays known while its window can't be placed yet", () => {
    const [trial] = run([onset(0, 1, 1), { type: "displayLost" }, batch(1.05), batch(1.4)]);
    expect(trial.flags).toEqual(["droppedFrame", "aborted"]);
  });

  test("a restart before the onset could be placed: no window, no counts, gap", () => {
    const [trial] = run([onset(0, 1), { type: "restart", stream: "a", arrivedServerMs: serverMs(1) }]);
    expect(trial).toMatchObject({ window: null, flags: ["gap"] });
  });

  test("droppedFrame is told but the trial is used; aborted is not", () => {
    expect(run([batch(0), onset(0, 1, 2), batch(2)])[0].flags).toEqual(["complete", "droppedFrame"]);
    const [aborted] = run([batch(0), onset(0, 1), { type: "displayLost" }, batch(2)]);
    expect(aborted.flags).toEqual(["aborted"]);
    expect(isUsable(aborted)).toBe(false);
  });
});

test("T5 however spikes are cut into batches, the counts are the same, and every onset becomes one trial", () => {
  const spike = fc.tuple(fc.integer({ min: 0, max: 1 }), fc.double({ min: 0.5, max: 6, noNaN: true }));
  fc.assert(
    fc.property(
      fc.array(spike, { maxLength: 60 }),
      fc.array(fc.double({ min: 1, max: 5, noNaN: true }), { minLength: 1, maxLength: 12 }),
      fc.array(fc.double({ min: 0.1, max: 7, noNaN: true }), { maxLength: 20 }),
      (spikes, onsets, cuts) => {
        const sorted = [...onsets].sort((a, b) => a - b);
        const edges = [...cuts, 7.5].sort((a, b) => a - b);
        const inputs: { at: number; input: TrialInput }[] = [{ at: -1, input: batch(0) }];
        // As Open Ephys does: a message brings spikes up to 20 ms beyond the time that it vouches for.
        const tail = 0.02;
        edges.forEach((untilS, i) => {
          const from = i === 0 ? Number.NEGATIVE_INFINITY : edges[i - 1] + tail;
          inputs.push({
            at: untilS,
            input: batch(
              untilS,
              spikes.filter(([, t]) => t > from && t <= untilS + tail),
            ),
          });
        });
        inputs.push(...sorted.map((s, i) => ({ at: s + 0.01, input: onset(i, s) })));
        inputs.sort((a, b) => a.at - b.at);
        const trials = run(inputs.map(({ input }) => input));
        expect(trials.map((t) => t.presentation)).toEqual(sorted.map((_, i) => i));
        for (const trial of trials) {
          expect(isUsable(trial)).toBe(true);
          for (const u of [0, 1]) {
            const expected = spikes.filter(
              ([v, t]) => v === u && t >= trial.window!.startS && t < trial.window!.endS,
            ).length;
            expect(trial.counts[u]).toBe(expected);
          }
        }
      },
    ),
    { numRuns: 300 },
  );
});

describe("T8 streams that stall, and spikes that come late", () => {
  test("a stream that stalls closes nothing until it goes on", () => {
    const stalled: TrialInput[] = [batch(0), onset(0, 1), batch(1.1, [[0, 1.09]])];
    expect(run(stalled)).toHaveLength(0);
    const late = { ...batch(1.4, [[1, 1.2]]), arrivedServerMs: serverMs(9) };
    expect([...run([...stalled, late])[0].counts]).toEqual([1, 1]);
  });

  test("a spike that comes out of order counts while its window is open", () => {
    const [trial] = run([batch(0), onset(0, 1), batch(1.2), batch(1.2, [[0, 1.1]]), batch(1.4)]);
    expect(trial.counts[0]).toBe(1);
  });
});

describe("T2, T7 a clock that was set back", () => {
  test("the time that comes again is waited for, and the trial says how uncertain it is", () => {
    const back = (s: number) => ({ ...batch(1.5), reachedS: s - 0.3, arrivedServerMs: serverMs(s) });
    const inputs = [batch(0), batch(1), onset(0, 1.2), { ...batch(1.5) }];
    expect(run(inputs)).toHaveLength(1);
    const set = [batch(0), batch(1), onset(0, 1.4), batch(1.5), back(1.6), back(1.7), back(1.9)];
    expect(run(set)).toHaveLength(0);
    const [trial] = run([...set, { ...batch(1.9), arrivedServerMs: serverMs(2.2) }]);
    expect(trial.window!.uncertaintyMs).toBeGreaterThan(300);
    expect(trial.flags).toEqual(["gap", "unaligned"]);
    expect(trial.unaligned).toBe("uncertain");
  });
});

describe("T4 a clock that jumps inside a window is a gap, however the onset is placed", () => {
  const light = (level: boolean, timeS: number): TrialInput => ({
    type: "ttl",
    stream: "a",
    line: 0,
    state: level,
    timeS,
    arrivedServerMs: serverMs(timeS) + 1,
  });
  /** A face every 0.5 s from 1 s on, its light 30 ms later; the clock reads `shiftS` more from 5.2 s on. */
  const flagsOf = (shiftS: number) => {
    const inputs: TrialInput[] = [];
    let untilS = Number.NEGATIVE_INFINITY;
    for (let step = 0; step < 2000; step++) {
      const trueS = step / 200;
      const face = (trueS - 1) / 0.5;
      const at = trueS >= 5.2 ? trueS + shiftS : trueS;
      untilS = Math.max(untilS, at);
      if (Number.isInteger(face) && face >= 0) inputs.push(onset(face, trueS));
      const lit = (step - 206) / 100;
      if (Number.isInteger(lit) && lit >= 0)
        inputs.push({ ...light(lit % 2 === 0, at), arrivedServerMs: serverMs(trueS) + 0.5 } as TrialInput);
      inputs.push({ ...batch(untilS), reachedS: at, arrivedServerMs: serverMs(trueS) + 0.5 });
    }
    return new Map(run(inputs, { method: "photodiode" }).map(({ presentation, flags }) => [presentation, flags]));
  };
  test.each([-0.5, -0.15, -0.02, 0.02, 0.05, 0.15, 0.5])("by %d s", (shiftS) => {
    // Face 8 came at 5 s: its window, 5.11 to 5.31, holds the jump.
    expect(flagsOf(shiftS).get(8)).toContain("gap");
    expect(flagsOf(shiftS).get(6)).toEqual(["complete"]);
    expect(flagsOf(0).get(8)).toEqual(["complete"]);
  });
});

describe("T4 an unaligned trial says why", () => {
  const light = (face: number, timeS: number): TrialInput => ({
    type: "ttl",
    stream: "a",
    line: 0,
    state: face % 2 === 0,
    timeS,
    arrivedServerMs: serverMs(timeS) + 1,
  });
  /** A face every half second, each lit 30 ms later where it is. */
  const whyOf = (faces: number, lit: (face: number) => number[]) => {
    const inputs: TrialInput[] = [batch(0.5)];
    for (let face = 0; face < faces; face++) {
      const onsetS = 1 + face / 2;
      inputs.push(onset(face, onsetS), ...lit(face).map((lateS) => light(face, onsetS + lateS)), batch(onsetS + 0.45));
    }
    inputs.push(batch(2 + faces / 2), batch(6 + faces / 2));
    const trials = run(inputs, { method: "photodiode" });
    expect(trials).toHaveLength(faces);
    return trials.map(({ flags, unaligned }) => [flags.includes("unaligned"), unaligned]);
  };

  test("T12 where its edge is missing, and T11 where there are too few to tell where it would be", () => {
    const dark = whyOf(12, (face) => (face === 7 ? [] : [0.03]));
    expect(dark.map(([, why]) => why)).toEqual(Array.from({ length: 12 }, (_, i) => (i === 7 ? "missing" : undefined)));
    expect(dark[7]).toEqual([true, "missing"]);
    expect(whyOf(4, () => [])).toEqual(Array(4).fill([true, "no-lock"]));
  });
});

test("O4: another window is that of onsets after it; those before keep theirs", () => {
  const trials = run([
    batch(0),
    onset(0, 1),
    { type: "response", latencyMs: 50, windowMs: 100 },
    onset(1, 1.25),
    batch(1.2, [[0, 1.27]]),
    batch(2, [
      [0, 1.32],
      [0, 1.39],
      [0, 1.45],
    ]),
  ]);
  expect(trials.map(({ window }) => window && Math.round(1000 * (window.endS - window.startS)))).toEqual([200, 100]);
  // 1.27 lies in [1.08, 1.28), 1.32 and 1.39 in [1.3, 1.4).
  expect(trials.map(({ counts }) => counts[0])).toEqual([1, 2]);
});

test("O2: a skipped face's trial counts, and teaches nothing", () => {
  const [trial] = run([batch(0), onset(0, 1), { type: "skipped", presentation: 0 }, batch(2)]);
  expect(trial.flags).toEqual(["skipped"]);
  expect(isUsable(trial)).toBe(false);
});
