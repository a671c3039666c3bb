import { quantile } from "../../server/session/quantile.ts";
import type { SessionScore, UnitScore } from "../../server/session/summary.ts";
import { curveGrid, type UnitReport } from "../../server/tuning/report.ts";
import type { SimulatedUnit } from "../neurons/unit.ts";

/** Judges estimates against the units they were made of, in the same order. */
export function scoreSession(truth: readonly SimulatedUnit[], reports: readonly UnitReport[]): SessionScore {
  const units = truth.map((unit, u) => scoreUnit(unit, reports[u]));
  const correlations = units.map((unit) => unit.tuningCorrelation);
  const found = truth.flatMap(({ codes }, u) => (codes === null ? [] : [Number(reports[u].bestLatent === codes)]));
  return {
    units,
    tuningCorrelation: { median: quantile(correlations, 0.5), p10: quantile(correlations, 0.1) },
    curveError: {
      median: quantile(
        units.map((unit) => unit.curveError),
        0.5,
      ),
    },
    bestLatentCorrect: found.length > 0 ? found.reduce((a, b) => a + b, 0) / found.length : null,
  };
}

function scoreUnit(truth: SimulatedUnit, report: UnitReport): UnitScore {
  const latents = report.curves.length;
  const estimated = report.curves.flatMap((curve) => curve.mean);
  const actual = report.curves.flatMap((_, d) => trueCurve(truth, latents, d));
  const rootRate = (logHz: number, curve: number[]) => curve.map((value) => Math.exp((logHz + value) / 2));
  return {
    kind: truth.kind,
    codes: truth.codes,
    tuningCorrelation: correlation(estimated, actual),
    curveError: relativeError(
      rootRate(Math.log(report.baselineHz.estimate), estimated),
      rootRate(Math.log(truth.rateHz(new Float64Array(latents))), actual),
    ),
  };
}

function trueCurve(unit: SimulatedUnit, latents: number, latent: number): number[] {
  const face = new Float64Array(latents);
  const origin = Math.log(unit.rateHz(face));
  return curveGrid.map((value) => {
    face[latent] = value;
    return Math.log(unit.rateHz(face)) - origin;
  });
}

function relativeError(estimate: readonly number[], truth: readonly number[]): number {
  const mean = truth.reduce((sum, v) => sum + v, 0) / truth.length;
  const variance = truth.reduce((sum, v) => sum + (v - mean) ** 2, 0);
  return truth.reduce((sum, v, i) => sum + (v - estimate[i]) ** 2, 0) / variance;
}

/** Pearson's r; 0 where either side does not vary. */
export function correlation(a: readonly number[], b: readonly number[]): number {
  const meanA = a.reduce((s, v) => s + v, 0) / a.length;
  const meanB = b.reduce((s, v) => s + v, 0) / b.length;
  let ab = 0;
  let aa = 0;
  let bb = 0;
  for (let i = 0; i < a.length; i++) {
    ab += (a[i] - meanA) * (b[i] - meanB);
    aa += (a[i] - meanA) ** 2;
    bb += (b[i] - meanB) ** 2;
  }
  return aa > 0 && bb > 0 ? ab / Math.sqrt(aa * bb) : 0;
}
