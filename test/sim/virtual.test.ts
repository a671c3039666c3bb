import { readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { readExperiment } from "../../server/session/experiment-file.ts";
import type { SessionEvent } from "../../server/session/view.ts";
import type { Trial } from "../../server/trials/trial.ts";
import { scoreSession } from "../../sim/study/score.ts";
import { runVirtualSession } from "../../sim/study/virtual.ts";

const file = "protocols/experiments/one-to-one.yaml";

/** Everything that happened, as text. */
async function story(seed: number, trials: number): Promise<string> {
  const events: SessionEvent[] = [];
  runVirtualSession(await readExperiment(file, { trials }), seed, (event) => events.push(event));
  return JSON.stringify(events, (_, value) => (ArrayBuffer.isView(value) ? [...(value as Float64Array)] : value));
}

describe("J4 a session in virtual time", () => {
  test("the same seed gives the same spikes, trials and choices, bit for bit; another seed does not", async () => {
    const first = await story(1, 40);
    expect(await story(1, 40)).toBe(first);
    expect(await story(2, 40)).not.toBe(first);
  });

  test("every presentation becomes a complete trial, on time, in order", async () => {
    const experiment = await readExperiment(file, { trials: 60 });
    const trials: number[] = [];
    const { view } = runVirtualSession(experiment, 3, (event) => {
      if (event.kind === "trial") trials.push(event.trial.presentation);
    });
    expect(trials).toEqual(Array.from({ length: 60 }, (_, i) => i));
    expect(view).toMatchObject({ trials: { closed: 60, usable: 60 }, deadlineMisses: 0, abortedPresentations: 0 });
  });

  test("T10 with a photodiode in the experiment, the simulated screen has one: every trial is placed by its edge", async () => {
    const experiment = await readExperiment(file, { trials: 40 });
    const { method, ...alignment } = experiment.alignment;
    const trials: Trial[] = [];
    const { view } = runVirtualSession(
      { ...experiment, alignment: { ...alignment, method: "photodiode" } },
      1,
      (event) => {
        if (event.kind === "trial") trials.push(event.trial);
      },
    );
    expect(method).toBe("software");
    expect(view.trials).toEqual({ closed: 40, usable: 40, planned: 40 });
    expect(new Set(trials.map(({ window }) => window!.by))).toEqual(new Set(["photodiode"]));
  });

  test("C9 units that stand in for those of two probes are recorded on one stream", async () => {
    const experiment = await readExperiment(file, { trials: 6 });
    const probes = ["ProbeA-AP", "ProbeB-AP"].map((name) => ({ name }));
    const { view } = runVirtualSession({ ...experiment, recording: { ...experiment.recording, streams: probes } }, 1);
    expect(view.trials.usable).toBe(6);
  });

  test("windows that overlap (rsvp-map) count each spike for every face it answers", async () => {
    const experiment = await readExperiment("protocols/experiments/rsvp-map.yaml", { trials: 40 });
    const starts: number[] = [];
    const { view } = runVirtualSession(experiment, 1, (event) => {
      if (event.kind === "trial") starts.push(event.trial.window!.startS);
    });
    expect(view.trials.usable).toBe(40);
    // 100 ms from onset to onset with windows of 120 ms.
    expect(starts[1] - starts[0]).toBeCloseTo(0.1, 6);
  });

  test.each(readdirSync("protocols/experiments"))("%s, as it ships, runs", async (shipped) => {
    const experiment = await readExperiment(`protocols/experiments/${shipped}`, { trials: 30 });
    const { view, reports } = runVirtualSession(experiment, 2);
    expect(view.trials).toMatchObject({ closed: 30, usable: 30 });
    expect(reports.length).toBeGreaterThan(0);
  });

  test("C8 stop rules: time, or every unit identified, end the session before its last trial and say so", async () => {
    const experiment = await readExperiment(file, { trials: 300 });
    const run = (stop: Partial<typeof experiment.stop>) => {
      const reasons: string[] = [];
      const one = {
        ...experiment,
        stop: { ...experiment.stop, ...stop },
        simulation: { ...experiment.simulation!, ramp: 0, axis: 0, saturating: 0, bump: 2 },
      };
      const { view } = runVirtualSession(one, 4, (event) => {
        if (event.kind === "stopped") reasons.push(event.reason);
      });
      return { reasons, trials: view.trials.closed };
    };
    const minute = run({ minutes: 0.5 });
    expect(minute.reasons).toEqual(["0.5 minutes have passed since the first trial"]);
    // 30 s at the file's period, the trial that passes the mark included.
    const periodS = (experiment.stimulus.onMs + experiment.stimulus.gapMs) / 1000;
    expect(Math.abs(minute.trials - 1 - 30 / periodS)).toBeLessThanOrEqual(1);
    const identified = run({ identifiedAt: 0.95 });
    expect(identified.reasons).toEqual(["every unit is identified with probability 0.95 or more"]);
    expect(identified.trials).toBeLessThan(200);
  });

  test("seed 1, 150 trials: the tuning of twenty neurons is found", async () => {
    const experiment = await readExperiment(file, { trials: 150 });
    const session = runVirtualSession(experiment, 1);
    const score = scoreSession(experiment, session.units, session.reports, 150);
    expect(score.tuningCorrelation.median).toBeGreaterThan(0.85);
    expect(score.bestLatentCorrect).toBeGreaterThanOrEqual(0.9);
  });
});
