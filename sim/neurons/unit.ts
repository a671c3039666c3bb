import type { Experiment, Simulation, UnitKind } from "../../protocols/experiment.ts";
import type { Random } from "../../server/random.ts";
import { factors } from "../faces/factors.ts";
import { modelOfFactors } from "../faces/latent-factors.ts";
import { swing, wandering } from "./drift.ts";
import { defaultViewLatents, families, modelsOfDefaultView, type Tuning, unitKinds } from "./families.ts";
import { commonNoise, logNormal, noisyGain, slowGain } from "./gain.ts";

/** Presentations [from, until). */
interface Presence {
  from: number;
  until: number;
}

/** A simulated neuron. */
export interface Neuron extends Tuning {
  spontaneousHz: number;
  latencyMs: number;
  refractoryMs: number;
  /** When the electrode picks it up; left out: all. */
  present?: Presence;
}

/** A neuron and how much of its spikes goes somewhere. */
export interface Source {
  neuron: Neuron;
  share: number;
}

/** A unit as the spike sorter gives it: what the estimate is judged against. */
export interface SimulatedUnit extends Neuron {
  name: string;
  kind: UnitKind;
  /** The neurons whose spikes it holds; left out: itself, whole. */
  sources?: readonly Source[];
}

/** The one latent that a unit is tuned to; null where several carry the tuning. */
export const codedLatent = ({ tunedTo }: Pick<SimulatedUnit, "tunedTo">): number | null =>
  tunedTo.length === 1 ? tunedTo[0] : null;

export const isPresent = ({ present }: Neuron, presentation: number): boolean =>
  !present || (present.from <= presentation && presentation < present.until);

/** How many units of each kind, and what befalls them. */
export type Population = Partial<Simulation>;

const kindsThatNeedViews = ["viewTuned", "viewInvariant", "ML", "AM"] as const;

/** What makes a population impossible for an experiment's model, in words; null where nothing does. */
export function populationFault(
  population: Population,
  { model, latents, recording }: Pick<Experiment, "model" | "latents" | "recording">,
): string | null {
  const units = unitKinds.reduce((sum, kind) => sum + (population[kind] ?? 0), 0);
  if (units === 0) return "expected at least one unit, found none";
  if (population.recordedFrom && !population.recorded) return "recordedFrom: expected recorded units, found none";
  if (population.standsIn && units !== recording.units.length)
    return `standsIn: expected as many units as recording.units has, ${recording.units.length}, found ${units}`;
  const fault = factorFault(population, { model, latents });
  if (fault) return fault;
  if (kindsThatNeedViews.every((kind) => !population[kind])) return null;
  if (!population.viewLatents && !modelsOfDefaultView.includes(model))
    return `viewLatents: expected the latents that turn the head of ${model}, found nothing (known of ${modelsOfDefaultView.join(", ")})`;
  const view = population.viewLatents ?? defaultViewLatents;
  if (view.some((d) => d >= latents))
    return `viewLatents: expected latents of the model, which has ${latents}, found ${view.join(", ")}`;
  return new Set(view).size === latents ? "viewLatents: expected some of the latents, found all of them" : null;
}

function factorFault(
  { factor, latentFactors }: Population,
  { model, latents }: Pick<Experiment, "model" | "latents">,
): string | null {
  if (!factor) return latentFactors ? "latentFactors: expected factor units, found none" : null;
  if (!latentFactors)
    return model === modelOfFactors
      ? null
      : `latentFactors: expected the factors in the latents of ${model}, found nothing`;
  const without = factors.find(({ name }) => !latentFactors.some((row) => row.factor === name));
  if (without) return `latentFactors: expected ${without.name} among them, found none`;
  const other = latentFactors.find(({ weights }) => weights.length !== latents);
  return other
    ? `latentFactors: expected ${latents} weights, one a latent, found ${other.weights.length} of ${other.factor}`
    : null;
}

const between = (low: number, high: number, random: Random): number => low + (high - low) * random.uniform();

/** The experiment with simulated units: one stream carries them all, whatever streams the real recording has. */
export const onOneStream = (experiment: Experiment): Experiment => ({
  ...experiment,
  recording: { ...experiment.recording, streams: [] },
});

/** Names of the units that an experiment's simulated ones stand in for; null where they stand in for none. */
export const standInNames = ({ simulation, recording }: Pick<Experiment, "simulation" | "recording">) =>
  simulation?.standsIn ? recording.units.map(({ name }) => name) : null;

/**
 * The units of a simulated recording; neuron i depends only on the generator, its kind and i.
 *
 * @param latents D of the face model they are tuned to
 * @param names one a unit; null: sim-01, sim-02 …
 */
