import type { Experiment } from "../../protocols/experiment.ts";
import { random } from "../../server/random.ts";
import { sourcesOf } from "../neurons/sorting.ts";
import type { Neuron, SimulatedUnit } from "../neurons/unit.ts";

/** What a response window of a simulated unit is expected to hold: the truth that an estimate is judged against. */
export interface Truth {
  unit: SimulatedUnit;
  latents: number;
  /** Faces stay inside ±range. */
  range: number;
  /** Expected count in a response window over the window's length, in spikes/s, for a face's latents. */
  rateHz(face: ArrayLike<number>): number;
}

/**
 * The truth about a unit at a presentation: what its neurons' responses put into the window. Window and responses need not coincide: a
 * latency is a neuron's own. What of the window lies outside the response is spontaneous (another face's where faces follow one another
 * without a gap, which is not in here). A refractory period τ makes λ/(1 + λτ) of a rate λ. The face is one not seen before, and the neurons
 * are there, also where they adapt, are lost or not yet found.
 *
 * @param presentation as the unit is tuned then: the tuning of some drifts
 */
export function truthOf(
  { latents, stimulus, response, choice }: Experiment,
  unit: SimulatedUnit,
  presentation: number,
): Truth {
  const sources = sourcesOf(unit).map(({ neuron, share }) => ({
    share,
    rateHz: windowRate(neuron, stimulus, response, presentation),
  }));
  return {
    unit,
    latents,
    range: choice.range,
    rateHz: (face) => sources.reduce((sum, { share, rateHz }) => sum + share * rateHz(face), 0),
  };
}

/** Expected count of a neuron in a response window over its length, in spikes/s. */
function windowRate(
  neuron: Neuron,
  { onMs }: Experiment["stimulus"],
  { latencyMs, windowMs }: Experiment["response"],
  presentation: number,
): (face: ArrayLike<number>) => number {
  const { spontaneousHz, timeCourse = { transientMs: onMs, sustained: 1 } } = neuron;
  const fired = (hz: number) => hz / (1 + (hz * neuron.refractoryMs) / 1000);
  const shareOfWindow = (fromMs: number, toMs: number) =>
    Math.max(
      0,
      Math.min(latencyMs + windowMs, neuron.latencyMs + toMs) - Math.max(latencyMs, neuron.latencyMs + fromMs),
    ) / windowMs;
  const transientMs = Math.min(timeCourse.transientMs, onMs);
  const transient = shareOfWindow(0, transientMs);
  const sustained = shareOfWindow(transientMs, onMs);
  const rest = (1 - transient - sustained) * fired(spontaneousHz);
  return (face) => {
    const drivenHz = neuron.rateHz(face, presentation);
    const sustainedHz = spontaneousHz + timeCourse.sustained * (drivenHz - spontaneousHz);
    return transient * fired(drivenHz) + sustained * fired(sustainedHz) + rest;
  };
}

const AXIS_FACES = 200;
const AXIS_STEP = 0.01;

/** The true preferred axis: the average gradient of log rate over faces z ~ N(0, I), by central differences at faces that are the same each time. */
export function trueAxis({ unit, latents, rateHz }: Truth): Float64Array {
  const axis = new Float64Array(latents);
  const r = random("faces of the true axis");
  for (let i = 0; i < AXIS_FACES; i++) {
    const face = Float64Array.from({ length: latents }, () => r.normal());
    for (const d of unit.tunedTo) {
      const here = face[d];
      const logAt = (z: number) => {
        face[d] = z;
        return Math.log(rateHz(face));
      };
      axis[d] += (logAt(here + AXIS_STEP) - logAt(here - AXIS_STEP)) / (2 * AXIS_STEP * AXIS_FACES);
      face[d] = here;
    }
  }
  return axis;
}

const STARTS = 8;
const STEPS = 24;

/**
 * The highest rate of any face inside ±range, by coordinate search from several starts: each latent in turn over a grid, then by golden
 * section around the best of it, until nothing gains. Starts lie on a spiral through the box, the same each time.
 */
export function attainableHz({ unit, latents, range, rateHz }: Truth): number {
  let best = 0;
  for (let start = 0; start < STARTS; start++) {
    const face = new Float64Array(latents);
    // Multiples of the golden ratio and of latent numbers fill the box evenly (a Kronecker sequence); the first start is the origin.
    for (const d of unit.tunedTo) face[d] = range * (2 * frac(0.5 + start * 0.6180339887498949 * Math.sqrt(d + 1)) - 1);
    best = Math.max(best, climb(rateHz, face, unit.tunedTo, range));
  }
  return best;
}

const frac = (x: number): number => x - Math.floor(x);

function climb(rateHz: Truth["rateHz"], face: Float64Array, along: readonly number[], range: number): number {
  let value = rateHz(face);
  for (let round = 0; round < 50; round++) {
    const before = value;
    for (const d of along) value = Math.max(value, bestAlong(rateHz, face, d, range));
    if (value - before <= 1e-6 * value) break;
  }
  return value;
}

/** Moves latent d of the face to where the rate is highest, and gives that rate. */
function bestAlong(rateHz: Truth["rateHz"], face: Float64Array, d: number, range: number): number {
  const at = (z: number) => {
    face[d] = z;
    return rateHz(face);
  };
  const here = face[d];
  let best = here;
  let value = at(here);
  const consider = (z: number) => {
    const rate = at(z);
    if (rate > value) [best, value] = [z, rate];
    return rate;
  };
  const step = (2 * range) / STEPS;
  for (let i = 0; i <= STEPS; i++) consider(-range + i * step);
  let [low, high] = [Math.max(-range, best - step), Math.min(range, best + step)];
  for (let i = 0; i < 20; i++) {
    const [a, b] = [high - 0.6180339887498949 * (high - low), low + 0.6180339887498949 * (high - low)];
    if (consider(a) > consider(b)) high = b;
    else low = a;
  }
  face[d] = best;
  return value;
}
