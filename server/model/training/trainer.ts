import * as tf from "@tensorflow/tfjs-core";
import { ConfigurationError } from "../../failure.ts";
import { type Random, random, shuffle } from "../../random.ts";
import { type Architecture, parameterShapes } from "../architecture.ts";
import { registerGradients } from "./gradients.ts";
import type { ImageSet } from "./images.ts";
import { initialParameters } from "./initial.ts";
import { bound, type Likelihood } from "./objective.ts";
import { betaAt, capacityAt, learningRateAt, type Schedule } from "./schedule.ts";
import { registerWasmTraining } from "./wasm-kernels.ts";

export interface TrainingRecipe extends Schedule {
  architecture: Architecture;
  likelihood: Likelihood;
  steps: number;
  batch: number;
  seed: number;
  /** Part of the images that is kept out of training. */
  validation: number;
  /** Weights to go on from; drawn from the seed if there are none. */
  initial?: Weights | undefined;
  /** Where an interrupted training stood, to go on from there; it then gives what the uninterrupted one would have. */
  state?: TrainingState | undefined;
}

export interface TrainingReport {
  step: number;
  beta: number;
  /** Of the last batch, nats per image. */
  nll: number;
  kl: number[];
  /** What was minimised: with β, capacity and total correlation. */
  loss: number;
}

/** All that the next step depends on beside the recipe and the images; arrays over all parameters, one after another. */
export interface TrainingState {
  step: number;
  parameters: Float32Array;
  /** Adam's running means of the gradient and of its square. */
  momentum: Float32Array;
  velocity: Float32Array;
}

export type Weights = Record<string, Float32Array>;

/** Indices of images for training and for validation, disjoint, a function of the seed; each has at least one. */
export function splitImages(
  count: number,
  validation: number,
  seed: number,
): { training: Uint32Array; held: Uint32Array } {
  if (count < 2) throw new ConfigurationError(`--images: expected at least 2 images, found ${count}`);
  const order = shuffled(count, random(seed).split("validation"));
  const held = Math.min(count - 1, Math.max(1, Math.round(count * validation)));
  return { training: order.slice(held), held: order.slice(0, held) };
}

/**
 * Minimises the schedule's objective with Adam (Kingma & Ba 2015, bias-corrected) over seeded batches, on the current
 * backend. `eachStep` hears of every step; what it resolves to decides whether training goes on; it may ask for the state
 * at any time. Resolves to the state at the end. Throws ConfigurationError if the loss stops being finite. The same seed,
 * data and backend give the same model, interrupted and resumed or not.
 */
export async function train(
  images: ImageSet,
  recipe: TrainingRecipe,
  eachStep: (report: TrainingReport, state: () => Promise<TrainingState>) => Promise<"go on" | "stop">,
): Promise<TrainingState> {
  const { architecture, batch, steps } = recipe;
  prepare();
  const generator = random(recipe.seed);
  const shapes = parameterShapes(architecture);
  const begin =
    recipe.state ?? fresh(architecture, recipe.initial ?? initialParameters(architecture, random(recipe.seed)));
  const { training } = splitImages(images.count, recipe.validation, recipe.seed);
  const batchAt = batches(training, batch, generator.split("batches"));
  // One long vector, so that Adam takes a few large operations a step and not a few for each of many parameters.
  let [parameters, momentum, velocity] = [begin.parameters, begin.momentum, begin.velocity].map((x) => tf.tensor1d(x));
  let step = begin.step;
  const state = async (): Promise<TrainingState> => ({
    step,
    parameters: Float32Array.from(await parameters.data()),
    momentum: Float32Array.from(await momentum.data()),
    velocity: Float32Array.from(await velocity.data()),
  });
  try {
    for (; step < steps; ) {
      const progress = step / steps;
      const chosen = batchAt(step);
      const noise = generator.split("noise", step);
      const draws = Float32Array.from({ length: chosen.length * architecture.latents }, () => noise.normal());
      const { next, figures } = tf.tidy(() => {
        const x = imageTensor(images, chosen);
        const epsilon = tf.tensor2d(draws, [chosen.length, architecture.latents]);
        let figures = tf.zeros([1]);
        const loss = (...values: tf.Tensor[]) => {
          const named = Object.fromEntries(shapes.map(({ name }, i) => [name, values[i]]));
          const { nll, kl, tc } = bound(
            architecture,
            named,
            x,
            epsilon,
            recipe.likelihood,
            recipe.tc > 0 ? training.length : undefined,
          );
          const total = objective(recipe, progress, nll, tf.sum(kl), tc);
          figures = tf.keep(tf.concat([tf.stack([total, nll]), kl]));
          return total;
        };
        const { grads } = tf.valueAndGrads(loss)(unpacked(shapes, parameters));
        const gradient = tf.concat(grads.map((g) => tf.reshape(g, [-1]))) as tf.Tensor1D;
        return {
          figures,
          next: adam({ parameters, momentum, velocity }, gradient, step, learningRateAt(recipe, progress)),
        };
      });
      tf.dispose([parameters, momentum, velocity]);
      ({ parameters, momentum, velocity } = next);
      step++;
      const [loss, nll, ...kl] = await figures.data();
      figures.dispose();
      if (![loss, nll, ...kl].every(Number.isFinite)) {
        throw new ConfigurationError(
          `training: expected a finite loss, found ${loss} at step ${step}; try a lower --learning-rate`,
        );
      }
      // Lets signals and timers in: native backends never yield by themselves.
      await new Promise((resolve) => setImmediate(resolve));
      if ((await eachStep({ step, beta: betaAt(recipe, progress), loss, nll, kl }, state)) === "stop") break;
    }
    return await state();
  } finally {
    tf.dispose([parameters, momentum, velocity]);
  }
}

