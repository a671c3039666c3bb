import type { SimulatedMeasure } from "../../protocols/study.ts";
import { curveGrid, type UnitReport } from "../../server/tuning/report.ts";
import { codedLatent } from "../neurons/unit.ts";
import { angleDeg, correlation, relativeError, trueRates } from "./curves.ts";
import { attainableHz, type Truth, trueAxis } from "./truth.ts";

/** A figure of one unit (or model), and how those of a session, and replicates, are taken together. */
export interface Measure {
  title: string;
  /** What it says, in a sentence, and its unit. */
  says: string;
  /** `neither` is a share of units that is told after all trials; `as wanted` is shown as it goes, and no design is the better for it. */
  better: "low" | "high" | "near 0.9" | "neither" | "as wanted";
  together: "median" | "mean";
}

interface SimulatedMeasureOf extends Measure {
  /** Null where it means nothing for this unit. */
  of(truth: Truth, report: UnitReport): number | null;
}

const IDENTIFIED_AT = 0.95;

export const simulatedMeasureTable: Record<SimulatedMeasure, SimulatedMeasureOf> = {
  curveError: {
    title: "Curve error",
    says: "Mean squared error of √rate over the traversal of every latent, relative to the variance of the true √rate: 0 perfect, 1 useless.",
    better: "low",
    together: "median",
    of: (truth, report) => {
      const estimate = rates(report).map(Math.sqrt);
      return relativeError(estimate, trueRates(truth).flat().map(Math.sqrt));
    },
  },
  correlation: {
    title: "Correlation",
    says: "Pearson's r of estimated and true log rate over the traversal of every latent, all latents in one vector.",
    better: "high",
    together: "median",
    of: (truth, report) => correlation(rates(report).map(Math.log), trueRates(truth).flat().map(Math.log)),
  },
  latentFound: {
    title: "Latent found",
    says: "Share of one-latent units whose latent has the largest share of the estimated tuning.",
    better: "high",
    together: "mean",
    of: ({ unit }, { bestLatent }) => whereCoded(unit, (latent) => Number(bestLatent === latent)),
  },
  rightLatentProbability: {
    title: "Probability of the right latent",
    says: "Posterior probability of the latent that a one-latent unit codes, given that it codes one.",
    better: "high",
    together: "mean",
    of: ({ unit }, { codes }) => whereCoded(unit, (latent) => codes?.latents[latent] ?? null),
  },
  identified: {
    title: "Identified",
    says: `Share of one-latent units whose latent has a posterior probability of at least ${IDENTIFIED_AT}, given that one latent carries the tuning.`,
    better: "high",
    together: "mean",
    of: ({ unit }, { codes }) =>
      whereCoded(unit, (latent) => (codes ? Number(codes.latents[latent] >= IDENTIFIED_AT) : null)),
  },
  peak: {
    title: "Peak",
    says: "True rate of the face that is reported as the peak, relative to the highest that any face in the range attains.",
    better: "high",
    together: "mean",
    of: (truth, { peak }) => truth.rateHz(peak.latents) / attainableHz(truth),
  },
  coverageCoded: {
    title: "Coverage, coded latents",
    says: "Share of the faces along the traversals of latents that move the unit whose true rate the 90 % interval holds.",
    better: "near 0.9",
    together: "mean",
    of: (truth, report) => coverage(truth, report, truth.unit.tunedTo),
  },
  coverageAll: {
    title: "Coverage, all latents",
    says: "The same over the traversals of all latents.",
    better: "near 0.9",
    together: "mean",
    of: (truth, report) =>
      coverage(
        truth,
        report,
        report.curves.map((_, d) => d),
      ),
  },
  baselineCovered: {
    title: "Coverage, baseline",
    says: "Share of units whose true rate at the origin the 90 % interval holds.",
    better: "near 0.9",
    together: "mean",
    of: (truth, { baselineHz: { low, high } }) => holds(truth.rateHz(new Float64Array(truth.latents)), low, high),
  },
  axisAngle: {
    title: "Axis error",
    says: "Angle between the estimated and the true preferred axis, the average gradient of log rate over faces z ~ N(0, I), in degrees.",
    better: "low",
    together: "median",
    of: (truth, { axis }) => angleDeg(axis.direction, trueAxis(truth)),
  },
  axisCovered: {
    title: "Coverage, axis",
    says: "Share of units whose true preferred axis the reported 90 % cone holds.",
    better: "near 0.9",
    together: "mean",
    of: (truth, { axis }) => Number(angleDeg(axis.direction, trueAxis(truth)) <= axis.coneDeg),
  },
  misfitWarned: {
    title: "Misfit warned",
    says: "Share of units for which the report warns that the model does not fit.",
    better: "neither",
    together: "mean",
    of: (_, { misfit }) => (misfit ? Number(misfit.warning !== null) : null),
  },
  heldOutGain: {
    title: "Held-out gain",
    says: "Predictive log likelihood of trials before they were learned from, over that of a constant rate, in nats a trial.",
    better: "high",
    together: "mean",
    of: (_, { heldOut }) => heldOut?.gain.additive.estimate ?? null,
  },
  bestShare: {
    title: "Share of the best latent",
    says: "The largest share of the estimated tuning that one latent carries: 1 where the unit seems to code a single latent.",
    better: "as wanted",
    together: "median",
    of: (_, { bestLatent, shares }) => shares[bestLatent],
  },
};

const whereCoded = (unit: Truth["unit"], of: (latent: number) => number | null): number | null => {
  const latent = codedLatent(unit);
  return latent === null ? null : of(latent);
};

const holds = (value: number, low: number, high: number): number => Number(low <= value && value <= high);

/** Share of a traversal's faces, the origin left out, whose true rate the interval holds. */
function coverage(truth: Truth, { curves }: UnitReport, latents: readonly number[]): number | null {
  const inside = curveGrid.flatMap((z, k) => (z !== 0 && Math.abs(z) <= truth.range ? [k] : []));
  const actual = trueRates(truth);
  let covered = 0;
  for (const d of latents) {
    const { lowHz, highHz } = curves[d];
    for (const k of inside) covered += holds(actual[d][k], lowHz[k], highHz[k]);
  }
  return covered / (latents.length * inside.length);
}

/** Estimated rates along every traversal, one latent's after the other's. */
const rates = ({ curves }: UnitReport): number[] => curves.flatMap(({ rateHz }) => rateHz);
