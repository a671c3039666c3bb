import type { MeasureName, RecordedMeasure } from "../../../protocols/study.ts";
import { etaOfCount, expectedCount, logLikelihood, type Observation } from "../../../server/tuning/observation.ts";
import { curveGrid, type UnitReport } from "../../../server/tuning/report.ts";
import type { Measure } from "../measures.ts";
import type { SplitStimulus } from "./replay.ts";

export const recordedMeasureTable: Record<RecordedMeasure, Measure> = {
  heldOutError: {
    title: "Curve error",
    says: "Mean squared difference over the stimuli of √rate, estimated and of the held-out trials' mean, in spikes/s. The held-out means' own noise is in it, the same for every design.",
    better: "low",
    together: "mean",
  },
  heldOutLogLikelihood: {
    title: "Held-out log likelihood",
    says: "Of the held-out counts under the estimated rate and dispersion, in nats a trial.",
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

/**
 * Judges a recorded unit's report by the trials that were kept back.
 *
 * @param observation what the unit's tuning was learned under; the link is the report's
 */
export function judgeRecorded(
  report: UnitReport,
  stimuli: readonly SplitStimulus[],
  observation: Observation,
  windowS: number,
): [MeasureName, number | null][] {
  const under = { ...observation, link: report.link };
  const etas = stimuli.map(({ latents }) => etaAt(report, under, windowS, latents));
  const estimated = etas.map((eta) => expectedCount(under, eta) / windowS);
  const actual = stimuli.map(({ heldOut }) => heldOut.reduce((a, b) => a + b, 0) / heldOut.length / windowS);
  const squares = estimated.map((hz, s) => (Math.sqrt(hz) - Math.sqrt(actual[s])) ** 2);
  let logs = 0;
  let trials = 0;
  stimuli.forEach(({ heldOut }, s) => {
    for (const count of heldOut) logs += logLikelihood(under, etas[s], report.dispersion, count);
    trials += heldOut.length;
  });
  const highest = Math.max(...actual);
  return [
    ["heldOutError", squares.reduce((a, b) => a + b, 0) / squares.length],
    ["heldOutLogLikelihood", logs / trials],
    ["heldOutPeak", highest > 0 ? actual[estimated.indexOf(Math.max(...estimated))] / highest : null],
  ];
}

/** η of a face: what the report's curves add to η at the origin, each interpolated between the grid's values. */
function etaAt(
  { baselineHz, curves }: UnitReport,
  observation: Observation,
  windowS: number,
  latents: Float64Array,
): number {
  const etaOf = (hz: number) => etaOfCount(observation, hz * windowS);
  const origin = etaOf(baselineHz.estimate);
  return curves.reduce((eta, { rateHz }, d) => eta + interpolate(rateHz.map(etaOf), latents[d]) - origin, origin);
}

/** Cubic (Lagrange) through the four nearest points of the curve grid. */
function interpolate(curve: readonly number[], z: number): number {
  const step = curveGrid[1] - curveGrid[0];
  const first = Math.min(Math.max(Math.floor((z - curveGrid[0]) / step) - 1, 0), curveGrid.length - 4);
  let sum = 0;
  for (let i = first; i < first + 4; i++) {
    let weight = 1;
    for (let j = first; j < first + 4; j++) if (j !== i) weight *= (z - curveGrid[j]) / (curveGrid[i] - curveGrid[j]);
    sum += weight * curve[i];
  }
  return sum;
}
