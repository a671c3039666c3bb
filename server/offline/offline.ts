/** A recording that was made elsewhere, learned from as if it had been online: trial by trial, by the same tuning. Pure but for time. */
import { type Experiment, parseExperimentValue } from "../../protocols/experiment.ts";
import { plainReason } from "../choice/choice.ts";
import { createDecider, type Findings, refitterSettings } from "../choice/decider.ts";
import { ConfigurationError } from "../failure.ts";
import { random } from "../random.ts";
import type { Recording } from "../recordings/recording.ts";
import { deciderSettings } from "../session/settings.ts";
import { refitsHere } from "../tuning/refits-here.ts";

export interface OfflineTrial {
  onsetS: number;
  latents: Float64Array;
  /** One a unit. */
  counts: number[];
}

/** Spikes of each unit in [onset + latency, onset + latency + window) of each presentation. */
export function countResponses(
  { units }: Recording,
  onsetS: ArrayLike<number>,
  { latencyMs, windowMs }: Experiment["response"],
): number[][] {
  const of = units.map(({ spikeTimesS }) => spikeTimesS);
  return Array.from(onsetS, (onset) => {
    const start = onset + latencyMs / 1000;
    const end = start + windowMs / 1000;
    return of.map((times) => firstFrom(times, end) - firstFrom(times, start));
  });
}

/** Index of the first time that is not before `from`; times ascend. */
function firstFrom(times: Float64Array, from: number): number {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] < from) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Latents on the scale of a model's prior: each with mean 0 and standard deviation 1 over the presentations. */
export function standardise(rows: readonly Float64Array[]): Float64Array[] {
  const [first] = rows;
  const mean = first.map((_, d) => rows.reduce((sum, row) => sum + row[d], 0) / rows.length);
  const sd = first.map((_, d) => Math.sqrt(rows.reduce((sum, row) => sum + (row[d] - mean[d]) ** 2, 0) / rows.length));
  return rows.map((row) => row.map((value, d) => (sd[d] > 0 ? (value - mean[d]) / sd[d] : 0)));
}

/** Faces may lie this far out (protocols/experiment.ts). */
const FARTHEST = 4;

/**
 * What an experiment file would say of such a recording.
 *
 * @param tuning of an experiment file, where one is given
 * @throws ConfigurationError for latents beyond what tuning is defined over
 */
export function offlineExperiment(
  trials: readonly { latents: Float64Array }[],
  response: Experiment["response"],
  model: string,
  tuning: unknown,
): Experiment {
  const reach = trials.reduce((most, { latents }) => latents.reduce((a, z) => Math.max(a, Math.abs(z)), most), 0);
  if (reach > FARTHEST)
    throw new ConfigurationError(
      `latents: expected values within ±${FARTHEST}, in units of the model's prior, found ${reach.toPrecision(3)}; --standardise gives each a mean of 0 and a standard deviation of 1`,
    );
  const parsed = parseExperimentValue({
    name: "offline",
    trials: trials.length,
    model,
    latents: trials[0].latents.length,
    stimulus: { onMs: response.windowMs, gapMs: 0 },
    response,
    choice: { objective: "random-range", lookahead: 1, range: Math.max(1, Math.ceil(2 * reach) / 2) },
    ...(tuning === undefined ? {} : { tuning }),
  });
  if (!parsed.ok) throw new ConfigurationError(parsed.errors);
  return parsed.experiment;
}

/** Learns from every trial in its order, and says what was found; `told` after each. */
export async function learnOffline(
  experiment: Experiment,
  units: readonly string[],
  trials: readonly OfflineTrial[],
  told: (trial: number) => void = () => {},
): Promise<Findings> {
  const settings = deciderSettings(experiment, [...units]);
  const decider = createDecider(
    settings,
    random(experiment.seed).split("offline"),
    refitsHere(refitterSettings(settings)),
  );
  const shown = ({ latents }: OfflineTrial) => [{ latents, reason: plainReason("random-range", "recorded") }];
  decider.decide(null, 1, undefined, shown(trials[0]));
  for (const [i, trial] of trials.entries()) {
    const next = trials[i + 1];
    const lesson = { latents: trial.latents, counts: trial.counts };
    if (next) decider.decide(lesson, 1, undefined, shown(next));
    else decider.decide(lesson, 0);
    decider.refine();
    told(i + 1);
  }
  return decider.conclude();
}
