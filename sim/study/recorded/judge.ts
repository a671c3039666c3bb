import type { RecordedMeasure } from "../../../protocols/study.ts";
import { curveGrid, type UnitReport } from "../../../server/tuning/report.ts";
import { mean } from "../analysis/statistics.ts";
import type { Measure } from "../measures.ts";
import type { SplitStimulus } from "./replay.ts";

export const recordedMeasureTable: Record<RecordedMeasure, Measure> = {
  heldOutError: {
    title: "Curve error",
    says: "Mean squared difference of √rate, estimated and of the held-out trials' mean, over the stimuli, in spikes/s. The held-out means' own noise is in it, the same for every design.",
    better: "low",
    together: "mean",
  },
  heldOutLogLikelihood: {
    title: "Held-out log likelihood",
    says: "Of the held-out counts under the estimate, in nats a trial.",
    better: "high",
    together: "mean",
  },
  heldOutPeak: {
    title: "Peak",
    says: "Held-out mean at the stimulus that is estimated best, relative to the highest held-out mean.",
    better: "high",
    together: "mean",
  },
};
