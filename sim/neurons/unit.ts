import type { Random } from "../../server/random.ts";

/** Families of simulated tuning. Every parameter is drawn from the unit's own generator. */
export type UnitKind = "ramp" | "axis" | "bump" | "saturating";

/** A simulated neuron: what the estimate is judged against. */
export interface SimulatedUnit {
  name: string;
  kind: UnitKind;
  /** The latent that a one-latent unit codes; null where several carry the tuning. */
  codes: number | null;
  /** Driven rate in spikes/s for a face's latents. */
  rateHz(latents: ArrayLike<number>): number;
  spontaneousHz: number;
  latencyMs: number;
  refractoryMs: number;
}

const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const logistic = (x: number): number => 1 / (1 + Math.exp(-x));
const between = (low: number, high: number, random: Random): number => low + (high - low) * random.uniform();

type Tuning = Pick<SimulatedUnit, "codes" | "rateHz">;

const families: Record<UnitKind, (latents: number, random: Random) => Tuning> = {
  /** Rate close to linear in one latent once above threshold (Chang & Tsao 2017 found ramps along the preferred axis). */
  ramp(latents, random) {
    const codes = random.int(latents);
    const sign = random.uniform() < 0.5 ? -1 : 1;
    const gain = between(8, 14, random);
    return { codes, rateHz: (z) => 2 + gain * softplus(1.2 * sign * z[codes]) };
  },
  /** A ramp along a random direction: many latents share the tuning. */
  axis(latents, random) {
    const direction = Float64Array.from({ length: latents }, () => random.normal());
    const norm = Math.hypot(...direction);
    const gain = between(8, 14, random);
    return {
      codes: null,
      rateHz(z) {
        let along = 0;
        for (let d = 0; d < latents; d++) along += (direction[d] / norm) * z[d];
        return 2 + gain * softplus(1.2 * along);
      },
    };
  },
  /** A preferred value of one latent. */
  bump(latents, random) {
    const codes = random.int(latents);
    const centre = between(-1.5, 1.5, random);
    const width = between(0.8, 1.3, random);
    const peak = between(25, 45, random);
    return { codes, rateHz: (z) => 3 + peak * Math.exp(-((z[codes] - centre) ** 2) / (2 * width ** 2)) };
  },
  /** A step with a soft edge along one latent. */
  saturating(latents, random) {
    const codes = random.int(latents);
    const slope = between(1.5, 3, random) * (random.uniform() < 0.5 ? -1 : 1);
    const edge = between(-0.8, 0.8, random);
    const top = between(25, 45, random);
    return { codes, rateHz: (z) => 3 + top * logistic(slope * (z[codes] - edge)) };
  },
};

/** How many units of each kind. */
export type Population = Partial<Record<UnitKind, number>>;

/**
 * The units of a simulated recording, named sim-01, sim-02 …; unit i depends only on the generator and i.
 *
 * @param latents D of the face model they are tuned to
 */
export function createPopulation(population: Population, latents: number, random: Random): SimulatedUnit[] {
  const kinds = (Object.keys(families) as UnitKind[]).flatMap((kind) =>
    Array.from({ length: population[kind] ?? 0 }, () => kind),
  );
  return kinds.map((kind, i) => {
    const own = random.split("unit", i);
    return {
      name: `sim-${String(i + 1).padStart(2, "0")}`,
      kind,
      ...families[kind](latents, own),
      spontaneousHz: between(2, 6, own),
      latencyMs: between(75, 95, own),
      refractoryMs: 2,
    };
  });
}
