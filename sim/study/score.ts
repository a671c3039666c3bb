import type { Experiment } from "../../protocols/experiment.ts";
import { quantile } from "../../server/session/quantile.ts";
import type { SessionScore, UnitScore } from "../../server/session/summary.ts";
import type { UnitReport } from "../../server/tuning/report.ts";
import { codedLatent, type SimulatedUnit } from "../neurons/unit.ts";
import { simulatedMeasureTable } from "./measures.ts";
import { truthOf } from "./truth.ts";

/**
 * Judges estimates against the units they were made of, in the same order.
 *
 * @param presentation the last one
 */
export function scoreSession(
  experiment: Experiment,
  units: readonly SimulatedUnit[],
  reports: readonly UnitReport[],
  presentation: number,
): SessionScore {
  const { curveError, correlation, latentFound } = simulatedMeasureTable;
  const truths = units.map((unit) => truthOf(experiment, unit, presentation));
  const scores = truths.map(
    (truth, u): UnitScore => ({
      kind: truth.unit.kind,
      codes: codedLatent(truth.unit),
      tuningCorrelation: correlation.of(truth, reports[u])!,
      curveError: curveError.of(truth, reports[u])!,
    }),
  );
  const correlations = scores.map((score) => score.tuningCorrelation);
  const errors = scores.map((score) => score.curveError);
  const found = truths.flatMap((truth, u) => latentFound.of(truth, reports[u]) ?? []);
  return {
    units: scores,
    tuningCorrelation: { median: quantile(correlations, 0.5), p10: quantile(correlations, 0.1) },
    curveError: { median: quantile(errors, 0.5) },
    bestLatentCorrect: found.length > 0 ? found.reduce((a, b) => a + b, 0) / found.length : null,
  };
}
