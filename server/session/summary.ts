import type { AcquisitionCounts } from "../acquisition/spike-batch.ts";
import type { UnitReport } from "../tuning/report.ts";
import { quantile } from "./quantile.ts";
import type { SessionView } from "./view.ts";

export interface UnitSummary {
  unit: string;
  bestLatent: number;
  /** Share of the unit's tuning that its best latent carries, 0 to 1. */
  share: number;
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
  spikes: { received: number; lost: number; rejected: number; rejectedBy: Record<string, number> };
  units: UnitSummary[];
  /** Null where the truth is not known. */
  tuningCorrelation: { median: number; p10: number } | null;
  /** Error of √rate relative to its variance; null where the truth is not known. */
  curveError: { median: number } | null;
  bestLatentCorrect: number | null;
  /** Null in virtual time, where nothing takes any. */
  lastSpikeToReadyMs: { p50: number; p99: number } | null;
  deadlineMisses: number;
  droppedFrames: number;
  abortedPresentations: number;
  backend: string;
  sessionDir: string;
}

export interface SummaryInput {
  experiment: { name: string; objective: string };
  seed: number;
  view: SessionView;
  counts: Pick<AcquisitionCounts, "spikes" | "lostMessages"> & { rejected: Record<string, number> };
  reports: readonly UnitReport[];
  /** Of simulated units, in the order of the reports; null for a real recording. */
  score: SessionScore | null;
  lastSpikeToReadyMs: readonly number[];
  backend: string;
  sessionDir: string;
}

export function summarise(input: SummaryInput): SessionSummary {
  const { view, counts, reports, score, lastSpikeToReadyMs } = input;
  const rejectedBy = Object.fromEntries(Object.entries(counts.rejected).filter(([, n]) => n > 0));
  return {
    experiment: input.experiment.name,
    objective: input.experiment.objective,
    seed: input.seed,
    trials: view.trials.closed,
    usableTrials: view.trials.usable,
    spikes: {
      received: counts.spikes,
      lost: counts.lostMessages,
      rejected: Object.values(rejectedBy).reduce((a, b) => a + b, 0),
      rejectedBy,
    },
    units: reports.map(({ unit, bestLatent, shares }, u) => ({
      unit,
      bestLatent,
      share: shares[bestLatent],
      ...(score && { truth: score.units[u] }),
    })),
    tuningCorrelation: score?.tuningCorrelation ?? null,
    curveError: score?.curveError ?? null,
    bestLatentCorrect: score?.bestLatentCorrect ?? null,
    lastSpikeToReadyMs:
      lastSpikeToReadyMs.length > 0
        ? { p50: quantile(lastSpikeToReadyMs, 0.5), p99: quantile(lastSpikeToReadyMs, 0.99) }
        : null,
    deadlineMisses: view.deadlineMisses,
    droppedFrames: view.droppedFrames,
    abortedPresentations: view.abortedPresentations,
    backend: input.backend,
    sessionDir: input.sessionDir,
  };
}

const number = (value: number, digits = 2) => value.toFixed(digits);

/** The summary as a person reads it in the terminal. */
export function describeSummary(summary: SessionSummary, latentNames: readonly string[]): string {
  const width = Math.max(4, ...summary.units.map((u) => u.unit.length));
  const known = summary.tuningCorrelation !== null;
  const lines = summary.units.map(({ unit, bestLatent, share, truth }) => {
    const bar = "#".repeat(Math.round(share * 20)).padEnd(20, ".");
    const found = truth && truth.codes !== null ? (truth.codes === bestLatent ? "found" : `is ${truth.codes}`) : "";
    const match = truth ? `  ${truth.kind.padEnd(10)} ${number(truth.tuningCorrelation)}  ${found}` : "";
    return `  ${unit.padEnd(width)}  ${String(latentNames[bestLatent]).padEnd(8)} ${bar} ${number(share)}${match}`;
  });
  const { spikes, lastSpikeToReadyMs: ready } = summary;
  return [
    "",
    `  ${"unit".padEnd(width)}  ${"latent".padEnd(8)} ${"share of its tuning".padEnd(25)}${known ? "  truth      match" : ""}`,
    ...lines,
    "",
    `${summary.trials} trials (${summary.usableTrials} usable), ${spikes.received} spikes, ${spikes.lost} messages lost, ${spikes.rejected} rejected`,
    ...(summary.tuningCorrelation
      ? [
          `estimate against the simulated truth: correlation ${number(summary.tuningCorrelation.median, 3)} (median), ${number(summary.tuningCorrelation.p10, 3)} (10th percentile)` +
            (summary.bestLatentCorrect === null
              ? ""
              : `; latent found in ${Math.round(100 * summary.bestLatentCorrect)} % of one-latent units`),
        ]
      : []),
    ...(ready
      ? [`last spike to next face ready: ${number(ready.p50, 1)} ms (median), ${number(ready.p99, 1)} ms (p99)`]
      : []),
    `faces missing when due: ${summary.deadlineMisses}; frames dropped: ${summary.droppedFrames}; backend: ${summary.backend}`,
    `session: ${summary.sessionDir}`,
    "",
  ].join("\n");
}
