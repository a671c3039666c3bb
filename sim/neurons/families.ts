import type { Simulation } from "../../protocols/experiment.ts";
import type { Random } from "../../server/random.ts";
import { softplus } from "../../server/tuning/numerics.ts";
import { gammaGain } from "./gain.ts";

/** How a unit answers faces. */
export interface Tuning {
  /** Latents that move its rate, in order. */
  tunedTo: number[];
  /** Driven rate in spikes/s for a face's latents, as the unit is tuned at a presentation. */
  rateHz(latents: ArrayLike<number>, presentation: number): number;
  /** A factor on that rate at a presentation, of mean 1, unknown to whoever estimates; `random` belongs to unit and presentation. */
  gain?(presentation: number, random: Random): number;
  /** Where a family needs another than what is drawn. */
  latencyMs?: number;
  refractoryMs?: number;
}

const logistic = (x: number): number => 1 / (1 + Math.exp(-x));
const between = (low: number, high: number, random: Random): number => low + (high - low) * random.uniform();
const sign = (random: Random): number => (random.uniform() < 0.5 ? -1 : 1);
const all = (latents: number): number[] => Array.from({ length: latents }, (_, d) => d);

type Family = (latents: number, random: Random) => Tuning;
export type UnitKind = Exclude<keyof Simulation, "sharedGain">;

const classic: Record<"ramp" | "axis" | "bump" | "saturating", Family> = {
  /** Rate close to linear in one latent once above threshold (Chang & Tsao 2017 found ramps along the preferred axis). */
  ramp(latents, random) {
    const d = random.int(latents);
    const slope = 1.2 * sign(random);
    const gain = between(8, 14, random);
    return { tunedTo: [d], rateHz: (z) => 2 + gain * softplus(slope * z[d]) };
  },
  /** A ramp along a random direction: many latents share the tuning. */
  axis(latents, random) {
    const along = randomAxis(latents, random);
    const gain = between(8, 14, random);
    return { tunedTo: all(latents), rateHz: (z) => 2 + gain * softplus(1.2 * along(z)) };
  },
  /** A preferred value of one latent. */
  bump(latents, random) {
    const d = random.int(latents);
    const centre = between(-1.5, 1.5, random);
    const width = between(0.8, 1.3, random);
    const peak = between(25, 45, random);
    return { tunedTo: [d], rateHz: (z) => 3 + peak * Math.exp(-((z[d] - centre) ** 2) / (2 * width ** 2)) };
  },
  /** A step with a soft edge along one latent. */
  saturating(latents, random) {
    const d = random.int(latents);
    const slope = between(1.5, 3, random) * sign(random);
    const edge = between(-0.8, 0.8, random);
    const top = between(25, 45, random);
    return { tunedTo: [d], rateHz: (z) => 3 + top * logistic(slope * (z[d] - edge)) };
  },
};

/** Families of simulated tuning. Every parameter is drawn from the unit's own generator. */
export const families: Record<UnitKind, Family> = {
  ...classic,
  additive,
  /** A ridge across two latents that share it: no sum of a curve for each. */
  pair(latents, random) {
    const two = distinct(2, latents, random);
    const [first, second = first] = two;
    const angle = between(Math.PI / 6, Math.PI / 3, random) * sign(random);
    const [c, s] = [Math.cos(angle), Math.sin(angle)];
    const centre = between(-1, 1, random);
    const width = between(0.8, 1.2, random);
    const peak = between(25, 45, random);
    return {
      tunedTo: two.sort((a, b) => a - b),
      rateHz: (z) => 3 + peak * Math.exp(-((c * z[first] + s * z[second] - centre) ** 2) / (2 * width ** 2)),
    };
  },
  /** A ramp or an axis, its drive divided by how far the whole face lies from the average one. */
  divisive(latents, random) {
    const d = random.int(latents);
    const along = random.uniform() < 0.5 ? (z: ArrayLike<number>) => z[d] : randomAxis(latents, random);
    const slope = 1.2 * sign(random);
    const gain = between(16, 28, random);
    return {
      tunedTo: all(latents),
      rateHz(z) {
        let square = 0;
        for (let i = 0; i < latents; i++) square += z[i] ** 2;
        return 2 + (gain * softplus(slope * along(z))) / (1 + Math.sqrt(square / latents));
      },
    };
  },
  /** A classic unit whose gain differs from presentation to presentation: Fano factor 1.5 to 2 at 20 spikes/s in 0.2 s. */
  overdispersed(latents, random) {
    const base = anyClassic(latents, random);
    const shape = 4 / between(0.5, 1, random);
    return { ...base, gain: (_, r) => gammaGain(shape, r) };
  },
  /** A classic unit whose gain, and whose preferred values, wander to and fro over hundreds of presentations. */
  drifting(latents, random) {
    const base = anyClassic(latents, random);
    const gain = swing(between(0.3, 0.6, random), random);
    const shift = swing(between(0.3, 0.8, random), random);
    const moved = new Float64Array(latents);
    return {
      ...base,
      rateHz(z, presentation) {
        for (let d = 0; d < latents; d++) moved[d] = z[d] - shift(presentation);
        return Math.exp(gain(presentation)) * base.rateHz(moved, presentation);
      },
    };
  },
};

