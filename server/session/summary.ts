import type { Experiment } from "../../protocols/experiment.ts";
import type { UnalignedReason } from "../../protocols/wire/events.ts";
import type { AcquisitionCounts } from "../acquisition/spike-batch.ts";
import type { AxisTestResult } from "../choice/axis-test.ts";
import type { Findings } from "../choice/decider.ts";
import type { Interval } from "../tuning/interval.ts";
import type { ReadBack } from "../tuning/refitter.ts";
import type { UnitReport } from "../tuning/report.ts";
import type { HeldOut, HypothesisName } from "../tuning/rivals.ts";
import { type Latency, type LatencyStep, latencyLines } from "./latency.ts";
import { quantile } from "./quantile.ts";
import type { SessionView } from "./view.ts";
import { unalignedWords } from "./words.ts";

export interface UnitSummary {
  unit: string;
  bestLatent: number;
  /** Share of the unit's tuning that its best latent carries, 0 to 1. */
  share: number;
  /** The same of every latent. */
  shares: number[];
  /** 1 where one latent carries all of its tuning, 0 where all carry as much; with its 90 % interval. */
  alignment: Interval;
  /** Probability that one latent carries its tuning and it is this one; that several do; that it is not tuned. */
  codesBest: number;
  codesSeveral: number;
  notTuned: number;
  /** Log probability of counts before they were seen, in nats a trial, above that under a constant rate; linear: of a linear model. */
  heldOutGain: HeldOut["gain"] | null;
  /** The two explanations that `choice.compare` names, and the log odds for the first, in nats; null with other objectives. */
  compared: { hypotheses: readonly [HypothesisName, HypothesisName]; logOdds: number } | null;
  /** Face of its highest expected rate inside the range, and that rate. */
  peak: UnitReport["peak"];
  /** Whether it counted when faces were chosen, at the end. */
  counts: boolean;
  /** Usable trials before it was sorted anew, which say nothing of it; null where it never was. */
  sortedAnewAfter: number | null;
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

/** Of a session's folder, or an analysis'. */
export const SUMMARY_FILE = "summary.json";

/** What `--json` prints, and summary.json holds. */
export interface SessionSummary {
  experiment: string;
  objective: string;
  seed: number;
  trials: number;
  usableTrials: number;
  /** Trials by flag (SPEC.md, T4). */
  flags: SessionView["flags"];
  /** Unaligned ones by why they are. */
  unaligned: SessionView["unaligned"];
  /** How often it was gone on with after its server had died. */
  resumptions: number;
  /**
   * Spikes received, messages lost, messages rejected and why, and spikes of units that the experiment does not list; all but the first since the
   * session last went on, as is `latencyMs`.
   */
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
  /** How well the units that count are aligned with single latents, 0 to 1, with its 90 % interval; null where none counts, and before the first usable trial. */
  alignment: Interval | null;
  axisTests: AxisTestResult[];
  /** Axis tests that the session was too short for. */
  axisTestsLeft: Findings["axisTestsLeft"];
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
  /** Refits that failed: their units kept what they had learned trial by trial. */
  failedRefits: number;
  /** Faces that keep no constraint, since none that was considered does. */
  unconstrainedFaces: number;
  backend: string;
  sessionDir: string;
}

export interface SummaryInput {
  experiment: Experiment;
  view: SessionView;
  /** Left out: it was never gone on with. */
  resumptions?: number;
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
    unaligned: view.unaligned,
    resumptions: input.resumptions ?? 0,
    spikes: {
      received: counts.spikes,
      lost: counts.lostMessages,
      rejected: Object.values(rejectedBy).reduce((a, b) => a + b, 0),
      rejectedBy,
      ofUnknownUnits,
    },
    units: findings.units.map((report, u) => ({
      ...unitFigures(report, experiment),
      spikes: view.spikesInWindows[u] ?? 0,
      ...(score && { truth: score.units[u] }),
    })),
    tuningCorrelation: score?.tuningCorrelation ?? null,
    curveError: score?.curveError ?? null,
    bestLatentCorrect: score?.bestLatentCorrect ?? null,
    alignment: findings.alignment,
    axisTests: findings.axisTests,
    axisTestsLeft: findings.axisTestsLeft,
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
    failedRefits: view.failedRefits,
    unconstrainedFaces: view.unconstrainedFaces,
    backend: input.backend,
    sessionDir: input.sessionDir,
  };
}

