/**
 * `node dist/test/bench/calibration.js [units] [seed]`: how honest a fit's intervals and warnings are, on simulated units whose truth is
 * known, as JSON on stdout. 12 latents, random faces in ±3, windows of 0.2 s, mean rate 20 spikes/s. Minutes, not seconds.
 */

import type { UnitKind } from "../../protocols/experiment.ts";
import { type Random, random } from "../../server/random.ts";
import { createBasis, features } from "../../server/tuning/basis.ts";
import { type FitStart, fitUnit } from "../../server/tuning/batch.ts";
import { believedAt, type UnitBelief } from "../../server/tuning/belief.ts";
import { misfitOf } from "../../server/tuning/misfit.ts";
import type { Observation } from "../../server/tuning/observation.ts";
import { offerPair } from "../../server/tuning/pair.ts";
import { curveGrid, reportUnit } from "../../server/tuning/report.ts";
import { defaultViewLatents, families } from "../../sim/neurons/families.ts";
import { drawCount, priorStart } from "../tuning/draws.ts";

const LATENTS = 12;
const WINDOW_S = 0.2;
const MEAN_HZ = 20;
const basis = createBasis(LATENTS, 5, 1.5, 4.5);
const units = Number(process.argv[2] ?? 200);
const seed = Number(process.argv[3] ?? 1);
const say = (what: string) => process.stderr.write(`calibration: ${what}\n`);

interface Condition {
  kind: UnitKind;
  trials: number;
  /** φ of the counts that are drawn. */
  dispersion: number;
  counts: Observation["counts"];
}

interface Fitted {
  belief: UnitBelief;
  /** Expected count of a face at presentation 0. */
  countOf(face: ArrayLike<number>): number;
  tunedTo: readonly number[];
  data: { x: Float64Array; offset: Float64Array; weight: Float64Array; trials: number };
  counts: Float64Array;
  start: FitStart;
}

const anyFace = (r: Random) => Float64Array.from({ length: LATENTS }, () => 6 * r.uniform() - 3);

function fitOne({ kind, trials, dispersion, counts: distribution }: Condition, r: Random): Fitted {
  const unit = families[kind](LATENTS, r.split("unit"), { view: defaultViewLatents });
  const faces = r.split("scale");
  let mean = 0;
  for (let i = 0; i < 500; i++) mean += unit.rateHz(anyFace(faces), 0) / 500;
  const scale = (MEAN_HZ * WINDOW_S) / mean;
  const shown = r.split("faces");
  const noise = r.split("counts");
  const x = new Float64Array(trials * basis.size);
  const counts = new Float64Array(trials);
  for (let t = 0; t < trials; t++) {
    const face = anyFace(shown);
    x.set(features(basis, face), t * basis.size);
    const gain = unit.gain?.(t, noise.split("gain", t)) ?? 1;
    counts[t] = drawCount(scale * unit.rateHz(face, t) * gain, dispersion, noise);
  }
  const observation: Observation = { link: "exponential", counts: distribution, priorCount: 2 };
  const data = { x, offset: new Float64Array(trials), weight: new Float64Array(trials).fill(1), trials };
  const start = priorStart(basis, observation);
  const { belief } = fitUnit(basis, observation, data, counts, start);
  return { belief, countOf: (face) => scale * unit.rateHz(face, 0), tunedTo: unit.tunedTo, data, counts, start };
}

/** Share of events with its standard error over units, since what one unit gives goes together. */
function shareOf(perUnit: readonly number[]): { share: number; standardError: number } {
  const share = perUnit.reduce((a, b) => a + b, 0) / perUnit.length;
  const variance = perUnit.reduce((sum, v) => sum + (v - share) ** 2, 0) / Math.max(perUnit.length - 1, 1);
  return { share, standardError: Math.sqrt(variance / perUnit.length) };
}

const meanOf = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
const within = (value: number, low: number, high: number) => Number(low <= value && value <= high);

/** Shares of log-rate variance over z ~ N(0, 1) of the true curves. */
function trueShares({ countOf }: Fitted): number[] {
  const face = new Float64Array(LATENTS);
  const variances = Array.from({ length: LATENTS }, (_, d) => {
    let [weight, first, second] = [0, 0, 0];
    for (let z = -6; z <= 6; z += 0.1) {
      face[d] = z;
      const value = Math.log(countOf(face));
      const w = Math.exp(-0.5 * z * z);
      weight += w;
      first += w * value;
      second += w * value * value;
    }
    face[d] = 0;
    return second / weight - (first / weight) ** 2;
  });
  const total = variances.reduce((a, b) => a + b, 0);
  return variances.map((v) => v / total);
}