/** In the order of a population: new kinds come last, so that the units of older files stay what they are. */
export const unitKinds = Object.keys(families) as UnitKind[];

const anyClassic = (latents: number, random: Random): Tuning =>
  Object.values(classic)[random.int(Object.keys(classic).length)](latents, random);

/** z ↦ z'a for a random unit vector a. */
function randomAxis(latents: number, random: Random): (z: ArrayLike<number>) => number {
  const direction = Float64Array.from({ length: latents }, () => random.normal());
  const norm = Math.hypot(...direction);
  return (z) => {
    let along = 0;
    for (let d = 0; d < latents; d++) along += (direction[d] / norm) * z[d];
    return along;
  };
}

function distinct(count: number, latents: number, random: Random): number[] {
  const left = all(latents);
  return Array.from({ length: Math.min(count, latents) }, () => left.splice(random.int(left.length), 1)[0]);
}

/** Swings by ± amplitude about where it was at presentation 0, with a period of 400 to 1,200 presentations. */
function swing(amplitude: number, random: Random): (presentation: number) => number {
  const period = between(400, 1200, random);
  const phase = between(0, 2 * Math.PI, random);
  const at = (presentation: number) => amplitude * Math.sin((2 * Math.PI * presentation) / period + phase);
  const start = at(0);
  return (presentation) => at(presentation) - start;
}

const LARGEST_LOG_GAIN = Math.log(8);

/**
 * Inside the model family: log rate is a sum of smooth curves of one to three latents. Each is a slope and five bells of the
 * model's length scale; curves that together would exceed an eightfold rate anywhere in ±3 are scaled down. No refractory period, and
 * a latency at which the shipped response windows begin, so that counts are Poisson at this rate.
 */
function additive(latents: number, random: Random): Tuning {
  const baseHz = between(6, 12, random);
  const tunedTo = distinct(1 + random.int(3), latents, random).sort((a, b) => a - b);
  const centres = [-3, -1.5, 0, 1.5, 3];
  const shapes = tunedTo.map(() => {
    const slope = between(0.15, 0.4, random) * sign(random);
    const heights = centres.map(() => 0.5 * random.normal());
    const bells = (z: number) =>
      heights.reduce((sum, height, i) => sum + height * Math.exp(-((z - centres[i]) ** 2) / (2 * 1.5 ** 2)), 0);
    return (z: number) => slope * z + bells(z) - bells(0);
  });
  const grid = Array.from({ length: 61 }, (_, i) => -3 + i / 10);
  const highest = shapes.reduce((sum, shape) => sum + Math.max(...grid.map(shape)), 0);
  const scale = Math.min(1, LARGEST_LOG_GAIN / highest);
  return {
    tunedTo,
    rateHz: (z) => baseHz * Math.exp(scale * shapes.reduce((sum, shape, i) => sum + shape(z[tunedTo[i]]), 0)),
    latencyMs: 80,
    refractoryMs: 0,
  };
}
