import { describe, expect, test } from "vitest";
import { initStreams, stepStreams } from "../../server/trials/streams.ts";
import type { Trial, TrialInput } from "../../server/trials/trial.ts";
import { bySoftware } from "./alignment-settings.ts";

const settings = { units: 2, latencyMs: 80, windowMs: 200, alignment: bySoftware };
/** Two probes: A's clock began 1000 s before the server's, B's 70 s after it, and runs 40 ppm fast. */
const clocks: Record<string, (serverMs: number) => number> = {
  A: (ms) => ms / 1000 + 1000,
  B: (ms) => (ms / 1000 - 70) * (1 + 4e-5),
};
/** Unit 0 is on A, unit 1 on B; both fire at the server times that are given. */
const batch = (stream: "A" | "B", serverMs: number, spikesMs: number[] = []): TrialInput => {
  const untilS = clocks[stream](serverMs);
  return {
    type: "batch",
    stream,
    untilS,
    reachedS: untilS,
    unit: new Uint16Array(spikesMs.length).fill(stream === "A" ? 0 : 1),
    timeS: Float64Array.from(spikesMs, clocks[stream]),
    count: null,
    arrivedServerMs: serverMs,
  };
};
const onset = (presentation: number, onsetServerMs: number): TrialInput => ({
  type: "onset",
  presentation,
  face: presentation,
  latents: Float64Array.of(presentation),
  onsetServerMs,
  uncertaintyMs: 0.5,
  dropped: 0,
  lateFrames: 0,
  patch: presentation % 2 === 0,
  interrupted: false,
});

function run(inputs: TrialInput[]): Trial[] {
  let state = initStreams(["A", "B"].map((stream) => ({ stream, settings })));
  const trials: Trial[] = [];
  for (const input of inputs) {
    const [next, closed] = stepStreams(state, input);
    state = next;
    trials.push(...closed);
  }
  return trials;
}

describe("T17 two streams, each on its own clock", () => {
  const start = [batch("A", 100_000), batch("B", 100_000)];

  test("each window is cut on its stream's clock, and a trial waits for the last", () => {
    const [trial, ...more] = run([
      ...start,
      onset(0, 100_100),
      // In the window [100.180, 100.380) s: two spikes of unit 0, three of unit 1; the others are outside.
      batch("A", 100_500, [100_170, 100_190, 100_370, 100_390]),
      batch("B", 100_600, [100_175, 100_181, 100_250, 100_379, 100_381]),
    ]);
    expect(more).toEqual([]);
    expect([...trial.counts]).toEqual([2, 3]);
    expect(trial).toMatchObject({ trial: 0, stream: "A", flags: ["complete"], closedServerMs: 100_600 });
    expect(trial.window!.startS).toBeCloseTo(clocks.A(100_180), 9);
    expect(trial.others).toHaveLength(1);
    expect(trial.others![0].stream).toBe("B");
    expect(trial.others![0].window!.startS).toBeCloseTo(clocks.B(100_180), 4);
  });

  test("without word of one stream nothing closes; it closes in order once it is back", () => {
    const inputs = [...start, onset(0, 100_100), onset(1, 100_350), batch("A", 101_000)];
    expect(run(inputs)).toEqual([]);
    expect(run([...inputs, batch("B", 101_100)]).map(({ trial, face }) => [trial, face])).toEqual([
      [0, 0],
      [1, 1],
    ]);
  });

  test("a message lost of one stream flags the trial, and says of which; a gap of either flags both", () => {
    const gap = (stream: string | null): TrialInput => ({ type: "gap", stream, missing: 1, arrivedServerMs: 100_200 });
    const of = (stream: string | null) =>
      run([...start, onset(0, 100_100), gap(stream), batch("A", 100_500), batch("B", 100_500)])[0];
    expect(of("B")).toMatchObject({ flags: ["gap"], others: [{ stream: "B", flags: ["gap"] }] });
    expect(of("A")).toMatchObject({ flags: ["gap"], others: [{ stream: "B", flags: ["complete"] }] });
    expect(of(null)).toMatchObject({ flags: ["gap"], others: [{ stream: "B", flags: ["gap"] }] });
  });

  test("a stream that begins again closes its windows; the other's are whole, and trials stay paired", () => {
    const trials = run([
      ...start,
      onset(0, 100_100),
      { type: "restart", stream: "B", arrivedServerMs: 100_200 },
      batch("B", 100_220),
      onset(1, 100_350),
      batch("A", 100_800, [100_200, 100_450]),
      batch("B", 100_800, [100_450]),
    ]);
    expect(trials.map(({ face, flags, counts }) => [face, flags, [...counts]])).toEqual([
      [0, ["gap"], [1, 0]],
      [1, ["complete"], [1, 1]],
    ]);
  });

  test("each stream's edges are matched on its own line's clock; T4: one that is missing on a stream is said", () => {
    let state = initStreams(
      (["A", "B"] as const).map((stream) => ({
        stream,
        settings: {
          ...settings,
          alignment: { ...bySoftware, method: "photodiode" as const, line: stream === "A" ? 0 : 3 },
        },
      })),
    );
    const closed: Trial[] = [];
    const step = (input: TrialInput) => {
      const [next, trials] = stepStreams(state, input);
      state = next;
      closed.push(...trials);
    };
    for (const input of start) step(input);
    const delayMs = 23;
    const DARK = 8;
    for (let p = 0; p < 12; p++) {
      const at = 100_200 + 250 * p;
      step(onset(p, at));
      for (const [stream, line] of [
        ["A", 0],
        ["B", 3],
      ] as const) {
        if (p === DARK && stream === "B") continue;
        step({
          type: "ttl",
          stream,
          line,
          state: p % 2 === 0,
          timeS: clocks[stream](at + delayMs),
          arrivedServerMs: at + delayMs,
        });
      }
      for (const stream of ["A", "B"] as const) step(batch(stream, at + 240));
    }
    const settled = closed.filter(({ presentation }) => presentation >= 4 && presentation !== DARK);
    expect(settled.length).toBeGreaterThan(5);
    for (const { presentation, window, others, flags } of settled) {
      const startMs = 100_200 + 250 * presentation + delayMs + settings.latencyMs;
      expect(flags).toEqual(["complete"]);
      expect(window!.startS).toBeCloseTo(clocks.A(startMs), 6);
      expect(others![0].window!.startS).toBeCloseTo(clocks.B(startMs), 5);
    }
    const { flags, unaligned, others } = closed.find(({ presentation }) => presentation === DARK)!;
    expect([flags, unaligned]).toEqual([["unaligned"], "missing"]);
    expect(others![0]).toMatchObject({ stream: "B", flags: ["unaligned"], unaligned: "missing" });
  });
});