/** Coverage of 90 % intervals. */
function coverage(condition: Condition) {
  const figures = {
    codedCurves: [] as number[],
    facesInRange: [] as number[],
    facesOfThePrior: [] as number[],
    sharesOfSeveral: [] as number[],
    shareOfOne: [] as number[],
  };
  for (let u = 0; u < units; u++) {
    const r = random(seed).split(condition.kind, condition.trials, condition.counts, condition.dispersion, u);
    const fitted = fitOne(condition, r);
    const { belief, countOf, tunedTo } = fitted;
    const report = reportUnit(belief, "u", { windowS: WINDOW_S, range: 3 }, r.split("report"));
    figures.codedCurves.push(
      meanOf(
        tunedTo.flatMap((d) =>
          curveGrid.map((value, k) => {
            const face = new Float64Array(LATENTS);
            face[d] = value;
            return within(countOf(face) / WINDOW_S, report.curves[d].lowHz[k], report.curves[d].highHz[k]);
          }),
        ),
      ),
    );
    const holds = (face: Float64Array) => {
      const { mean, variance } = believedAt(belief, features(basis, face));
      const reach = 1.6448536 * Math.sqrt(variance);
      return within(Math.log(countOf(face)), mean - reach, mean + reach);
    };
    const tests = r.split("tests");
    figures.facesInRange.push(meanOf(Array.from({ length: 50 }, () => holds(anyFace(tests)))));
    const ofThePrior = () => holds(Float64Array.from({ length: LATENTS }, () => tests.normal()));
    figures.facesOfThePrior.push(meanOf(Array.from({ length: 50 }, ofThePrior)));
    const shares = trueShares(fitted);
    const { low, high } = report.sharesInterval;
    const held = meanOf(tunedTo.map((d) => within(shares[d], low[d], high[d])));
    (tunedTo.length > 1 ? figures.sharesOfSeveral : figures.shareOfOne).push(held);
  }
  return {
    ...condition,
    units,
    ...Object.fromEntries(Object.entries(figures).map(([what, values]) => [what, shareOf(values)])),
  };
}

/** How many units are warned of, by which check, and offered a surface. */
function warnings(condition: Condition) {
  const warned: number[] = [];
  const checks = { drift: 0, interactions: 0, dispersion: 0, shape: 0 };
  let offered = 0;
  let rightPair = 0;
  for (let u = 0; u < units; u++) {
    const r = random(seed).split("misfit", condition.kind, condition.trials, condition.counts, condition.dispersion, u);
    const { belief, data, counts, start, tunedTo } = fitOne(condition, r);
    const misfit = misfitOf(belief, data, counts, r.split("misfit"))!;
    warned.push(Number(misfit.warning !== null));
    for (const check of ["drift", "interactions", "dispersion", "shape"] as const)
      checks[check] += Number(misfit.pValues[check] < 0.0125) / units;
    if (!misfit.pair || misfit.pValues.interactions >= 0.0125) continue;
    const pair = offerPair(belief, start.startPrecision, data, counts, WINDOW_S);
    offered += Number(pair !== null) / units;
    rightPair += Number(pair !== null && pair.latents.join() === tunedTo.join()) / units;
  }
  return { ...condition, units, warned: shareOf(warned), checks, offered, rightPair };
}

const inside = [100, 300].flatMap((trials) =>
  (
    [
      ["poisson", 0],
      ["negative-binomial", 0],
      ["negative-binomial", 0.2],
    ] as const
  ).map(([counts, dispersion]): Condition => ({ kind: "additive", trials, counts, dispersion })),
);
const outside = (["pair", "divisive", "saturating", "bump", "ramp", "axis", "drifting", "overdispersed"] as const).map(
  (kind): Condition => ({ kind, trials: 300, counts: "negative-binomial", dispersion: 0 }),
);
const told =
  <C extends Condition, R>(judge: (condition: C) => R, what: string) =>
  (condition: C): R => {
    say(`${what}: ${condition.kind}, ${condition.trials} trials, ${condition.counts} ${condition.dispersion}`);
    return judge(condition);
  };
const result = {
  coverage: inside.map(told(coverage, "coverage")),
  warnings: [
    ...inside,
    ...outside,
    { kind: "overdispersed", trials: 300, counts: "poisson", dispersion: 0 } satisfies Condition,
  ].map(told(warnings, "warnings")),
};
process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
