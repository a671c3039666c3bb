import { curveGrid, type UnitReport } from "../../server/tuning/report.ts";
import type { SimulatedUnit } from "../neurons/unit.ts";

/** How well an estimate matches the simulated truth. */
export interface UnitScore {
  unit: string;
  kind: string;
  codes: number | null;
  /** Pearson correlation of estimated and true log-rate curves over every latent's traversal, all latents in one vector. */
  tuningCorrelation: number;
  /** Mean squared error of √rate over the same faces, relative to the variance of the true √rate: 0 perfect, 1 useless. */
  curveError: number;
  /** Whether a one-latent unit's latent was found; null for the others. */
  latentFound: boolean | null;
}

export interface SessionScore {
  tuningCorrelation: { median: number; p10: number };
  curveError: { median: number };
  /** Share of one-latent units whose latent was found; null without such units. */
  bestLatentCorrect: number | null;
}

export function scoreUnit(truth: SimulatedUnit, report: UnitReport): UnitScore {
  const estimated = report.curves.flatMap((curve) => curve.mean);
  const actual = report.curves.flatMap((_, d) => trueCurve(truth, report.curves.length, d));
  const rootRate = (logHz: number, curve: number[]) => curve.map((value) => Math.exp((logHz + value) / 2));
  const atOrigin = truth.rateHz(new Float64Array(report.curves.length));
  return {
    unit: truth.name,
    kind: truth.kind,
    codes: truth.codes,
    tuningCorrelation: correlation(estimated, actual),
    curveError: relativeError(
      rootRate(Math.log(report.baselineHz.estimate), estimated),
      rootRate(Math.log(atOrigin), actual),
    ),
    latentFound: truth.codes === null ? null : report.bestLatent === truth.codes,
  };
}

export function scoreSession(scores: readonly UnitScore[]): SessionScore {
  const correlations = scores.map((s) => s.tuningCorrelation);
  const found = scores.flatMap((s) => (s.latentFound === null ? [] : [Number(s.latentFound)]));
  return {
    tuningCorrelation: { median: quantile(correlations, 0.5), p10: quantile(correlations, 0.1) },
    curveError: {
      median: quantile(
        scores.map((s) => s.curveError),
        0.5,
      ),
    },
    bestLatentCorrect: found.length > 0 ? found.reduce((a, b) => a + b, 0) / found.length : null,
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

/** The q-quantile with linear interpolation between order statistics (Hyndman & Fan type 7); NaN of nothing. */
export function quantile(values: readonly number[], q: number): number {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const at = q * (sorted.length - 1);
  const low = Math.floor(at);
  return sorted[low] + (at - low) * (sorted[Math.min(low + 1, sorted.length - 1)] - sorted[low]);
}