const unitFigures = (report: UnitReport, { choice }: Experiment) => {
  const { unit, bestLatent, shares, alignment, codes, heldOut, misfit, unexamined, peak, counts, sortedAnewAfter } =
    report;
  return {
    unit,
    bestLatent,
    share: shares[bestLatent],
    shares,
    alignment,
    codesBest: codes ? codes.one * codes.latents[bestLatent] : 0,
    codesSeveral: codes?.several ?? 0,
    notTuned: codes?.none ?? 0,
    heldOutGain: heldOut?.gain ?? null,
    compared: heldOut && comparedIn(choice, heldOut),
    peak,
    counts,
    sortedAnewAfter,
    warning: misfit?.warning ?? (unexamined && `it could not be examined for a misfit: ${unexamined}`),
  };
};

function comparedIn({ objective, blocks, compare }: Experiment["choice"], { logEvidence }: HeldOut) {
  if (![objective, ...blocks.map((block) => block.objective)].includes("compare")) return null;
  const [first, second] = compare;
  return { hypotheses: compare, logOdds: logEvidence[first] - logEvidence[second] };
}

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
  const { spikes, lastSpikeToReadyMs: ready } = summary;
  const since = summary.resumptions > 0 ? "since the session last went on " : "";
  const unknown = spikes.ofUnknownUnits > 0 ? `, ${spikes.ofUnknownUnits} spikes of units that are not listed` : "";
  return [
    "",
    ...unitTable(summary, latentNames),
    "",
    `${summary.trials} trials (${summary.usableTrials} usable), ${spikes.received} spikes; ${since}${spikes.lost} messages lost, ${spikes.rejected} rejected${unknown}`,
    ...flagWords(summary),
    ...findingsWords(summary, latentNames),
    ...(ready
      ? [`last spike to next face ready: ${number(ready.p50, 1)} ms (median), ${number(ready.p99, 1)} ms (p99)`]
      : []),
    ...(summary.realised
      ? [
          `faces came out ${number(summary.realised.difference.median)} (median), ${number(summary.realised.difference.p95)} (95 %) from the latents asked for; ${summary.realised.beyondThreshold} of ${summary.realised.faces} beyond the threshold`,
        ]
      : []),
    ...(ready ? [`  ms: ${since}median, p99, longest (how many)`, ...latencyLines(summary.latencyMs)] : []),
    `faces missing when due: ${summary.deadlineMisses}; frames dropped: ${summary.droppedFrames}; backend: ${summary.backend}`,
    `session: ${summary.sessionDir}`,
    "",
  ].join("\n");
}

/** What was found in a recording that was made elsewhere, as a person reads it in the terminal. */
export const describeAnalysis = (summary: SessionSummary, latentNames: readonly string[]): string =>
  [
    "",
    ...unitTable(summary, latentNames),
    "",
    `${summary.trials} trials, ${summary.spikes.received} spikes`,
    ...findingsWords(summary, latentNames),
    "",
  ].join("\n");

function findingsWords(summary: SessionSummary, latentNames: readonly string[]): string[] {
  const { tuningCorrelation: match, bestLatentCorrect: found } = summary;
  return [
    ...(match && summary.usableTrials > 0
      ? [
          `estimate against the simulated truth: correlation ${number(match.median, 3)} (median), ${number(match.p10, 3)} (10th percentile)${
            found === null ? "" : `; latent found in ${Math.round(100 * found)} % of one-latent units`
          }`,
        ]
      : []),
    summary.alignment
      ? `alignment of the population with single latents: ${number(summary.alignment.estimate)} (${number(summary.alignment.low)}–${number(summary.alignment.high)})`
      : summary.usableTrials === 0
        ? "alignment of the population with single latents: not known"
        : "no unit counts when faces are chosen: there is no population to be aligned",
    ...(summary.readBack
      ? [
          `faces read back from ${summary.readBack.units} units' counts, median cosine distance over the last ${summary.readBack.trials} trials: ${number(summary.readBack.bayes)}; from one unit a latent ${number(summary.readBack.oneToOne)}`,
        ]
      : []),
    ...summary.axisTests.map(axisTestWords),
    ...summary.axisTestsLeft.map(
      ({ unit, answered, of }) =>
        `axis test of ${unit ?? "the unit whose tuning is most concentrated"}: the session ended after ${answered} of its ${of} trials`,
    ),
    ...(summary.objective === "peak"
      ? summary.units.filter(({ counts }) => counts).map((unit) => peakWords(unit, latentNames))
      : []),
    ...summary.units.flatMap(({ unit, compared }) =>
      compared
        ? [
            `${unit}: ${compared.hypotheses[0]} ${compared.logOdds < 0 ? "less" : "more"} likely than ${compared.hypotheses[1]} by ${number(Math.abs(compared.logOdds), 1)} nats`,
          ]
        : [],
    ),
    ...(summary.unconstrainedFaces > 0
      ? [
          `warning: ${summary.unconstrainedFaces} faces keep no constraint, since no candidate did: loosen choice.constraints`,
        ]
      : []),
    ...(summary.failedRefits > 0 ? [`warning: ${summary.failedRefits} refits failed; the journal says which`] : []),
    ...(summary.stopped ? [`ended before its last trial: ${summary.stopped}`] : []),
    ...summary.units.flatMap(({ unit, warning }) => (warning ? [`warning: ${unit}: ${warning}`] : [])),
  ];
}

