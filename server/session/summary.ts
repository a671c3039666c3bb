import type { Experiment } from "../../protocols/experiment.ts";
import type { AcquisitionCounts } from "../acquisition/spike-batch.ts";
import type { AxisTestResult } from "../choice/axis-test.ts";
import type { Findings } from "../choice/decider.ts";
import type { ReadBack } from "../tuning/refits.ts";
import type { Interval, UnitReport } from "../tuning/report.ts";
import { type Latency, type LatencyStep, latencyLines } from "./latency.ts";
import { quantile } from "./quantile.ts";
import type { SessionView } from "./view.ts";

export interface UnitSummary {
  unit: string;
  bestLatent: number;
  /** Share of the unit's tuning that its best latent carries, 0 to 1. */
  share: number;
  /** 1 where one latent carries all of its tuning, 0 where all carry as much; with its 90 % interval. */
  alignment: Interval;
  /** Probability that one latent carries its tuning and it is this one; that several do; that it is not tuned. */
  codesBest: number;
  codesSeveral: number;
  notTuned: number;
  /** Log probability of counts before they were seen, in nats a trial, above that under a constant rate; linear: of a linear model. */
  heldOutGain: { additive: number; linear: number } | null;
  /** What its tuning is outside of, in a sentence; null where nothing is. */
  warning: string | null;
  /** Spikes counted in its response windows. */
  spikes: number;
  /** Simulated units only. */
  truth?: UnitScore;
}

/** How well an estimate matches the simulated truth. */
export interface UnitScore {
  kind: string;
  /** The latent that a one-latent unit codes; null for the others. */
  codes: number | null;
  /** Pearson correlation of estimated and true log-rate curves over every latent's traversal, all latents in one vector. */
  tuningCorrelation: number;
  /** Mean squared error of √rate over the same faces, relative to the variance of the true √rate: 0 perfect, 1 useless. */
  curveError: number;
}

export interface SessionScore {
  units: UnitScore[];
  tuningCorrelation: { median: number; p10: number };
  curveError: { median: number };
  /** Share of one-latent units whose latent was found; null without such units. */
  bestLatentCorrect: number | null;
}

/** What `--json` prints, and summary.json holds. */
export interface SessionSummary {
  experiment: string;
  objective: string;
  seed: number;
  trials: number;
  usableTrials: number;
  /** Trials by flag (SPEC.md, T4). */
  flags: SessionView["flags"];
  /** Spikes received, messages lost, messages rejected and why, and spikes of units that the experiment does not list. */
  spikes: {
    received: number;
    lost: number;
    rejected: number;
    rejectedBy: Record<string, number>;
    ofUnknownUnits: number;
  };
  units: UnitSummary[];
  /** Null where the truth is not known. */
  tuningCorrelation: { median: number; p10: number } | null;
  /** Error of √rate relative to its variance; null where the truth is not known. */
  curveError: { median: number } | null;
  bestLatentCorrect: number | null;
  /** How well the population's units are aligned with single latents, 0 to 1, with its 90 % interval. */
  alignment: Interval;
  axisTests: AxisTestResult[];
  /** Faces read back from the counts of the last trials, by readers that were not fitted to them; null with too few trials. */
  readBack: ReadBack | null;
  /** The rule that ended the session before its last trial; null where none did. */
  stopped: string | null;
  /** Null in virtual time, where nothing takes any. */
  lastSpikeToReadyMs: { p50: number; p99: number } | null;
  /** How far faces came out from what was asked, over the latents in use, in latent units; null where they were not read back. */
  realised: { faces: number; difference: { median: number; p95: number }; beyondThreshold: number } | null;
  /** Where the time went, step by step; empty in virtual time. */
  latencyMs: Partial<Record<LatencyStep, Latency>>;
  deadlineMisses: number;
  droppedFrames: number;
  abortedPresentations: number;
  backend: string;
  sessionDir: string;
}

