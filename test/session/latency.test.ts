import { expect, test } from "vitest";
import { nothingPlanned } from "../../server/presentation/plan.ts";
import { createLatencyBudget } from "../../server/session/latency.ts";
import type { SessionEvent } from "../../server/session/view.ts";
import type { Onset } from "../../server/trials/trial.ts";
import { experimentOf } from "../experiment.ts";

const withWindow = (windowMs: number) =>
  experimentOf(`
name: latency
trials: 10
model: faces-64
latents: 2
stimulus: { onMs: 200, gapMs: 50 }
response: { latencyMs: 80, windowMs: ${windowMs} }
`);

const photodiode = { alignment: { ...withWindow(200).alignment, method: "photodiode" as const } };

test("O4: a window that an operator has changed ends where it ends now, for onsets from then on", () => {
  const budget = createLatencyBudget(withWindow(200), null);
  const onset = (presentation: number, onsetServerMs: number): SessionEvent => ({
    kind: "plan",
    output: { ...nothingPlanned(), onsets: [{ presentation, onsetServerMs } as Onset] },
  });
  const trial = (presentation: number, closedServerMs: number) =>
    ({
      kind: "trial",
      trial: { trial: presentation, presentation, closedServerMs, window: { by: "software" } },
    }) as SessionEvent;
  budget.told(onset(0, 1000), 0);
  const order = { op: "change" as const, experiment: withWindow(300), words: "", undone: false };
  budget.told({ kind: "setting", order, after: null }, 0);
  budget.told(onset(1, 2000), 0);
  // 1000 + 80 + 200, and 2000 + 80 + 300: 5 and 7 ms before they were closed.
  budget.told(trial(0, 1285), 0);
  budget.told(trial(1, 2387), 0);
  expect(budget.table(1).windowToClosed).toEqual({ n: 1, p50: 7, p99: 7, max: 7 });
  expect(budget.table().windowToClosed).toMatchObject({ n: 2, max: 7, p50: 6 });
});

test("T10: by photodiode a window's end is where the stream's clock has it, by the quickest messages", () => {
  const budget = createLatencyBudget({ ...withWindow(200), ...photodiode }, null);
  const batch = (reachedS: number, arrivedServerMs: number) =>
    ({ kind: "acquisition", event: { type: "batch", stream: "s", reachedS, arrivedServerMs } }) as SessionEvent;
  // The stream's clock is 1 s behind; the quickest message takes 2 ms, others 6.
  for (let i = 0; i < 20; i++) budget.told(batch(i / 10, 1000 + 100 * i + (i === 7 ? 2 : 6)), 0);
  const trial = (by: string, flags: string[]) =>
    ({
      kind: "trial",
      trial: { trial: 0, presentation: 0, stream: "s", closedServerMs: 2510, window: { endS: 1.5, by }, flags },
    }) as unknown as SessionEvent;
  budget.told(trial("photodiode", ["complete"]), 0);
  // One that no edge was found for says nothing.
  budget.told(trial("software", ["unaligned"]), 0);
  const { n, max } = budget.table().windowToClosed!;
  expect(n).toBe(1);
  expect(max).toBeCloseTo(8, 9);
});

test("W35: a simulated rig that begins again no longer tells how long its messages take: its clock reads something else", () => {
  const budget = createLatencyBudget(withWindow(200), 500);
  const batch = (reachedS: number, arrivedServerMs: number) =>
    ({ kind: "acquisition", event: { type: "batch", stream: "s", reachedS, arrivedServerMs } }) as SessionEvent;
  budget.told(batch(1, 1503), 0);
  budget.told({ kind: "acquisition", event: { type: "restart", stream: "s", arrivedServerMs: 1600 } }, 0);
  budget.told(batch(0.1, 1702), 0);
  expect(budget.table().spikesToServer).toMatchObject({ n: 1, max: 3 });
});
