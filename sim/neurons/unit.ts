import type { Simulation } from "../../protocols/experiment.ts";
import type { Random } from "../../server/random.ts";
import { families, type Tuning, type UnitKind, unitKinds } from "./families.ts";
import { slowGain } from "./gain.ts";

/** A simulated neuron: what the estimate is judged against. */
export interface SimulatedUnit extends Tuning {
  name: string;
  kind: UnitKind;
  spontaneousHz: number;
  latencyMs: number;
  refractoryMs: number;
}

/** The one latent that a unit is tuned to; null where several carry the tuning. */
export const codedLatent = ({ tunedTo }: Pick<SimulatedUnit, "tunedTo">): number | null =>
  tunedTo.length === 1 ? tunedTo[0] : null;

/** Units of all kinds together. */
export const countUnits = (population: Population): number =>
  unitKinds.reduce((sum, kind) => sum + (population[kind] ?? 0), 0);

/** How many units of each kind, and what they share. */
export type Population = Partial<Simulation>;

const between = (low: number, high: number, random: Random): number => low + (high - low) * random.uniform();

/**
 * The units of a simulated recording, named sim-01, sim-02 …; unit i depends only on the generator, its kind and i.
 *
 * @param latents D of the face model they are tuned to
 */
export function createPopulation(population: Population, latents: number, random: Random): SimulatedUnit[] {
  const kinds = unitKinds.flatMap((kind) => Array.from({ length: population[kind] ?? 0 }, () => kind));
  const shared = population.sharedGain && slowGain(population.sharedGain, random.split("shared gain"));
  return kinds.map((kind, i) => {
    const own = random.split("unit", i);
    const tuning: Tuning = families[kind](latents, own);
    const { gain } = tuning;
    return {
      name: `sim-${String(i + 1).padStart(2, "0")}`,
      kind,
      spontaneousHz: between(2, 6, own),
      latencyMs: between(75, 95, own),
      refractoryMs: 2,
      ...tuning,
      ...(shared && {
        gain: (presentation: number, r: Random) => shared(presentation) * (gain?.(presentation, r) ?? 1),
      }),
    };
  });
}