const interval = ({ estimate, low, high }: Interval, digits = 2): string =>
  `${number(estimate, digits)} (${number(low, digits)} to ${number(high, digits)})`;

const axisTestWords = ({ unit, ramp, flat }: AxisTestResult): string =>
  `axis test of ${unit}: along its axis p = ${ramp.p.toPrecision(2)}, slope ${interval(ramp.slope)}; across it p = ${flat.p.toPrecision(2)}, slope ${interval(flat.slope)}; ${ramp.trials} and ${flat.trials} trials`;

/** A peak's rate is known once its interval spans less than this factor, and its place on latents that carry this share of the tuning. */
const KNOWN_WITHIN = 10;
const CARRIES = 0.05;

export function peakWords({ unit, peak, shares }: UnitSummary, latentNames: readonly string[]): string {
  const { rateHz, latents } = peak;
  if (rateHz.high > KNOWN_WITHIN * rateHz.low)
    return `peak of ${unit}: not known yet, ${number(rateHz.low, 1)} to ${number(rateHz.high, 1)} spikes/s`;
  const places = latents.flatMap((z, d) => (shares[d] >= CARRIES ? [`${latentNames[d]} ${number(z, 1)}`] : []));
  return `peak of ${unit}: ${interval(rateHz, 1)} spikes/s at ${places.join(", ")}${places.length < latents.length ? ", whatever the others" : ""}`;
}

/** What kept trials from being used, or came close. */
function flagWords({ flags, unaligned }: Pick<SessionSummary, "flags" | "unaligned">): string[] {
  const told = Object.entries(flags).filter(([flag, n]) => flag !== "complete" && n > 0);
  const why = (Object.keys(unaligned) as UnalignedReason[]).map(
    (reason) => `  unaligned: ${unaligned[reason]} × ${unalignedWords[reason]}`,
  );
  return told.length > 0 ? [`trials flagged: ${told.map(([flag, n]) => `${n} ${flag}`).join(", ")}`, ...why] : [];
}

/** Spikes in all response windows below which no verdict is given: what few spikes tell, the prior tells. */
const FEWEST_SPIKES = 20;

/** What a unit codes, as far as is known. */
function verdictOf({ codesBest, codesSeveral, notTuned, spikes }: UnitSummary): string {
  if (spikes < FEWEST_SPIKES) return spikes === 0 ? "no spikes" : "too few spikes";
  const [words, probability] = (
    [
      ["it alone", codesBest],
      ["several", codesSeveral],
      ["not tuned", notTuned],
    ] as const
  ).reduce((a, b) => (b[1] > a[1] ? b : a));
  return probability < 0.5 ? "not clear yet" : `${words} ${number(probability)}`;
}

const standing = ({ counts, sortedAnewAfter }: UnitSummary): string =>
  [counts ? "" : "left out of choices", sortedAnewAfter === null ? "" : `sorted anew after ${sortedAnewAfter} trials`]
    .filter((words) => words !== "")
    .join(", ");

function unitTable(
  { units, usableTrials, tuningCorrelation }: SessionSummary,
  latentNames: readonly string[],
): string[] {
  if (usableTrials === 0) return ["nothing known yet: no trial could be used"];
  const rows = units.map((unit) => {
    const { bestLatent, share, truth } = unit;
    const found =
      truth && truth.codes !== null && (truth.codes === bestLatent ? "found" : `codes ${latentNames[truth.codes]}`);
    return [
      unit.unit,
      latentNames[bestLatent],
      `${"#".repeat(Math.round(share * 20)).padEnd(20, ".")} ${number(share)}`,
      verdictOf(unit),
      ...(tuningCorrelation ? [truth?.kind ?? "", truth ? number(truth.tuningCorrelation) : "", found || ""] : []),
      standing(unit),
    ];
  });
  const head = [
    "unit",
    "best latent",
    "share of its tuning",
    "it codes",
    ...(tuningCorrelation ? ["truth", "match", ""] : []),
    "",
  ];
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i].length)));
  return [head, ...rows].map((row) => `  ${row.map((cell, i) => cell.padEnd(widths[i])).join("  ")}`.trimEnd());
}
