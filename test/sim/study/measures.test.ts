import { describe, expect, test } from "vitest";
import { measuresOf, type SessionStudy, simulatedMeasures } from "../../../protocols/study.ts";
import { random } from "../../../server/random.ts";
import { readExperiment } from "../../../server/session/experiment-file.ts";
import { curveGrid, type UnitReport } from "../../../server/tuning/report.ts";
import { createPopulation } from "../../../sim/neurons/unit.ts";
import { trueRates } from "../../../sim/study/curves.ts";
import { simulatedMeasureTable as measures } from "../../../sim/study/measures.ts";
import { type Truth, truthOf } from "../../../sim/study/truth.ts";
import { studyOf } from "./study.ts";

const experiment = { ...(await readExperiment("protocols/experiments/one-to-one.yaml")), latents: 3 };
const [ramp, axis] = createPopulation({ ramp: 1, axis: 1 }, 3, random(2)).map((unit) => truthOf(experiment, unit, 0));

/** A report whose rates are the true ones times a factor, with intervals of ±10 % about them. */
function reportOf(truth: Truth, factor = 1, changes: Partial<UnitReport> = {}): UnitReport {
  const origin = truth.rateHz([0, 0, 0]);
  return {
    unit: "u",
    bestLatent: 0,
    shares: [1, 0, 0],
    baselineHz: { estimate: factor * origin, low: 0.9 * factor * origin, high: 1.1 * factor * origin },
    curves: trueRates(truth).map((rates) => ({
      mean: rates.map((hz) => Math.log(hz / origin)),
      sd: rates.map(() => 0.1),
      rateHz: rates.map((hz) => factor * hz),
      lowHz: rates.map((hz) => 0.9 * factor * hz),
      highHz: rates.map((hz) => 1.1 * factor * hz),
    })),
    codes: { latents: [0.2, 0.5, 0.3], one: 0.9, several: 0.1, none: 0 },
    ...changes,
  } as UnitReport;
}

describe("measures of a simulated unit", () => {
  test("a report of the truth has no error, full correlation and full coverage; one that is 30 % off has none", () => {
    for (const truth of [ramp, axis]) {
      const right = reportOf(truth);
      expect(measures.curveError.of(truth, right)).toBeLessThan(1e-20);
      expect(measures.correlation.of(truth, right)).toBeCloseTo(1, 12);
      expect(measures.coverageCoded.of(truth, right)).toBe(1);
      expect(measures.coverageAll.of(truth, right)).toBe(1);
      expect(measures.baselineCovered.of(truth, right)).toBe(1);
      const off = reportOf(truth, 1.3);
      expect(measures.coverageAll.of(truth, off)).toBe(0);
      expect(measures.baselineCovered.of(truth, off)).toBe(0);
      expect(measures.correlation.of(truth, off)).toBeCloseTo(1, 12);
      // √1.3 too high everywhere: the mean of (√1.3 − 1)² r over the variance of √r.
      const roots = trueRates(truth).flat().map(Math.sqrt);
      const mean = roots.reduce((a, b) => a + b, 0) / roots.length;
      const variance = roots.reduce((a, b) => a + (b - mean) ** 2, 0) / roots.length;
      const squares = roots.reduce((a, b) => a + b * b, 0) / roots.length;
      expect(measures.curveError.of(truth, off)).toBeCloseTo(((Math.sqrt(1.3) - 1) ** 2 * squares) / variance, 9);
    }
  });

  test("the share of the best latent is the estimate's, and is taken where a file asks for it", () => {
    const { bestShare } = measures;
    expect(bestShare.of(ramp, reportOf(ramp, 1, { bestLatent: 1, shares: [0.1, 0.6, 0.3] }))).toBe(0.6);
    const file = studyOf<SessionStudy>(
      "{ name: s, experiment: x, trials: 9, seeds: 1, populations: { p: { ramp: 1 } }, designs: { d: {} }, reference: d, checkpoints: [9] }",
    );
    expect(measuresOf(file)).toEqual(simulatedMeasures.filter((name) => name !== "bestShare"));
    expect(measuresOf({ ...file, measures: ["bestShare"] })).toEqual(["bestShare"]);
  });

  test("coverage of coded latents counts the traversal of those alone, the origin left out", () => {
    const [coded] = ramp.unit.tunedTo;
    const right = reportOf(ramp);
    const missed = right.curves.map((curve, d) => (d === coded ? { ...curve, highHz: curve.lowHz } : curve));
    expect(measures.coverageCoded.of(ramp, { ...right, curves: missed })).toBe(0);
    expect(measures.coverageAll.of(ramp, { ...right, curves: missed })).toBeCloseTo(2 / 3, 12);
    const once = right.curves.map((curve, d) => ({
      ...curve,
      highHz: curve.highHz.map((hz, k) => (d === coded && curveGrid[k] === 3 ? 0 : hz)),
    }));
    expect(measures.coverageCoded.of(ramp, { ...right, curves: once })).toBeCloseTo(11 / 12, 12);
  });

  test("which latent: asked only of units that code one", () => {
    const [coded] = ramp.unit.tunedTo;
    const latents = [0.01, 0.01, 0.01];
    latents[coded] = 0.96;
    const found = reportOf(ramp, 1, {
      bestLatent: coded,
      codes: { latents, one: 1, several: 0, none: 0 },
    } as Partial<UnitReport>);
    expect(measures.latentFound.of(ramp, found)).toBe(1);
    expect(measures.rightLatentProbability.of(ramp, found)).toBe(0.96);
    expect(measures.identified.of(ramp, found)).toBe(1);
    expect(measures.identified.of(ramp, reportOf(ramp))).toBe(0);
    for (const name of ["latentFound", "rightLatentProbability", "identified"] as const)
      expect(measures[name].of(axis, found)).toBeNull();
  });

  test("peak: the true rate of the reported face over the highest there is", () => {
    const [coded] = ramp.unit.tunedTo;
    const face = (value: number) => [0, 1, 2].map((d) => (d === coded ? value : 1));
    const rates = [-3, 3].map((value) => ramp.rateHz(face(value)));
    const at = (value: number) =>
      measures.peak.of(
        ramp,
        reportOf(ramp, 1, { peak: { latents: face(value), rateHz: { estimate: 9, low: 8, high: 10 } } }),
      )!;
    expect(Math.max(at(-3), at(3))).toBeCloseTo(1, 9);
    expect(Math.min(at(-3), at(3))).toBeCloseTo(Math.min(...rates) / Math.max(...rates), 9);
  });
});