export interface SummaryInput {
  experiment: Experiment;
  view: SessionView;
  counts: Pick<AcquisitionCounts, "spikes" | "lostMessages"> & { rejected: Record<string, number> };
  findings: Findings;
  /** Of simulated units, in the order of the reports; null for a real recording. */
  score: SessionScore | null;
  lastSpikeToReadyMs: readonly number[];
  /** Of each face that was read back. */
  differences?: readonly number[];
  latencyMs: SessionSummary["latencyMs"];
  backend: string;
  sessionDir: string;
}

export function summarise(input: SummaryInput): SessionSummary {
  const { experiment, view, counts, findings, score, lastSpikeToReadyMs } = input;
  const { "unknown-unit": ofUnknownUnits = 0, ...rejected } = counts.rejected;
  const rejectedBy = Object.fromEntries(Object.entries(rejected).filter(([, n]) => n > 0));
  return {
    experiment: experiment.name,
    objective: experiment.choice.objective,
    seed: experiment.seed,
    trials: view.trials.closed,
    usableTrials: view.trials.usable,
    flags: view.flags,
    spikes: {
      received: counts.spikes,
      lost: counts.lostMessages,
      rejected: Object.values(rejectedBy).reduce((a, b) => a + b, 0),
      rejectedBy,
      ofUnknownUnits,
    },
    units: findings.units.map((report, u) => ({
      ...unitFigures(report),
      spikes: view.spikesInWindows[u] ?? 0,
      ...(score && { truth: score.units[u] }),
    })),
    tuningCorrelation: score?.tuningCorrelation ?? null,
    curveError: score?.curveError ?? null,
    bestLatentCorrect: score?.bestLatentCorrect ?? null,
    alignment: findings.alignment,
    axisTests: findings.axisTests,
    readBack: findings.readBack,
    stopped: view.stopped,
    lastSpikeToReadyMs:
      lastSpikeToReadyMs.length > 0
        ? { p50: quantile(lastSpikeToReadyMs, 0.5), p99: quantile(lastSpikeToReadyMs, 0.99) }
        : null,
    realised: realisedSummary(input.differences ?? [], experiment.validity.threshold),
    latencyMs: input.latencyMs,
    deadlineMisses: view.deadlineMisses,
    droppedFrames: view.droppedFrames,
    abortedPresentations: view.abortedPresentations,
    backend: input.backend,
    sessionDir: input.sessionDir,
  };
}

const unitFigures = ({ unit, bestLatent, shares, alignment, codes, heldOut, misfit }: UnitReport) => ({
  unit,
  bestLatent,
  share: shares[bestLatent],
  alignment,
  codesBest: codes ? codes.one * codes.latents[bestLatent] : 0,
  codesSeveral: codes?.several ?? 0,
  notTuned: codes?.none ?? 0,
  heldOutGain: heldOut && {
    additive: heldOut.additive - heldOut.constant,
    linear: heldOut.linear - heldOut.constant,
  },
  warning: misfit?.warning ?? null,
});

const realisedSummary = (differences: readonly number[], threshold: number): SessionSummary["realised"] =>
  differences.length > 0
    ? {
        faces: differences.length,
        difference: { median: quantile(differences, 0.5), p95: quantile(differences, 0.95) },
        beyondThreshold: differences.filter((difference) => difference > threshold).length,
      }
    : null;

const number = (value: number, digits = 2) => value.toFixed(digits);

