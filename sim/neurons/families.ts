import type { Simulation, UnitKind } from "../../protocols/experiment.ts";
import type { Random } from "../../server/random.ts";
import { softplus } from "../../server/tuning/numerics.ts";
import { factors } from "../faces/factors.ts";
import { latentFactor, placeOf } from "../faces/latent-factors.ts";
import { swing, wandering } from "./drift.ts";
import { gammaGain } from "./gain.ts";
import { patchNeuron } from "./patches.ts";
import { recordedTuning } from "./recorded.ts";

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
  timeCourse?: Simulation["timeCourse"];
  gainNoise?: Simulation["gainNoise"];
}

const logistic = (x: number): number => 1 / (1 + Math.exp(-x));
const between = (low: number, high: number, random: Random): number => low + (high - low) * random.uniform();
const sign = (random: Random): number => (random.uniform() < 0.5 ? -1 : 1);
const all = (latents: number): number[] => Array.from({ length: latents }, (_, d) => d);

interface Surroundings {
  /** Latents that turn the head. */
  view: readonly number[];
  recordedFrom?: Simulation["recordedFrom"] | undefined;
  latentFactors?: Simulation["latentFactors"] | undefined;
}
type Family = (latents: number, random: Random, surroundings: Surroundings) => Tuning;

/** Yaw and pitch of the models that ship. */
export const defaultViewLatents: readonly number[] = [0, 1];
export const modelsOfDefaultView: readonly string[] = ["faces-64", "faces-128"];

const classic: Record<"ramp" | "axis" | "bump" | "saturating", (latents: number, random: Random) => Tuning> = {
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
    return { ...base, rateHz: wandering(base.rateHz, gain, shift, latents) };
  },
  viewTuned: (latents, random, { view }) => viewTuned(latents, random, view, CLASSIC_GAIN),
  viewInvariant: (latents, random, { view }) => viewInvariant(latents, random, view, CLASSIC_GAIN),
  ML: (latents, random, { view }) => patchNeuron("ML", random, (gain) => viewTuned(latents, random, view, gain)),
  AM: (latents, random, { view }) => patchNeuron("AM", random, (gain) => viewInvariant(latents, random, view, gain)),
  recorded: (latents, random, { recordedFrom }) => recordedTuning(latents, random, recordedFrom),
  factor: factorRamp,
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

/** Gain of ramps, in spikes/s: from and to. */
type GainRange = readonly [number, number];
const CLASSIC_GAIN: GainRange = [8, 14];

/**
 * A ramp that takes no notice of the view, as most AM units do (Freiwald & Tsao 2010): as often on one latent (Higgins et al. 2021) as
 * along a random axis (Chang & Tsao 2017). How often which is assumed.
 */
function viewInvariant(latents: number, random: Random, view: readonly number[], [low, high]: GainRange): Tuning {
  const free = all(latents).filter((d) => !view.includes(d));
  const d = free[random.int(free.length)];
  const one = random.uniform() < 0.5;
  const axis = randomAxis(free.length, random);
  const along = one ? (z: ArrayLike<number>) => z[d] : (z: ArrayLike<number>) => axis(free.map((at) => z[at]));
  const slope = 1.2 * sign(random);
  const gain = between(low, high, random);
  return { tunedTo: one ? [d] : free, rateHz: (z) => 2 + gain * softplus(slope * along(z)) };
}

/** The same, at a preferred view: its drive is multiplied by a bump over one of the latents that turn the head, 1 at the preferred view. */
function viewTuned(latents: number, random: Random, view: readonly number[], gain: GainRange): Tuning {
  const identity = viewInvariant(latents, random, view, gain);
  const v = view[random.int(view.length)];
  const centre = between(-1.5, 1.5, random);
  const width = between(0.8, 1.3, random);
  return {
    tunedTo: [v, ...identity.tunedTo].sort((a, b) => a - b),
    rateHz: (z, presentation) =>
      2 + (identity.rateHz(z, presentation) - 2) * Math.exp(-((z[v] - centre) ** 2) / (2 * width ** 2)),
  };
}

/** A ramp over a factor of the rendered heads, standardised; every latent has a part in it, however small. */
function factorRamp(latents: number, random: Random, { latentFactors }: Surroundings): Tuning {
  const { name } = factors[random.int(factors.length)];
  const factor = latentFactor(name, latentFactors);
  const slope = 1.2 * sign(random) * Math.sqrt(12);
  const gain = between(...CLASSIC_GAIN, random);
  return { tunedTo: all(latents), rateHz: (z) => 2 + gain * softplus(slope * (placeOf(factor, z) - 0.5)) };
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
