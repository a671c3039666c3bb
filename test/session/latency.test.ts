import { expect, test } from "vitest";
import { parseExperiment } from "../../protocols/experiment.ts";
import { nothingPlanned } from "../../server/presentation/plan.ts";
import { createLatencyBudget } from "../../server/session/latency.ts";
import type { SessionEvent } from "../../server/session/view.ts";
import type { Onset } from "../../server/trials/trial.ts";

const withWindow = (windowMs: number) => {
  const parsed = parseExperiment(`
name: latency
trials: 10
model: faces-64
latents: 2
stimulus: { onMs: 200, gapMs: 50 }
response: { latencyMs: 80, windowMs: ${windowMs} }
`);
  if (!parsed.ok) throw new Error(parsed.errors);
  return parsed.experiment;
};

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
