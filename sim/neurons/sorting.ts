import type { Random } from "../../server/random.ts";
import type { Spikes } from "./brain.ts";
import type { Neuron, SimulatedUnit, Source } from "./unit.ts";

/** The neurons whose spikes a unit holds: itself, where nothing else is said. */
export const sourcesOf = (unit: SimulatedUnit): readonly Source[] => unit.sources ?? [{ neuron: unit, share: 1 }];

/** Deals the spikes of neurons to the units that a spike sorter takes them for. */
export interface Sorter {
  /** Each neuron once: those of the first unit first. */
  neurons: Neuron[];
  /** The unit that a spike of neuron n goes to; null: none. */
  unitOf(n: number, random: Random): number | null;
  /** Spikes neuron by neuron, as spikes unit by unit. */
  inOrder(spikes: { unit: number[]; timeS: number[] }): Spikes;
}

export function createSorter(units: readonly SimulatedUnit[]): Sorter {
  const shares = new Map<Neuron, { unit: number; share: number }[]>();
  units.forEach((unit, u) => {
    for (const { neuron, share } of sourcesOf(unit)) {
      const known = shares.get(neuron);
      if (known) known.push({ unit: u, share });
      else shares.set(neuron, [{ unit: u, share }]);
    }
  });
  const dealt = [...shares.values()];
  const faultless = units.every((unit) => !unit.sources);
  return {
    neurons: [...shares.keys()],
    unitOf(n, random) {
      const [first] = dealt[n];
      if (first.share === 1) return first.unit;
      let left = random.uniform();
      for (const { unit, share } of dealt[n]) {
        if (left < share) return unit;
        left -= share;
      }
      return null;
    },
    inOrder({ unit, timeS }) {
      if (faultless) return { unit: Uint16Array.from(unit), timeS: Float64Array.from(timeS) };
      const order = unit.map((_, i) => i).sort((a, b) => unit[a] - unit[b] || timeS[a] - timeS[b]);
      return {
        unit: Uint16Array.from(order, (i) => unit[i]),
        timeS: Float64Array.from(order, (i) => timeS[i]),
      };
    },
  };
}
