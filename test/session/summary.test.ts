import { expect, test } from "vitest";
import { peakWords, type UnitSummary } from "../../server/session/summary.ts";

const names = ["gaze", "jaw", "brow"];
const unit = (rateHz: UnitSummary["peak"]["rateHz"], shares: number[]) =>
  ({ unit: "AM-4", peak: { latents: [3, -1.24, -3], rateHz }, shares }) as UnitSummary;

test("P7 a peak is told on the latents that carry the tuning", () => {
  const rate = { estimate: 60, low: 40, high: 90 };
  expect(peakWords(unit(rate, [0.04, 0.9, 0.06]), names)).toBe(
    "peak of AM-4: 60.0 (40.0 to 90.0) spikes/s at jaw -1.2, brow -3.0, whatever the others",
  );
  expect(peakWords(unit(rate, [0.3, 0.3, 0.4]), names)).toMatch(/at gaze 3.0, jaw -1.2, brow -3.0$/);
});

test("P7 a peak whose rate may be ten times another is not known yet", () => {
  expect(peakWords(unit({ estimate: 407, low: 16.9, high: 9810 }, [0.2, 0.7, 0.1]), names)).toBe(
    "peak of AM-4: not known yet, 16.9 to 9810.0 spikes/s",
  );
});