/** The summary as a person reads it in the terminal. */
export function describeSummary(summary: SessionSummary, latentNames: readonly string[]): string {
  const { spikes, lastSpikeToReadyMs: ready, tuningCorrelation: match, bestLatentCorrect: found } = summary;
  const unknown = spikes.ofUnknownUnits > 0 ? `, ${spikes.ofUnknownUnits} spikes of units that are not listed` : "";
  return [
    "",
    ...(summary.usableTrials > 0 ? unitTable(summary, latentNames) : ["nothing known yet: no trial could be used"]),
    "",
    `${summary.trials} trials (${summary.usableTrials} usable), ${spikes.received} spikes${unknown}; ${spikes.lost} messages lost, ${spikes.rejected} rejected`,
    ...flagWords(summary.flags),
    ...(match && summary.usableTrials > 0
      ? [
          `estimate against the simulated truth: correlation ${number(match.median, 3)} (median), ${number(match.p10, 3)} (10th percentile)${
            found === null ? "" : `; latent found in ${Math.round(100 * found)} % of one-latent units`
          }`,
        ]
      : []),
    `alignment of the population with single latents: ${number(summary.alignment.estimate)} (${number(summary.alignment.low)}–${number(summary.alignment.high)})`,
    ...(summary.readBack
      ? [
          `faces read back from ${summary.readBack.units} units' counts, median cosine distance over the last ${summary.readBack.trials} trials: ${number(summary.readBack.bayes)}; from one unit a latent ${number(summary.readBack.oneToOne)}`,
        ]
      : []),
    ...summary.axisTests.map(axisTestWords),
    ...(summary.stopped ? [`ended before its last trial: ${summary.stopped}`] : []),
    ...summary.units.flatMap(({ unit, warning }) => (warning ? [`warning: ${unit}: ${warning}`] : [])),
    ...(ready
      ? [`last spike to next face ready: ${number(ready.p50, 1)} ms (median), ${number(ready.p99, 1)} ms (p99)`]
      : []),
    ...(summary.realised
      ? [
          `faces came out ${number(summary.realised.difference.median)} (median), ${number(summary.realised.difference.p95)} (95 %) from the latents asked for; ${summary.realised.beyondThreshold} of ${summary.realised.faces} beyond the threshold`,
        ]
      : []),
    ...(ready ? ["  ms: median, p99, longest (how many)", ...latencyLines(summary.latencyMs)] : []),
    `faces missing when due: ${summary.deadlineMisses}; frames dropped: ${summary.droppedFrames}; backend: ${summary.backend}`,
    `session: ${summary.sessionDir}`,
    "",
  ].join("\n");
}

const axisTestWords = ({ unit, ramp, flat }: AxisTestResult): string =>
  `axis test of ${unit}: ramp along its axis p = ${ramp.p.toPrecision(2)} (slope ${number(ramp.slope)}), tuning across it p = ${flat.p.toPrecision(2)}; ${ramp.trials} and ${flat.trials} trials`;

/** What kept trials from being used, or came close. */
function flagWords(flags: SessionSummary["flags"]): string[] {
  const told = Object.entries(flags).filter(([flag, n]) => flag !== "complete" && n > 0);
  return told.length > 0 ? [`trials flagged: ${told.map(([flag, n]) => `${n} ${flag}`).join(", ")}`] : [];
}

function unitTable({ units, tuningCorrelation }: SessionSummary, latentNames: readonly string[]): string[] {
  const column = (words: readonly string[]) => Math.max(...words.map((word) => word.length));
  const unitWidth = column(["unit", ...units.map((u) => u.unit)]);
  const latentWidth = column(["best latent", ...latentNames]);
  const head = `  ${"unit".padEnd(unitWidth)}  ${"best latent".padEnd(latentWidth)}  ${"share of its tuning".padEnd(25)}`;
  const lines = units.map(({ unit, bestLatent, share, spikes, truth }) => {
    const bar = "#".repeat(Math.round(share * 20)).padEnd(20, ".");
    const known = `  ${unit.padEnd(unitWidth)}  ${latentNames[bestLatent].padEnd(latentWidth)}  ${bar} ${number(share)}`;
    if (spikes === 0) return `${known}  no spikes`;
    if (!truth) return known;
    const { kind, codes, tuningCorrelation: match } = truth;
    const verdict = codes === null ? "" : codes === bestLatent ? "found" : `codes ${latentNames[codes]}`;
    return `${known}  ${kind.padEnd(10)}  ${number(match)}   ${verdict}`.trimEnd();
  });
  return [tuningCorrelation ? `${head}  truth       match` : head, ...lines];
}