export function createPopulation(
  population: Population,
  latents: number,
  random: Random,
  names: readonly string[] | null = null,
): SimulatedUnit[] {
  const kinds = unitKinds.flatMap((kind) => Array.from({ length: population[kind] ?? 0 }, () => kind));
  const shared = population.sharedGain && slowGain(population.sharedGain, random.split("shared gain"));
  const common = commonNoise(random.split("gain noise"));
  const { viewLatents: view = defaultViewLatents, recordedFrom, latentFactors } = population;

  function createNeuron(kind: UnitKind, own: Random): Neuron {
    const tuning: Tuning = families[kind](latents, own, { view, recordedFrom, latentFactors });
    const { latency, drift, turnover, timeCourse = tuning.timeCourse, gainNoise = tuning.gainNoise } = population;
    const gains = [shared, gainNoise && noisyGain(gainNoise, common), tuning.gain].filter((gain) => gain !== undefined);
    return {
      spontaneousHz: between(2, 6, own),
      latencyMs: between(75, 95, own),
      refractoryMs: 2,
      ...tuning,
      ...(latency && { latencyMs: logNormal(latency, own.split("latency")) }),
      ...(timeCourse && { timeCourse }),
      ...(drift && { rateHz: drifting(tuning.rateHz, drift, own.split("drift")) }),
      ...(turnover && { present: presence(turnover, own.split("turnover")) }),
      ...(gains.length > 0 && {
        gain: (presentation: number, r: Random) => gains.reduce((product, gain) => product * gain(presentation, r), 1),
      }),
    };
  }
  function drifting(rateHz: Tuning["rateHz"], drift: NonNullable<Simulation["drift"]>, own: Random): Tuning["rateHz"] {
    return wandering(rateHz, swing(drift.logGain, own.split("gain")), swing(drift.shift, own.split("shift")), latents);
  }

  const units = kinds.map((kind, i): SimulatedUnit => {
    const name = names?.[i] ?? `sim-${String(i + 1).padStart(2, "0")}`;
    return { name, kind, ...createNeuron(kind, random.split("unit", i)) };
  });
  const { sortingErrors } = population;
  if (!sortingErrors) return units;
  return missorted(units, sortingErrors, random, ({ kind }, i) => createNeuron(kind, random.split("hidden", i)));
}

/** When a neuron is found and when it is lost; the earlier of the two presentations is that at which it is found. */
function presence({ lost, found, trials }: NonNullable<Simulation["turnover"]>, own: Random): Presence {
  const foundAt = own.uniform() < found ? own.int(trials) : 0;
  const lostAt = own.uniform() < lost ? own.int(trials) : Number.POSITIVE_INFINITY;
  return { from: Math.min(foundAt, lostAt), until: Math.max(foundAt, lostAt) };
}

/** Shares in which a split neuron's spikes go to its two units: at least so much. */
const LEAST_PART = 0.3;

/**
 * The units that a faulty sorter makes of neurons. A merged unit holds the spikes of a second neuron of its kind, which has no unit of its own. A split
 * neuron's spikes are dealt to its own unit and to the next one, whose own neuron is then not recorded.
 *
 * @param hidden the second neuron of unit i
 */
function missorted(
  units: readonly SimulatedUnit[],
  { merged, split }: NonNullable<Simulation["sortingErrors"]>,
  random: Random,
  hidden: (unit: SimulatedUnit, i: number) => Neuron,
): SimulatedUnit[] {
  const sources = units.map((neuron): Source[] => [{ neuron, share: 1 }]);
  const kinds = units.map(({ kind }) => kind);
  for (let i = 1; i < units.length; i++) {
    const own = random.split("split", i);
    if (own.uniform() >= split || sources[i - 1][0].share < 1) continue;
    const part = between(LEAST_PART, 1 - LEAST_PART, own);
    const [{ neuron }] = sources[i - 1];
    sources[i - 1] = [{ neuron, share: 1 - part }];
    sources[i] = [{ neuron, share: part }];
    kinds[i] = kinds[i - 1];
  }
  units.forEach((unit, i) => {
    if (random.split("merged", i).uniform() < merged) sources[i].push({ neuron: hidden(unit, i), share: 1 });
  });
  return units.map(({ name }, i): SimulatedUnit => {
    const [{ neuron }] = sources[i];
    const tunedTo = [...new Set(sources[i].flatMap((source) => source.neuron.tunedTo))].sort((a, b) => a - b);
    const faultless = sources[i].length === 1 && sources[i][0].share === 1;
    return faultless ? units[i] : { ...neuron, name, kind: kinds[i], tunedTo, sources: sources[i] };
  });
}