function objective(recipe: Schedule, progress: number, nll: tf.Scalar, kl: tf.Tensor, tc?: tf.Scalar): tf.Scalar {
  const capacity = capacityAt(recipe, progress);
  const code = capacity === undefined ? kl : tf.abs(tf.sub(kl, capacity));
  const bounded = tf.add(nll, tf.mul(code, betaAt(recipe, progress)));
  return (tc === undefined ? bounded : tf.add(bounded, tf.mul(tc, recipe.tc))) as tf.Scalar;
}

type Moments = { parameters: tf.Tensor1D; momentum: tf.Tensor1D; velocity: tf.Tensor1D };

/** One step of Adam, β₁ = 0.9, β₂ = 0.999, ε = 1e-8; `step` counts from 0. */
function adam({ parameters, momentum, velocity }: Moments, gradient: tf.Tensor1D, step: number, rate: number): Moments {
  const [b1, b2] = [0.9, 0.999];
  const m = tf.add(tf.mul(momentum, b1), tf.mul(gradient, 1 - b1)) as tf.Tensor1D;
  const v = tf.add(tf.mul(velocity, b2), tf.mul(tf.square(gradient), 1 - b2)) as tf.Tensor1D;
  const correction = Math.sqrt(1 - b2 ** (step + 1));
  const scale = (rate * correction) / (1 - b1 ** (step + 1));
  // ε is scaled alike, so that this is exactly m̂ / (√v̂ + ε).
  const by = tf.mul(tf.div(m, tf.add(tf.sqrt(v), 1e-8 * correction)), scale);
  return { parameters: tf.sub(parameters, by), momentum: m, velocity: v };
}

function fresh(architecture: Architecture, weights: Weights): TrainingState {
  const parameters = packed(architecture, weights);
  const zeros = () => new Float32Array(parameters.length);
  return { step: 0, parameters, momentum: zeros(), velocity: zeros() };
}

/** All parameters one after another, in the order of `parameterShapes`. */
function packed(architecture: Architecture, weights: Weights): Float32Array {
  return Float32Array.from(parameterShapes(architecture).flatMap(({ name }) => Array.from(weights[name])));
}

/** The model's weights in a state of its training. */
export function weightsOf(architecture: Architecture, { parameters }: TrainingState): Weights {
  let offset = 0;
  const weights: Weights = {};
  for (const { name, shape } of parameterShapes(architecture)) {
    const length = shape.reduce((product, n) => product * n, 1);
    weights[name] = parameters.slice(offset, offset + length);
    offset += length;
  }
  return weights;
}

function unpacked(shapes: readonly { shape: number[] }[], parameters: tf.Tensor1D): tf.Tensor[] {
  let offset = 0;
  return shapes.map(({ shape }) => {
    const length = shape.reduce((product, n) => product * n, 1);
    offset += length;
    return tf.reshape(tf.slice(parameters, offset - length, length), shape);
  });
}

/** Gives the current backend what training needs beyond decoding. */
export function prepare(): void {
  registerGradients();
  if (tf.getBackend() === "wasm") registerWasmTraining();
}

/** [n, side, side, channels] in [0, 1] of the chosen images. */
export function imageTensor(images: ImageSet, chosen: ArrayLike<number>): tf.Tensor4D {
  const length = images.side ** 2 * images.channels;
  const values = new Float32Array(chosen.length * length);
  for (let i = 0; i < chosen.length; i++) {
    const from = chosen[i] * length;
    for (let k = 0; k < length; k++) values[i * length + k] = images.pixels[from + k] / 255;
  }
  return tf.tensor4d(values, [chosen.length, images.side, images.side, images.channels]);
}

/**
 * Batch `step`: every image once an epoch, in a new order each time; the last, shorter batch of an epoch is left out. A
 * function of the step alone.
 */
function batches(indices: Uint32Array, size: number, generator: Random): (step: number) => Uint32Array {
  const length = Math.min(size, indices.length);
  const perEpoch = Math.floor(indices.length / length);
  let epoch = -1;
  let order = new Uint32Array(0);
  return (step) => {
    if (Math.floor(step / perEpoch) !== epoch) {
      epoch = Math.floor(step / perEpoch);
      order = shuffled(indices.length, generator.split(epoch)).map((i) => indices[i]);
    }
    const at = (step % perEpoch) * length;
    return order.subarray(at, at + length);
  };
}

/** 0 … n − 1 in a drawn order. */
const shuffled = (n: number, generator: Random): Uint32Array<ArrayBuffer> =>
  Uint32Array.from(shuffle([...Array(n).keys()], generator));
