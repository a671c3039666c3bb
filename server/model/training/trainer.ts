import * as tf from "@tensorflow/tfjs-core";
import { ConfigurationError } from "../../failure.ts";
import { type Random, random } from "../../random.ts";
import type { Architecture, Parameters } from "../network.ts";
import { parameterShapes } from "../network.ts";
import { registerGradients } from "./gradients.ts";
import type { ImageSet } from "./images.ts";
import { initialParameters } from "./initial.ts";
import { bound } from "./objective.ts";
import { betaAt, learningRateAt, type Schedule } from "./schedule.ts";
import { registerWasmTraining } from "./wasm-kernels.ts";

export interface TrainingRecipe extends Schedule {
  architecture: Architecture;
  steps: number;
  batch: number;
  seed: number;
  /** Part of the images that is kept out of training. */
  validation: number;
  /** Weights to go on from; drawn from the seed if there are none. */
  initial?: Weights | undefined;
}

export interface TrainingReport {
  step: number;
  beta: number;
  /** Of the last batch, nats per image. */
  nll: number;
  kl: number[];
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
 * Minimises nll + β(t) · Σ kl with Adam (Kingma & Ba 2015) over seeded batches, on the current backend. `eachStep` hears
 * of every step; what it resolves to decides whether training goes on; it may ask for the weights at any time. Resolves
 * to the weights. Throws ConfigurationError if the loss stops being finite. The same seed, data and backend give the
 * same model.
 */
export async function train(
  images: ImageSet,
  recipe: TrainingRecipe,
  eachStep: (report: TrainingReport, weights: () => Promise<Weights>) => Promise<"go on" | "stop">,
): Promise<Weights> {
  const { architecture, batch, steps } = recipe;
  prepare();
  const generator = random(recipe.seed);
  const initial = recipe.initial ?? initialParameters(architecture, generator);
  const variables: Record<string, tf.Variable> = {};
  for (const { name, shape } of parameterShapes(architecture)) {
    variables[name] = tf.tidy(() => tf.variable(tf.tensor(initial[name], shape), true));
  }
  const parameters: Parameters = variables;
  const weights = () => read(variables);
  const optimizer = tf.train.adam(recipe.learningRate, 0.9, 0.999, 1e-8);
  const next = batches(
    splitImages(images.count, recipe.validation, recipe.seed).training,
    batch,
    generator.split("batches"),
  );
  const noise = generator.split("noise");
  try {
    for (let step = 0; step < steps; step++) {
      const progress = step / steps;
      const beta = betaAt(recipe, progress);
      // tfjs offers no setter for it.
      (optimizer as unknown as { learningRate: number }).learningRate = learningRateAt(recipe, progress);
      const chosen = next();
      const draws = Float32Array.from({ length: chosen.length * architecture.latents }, () => noise.normal());
      const [nll, kl] = tf.tidy(() => {
        const x = imageTensor(images, chosen);
        const epsilon = tf.tensor2d(draws, [chosen.length, architecture.latents]);
        let parts: tf.Tensor[] = [];
        optimizer.minimize(
          () => {
            const { nll, kl } = bound(architecture, parameters, x, epsilon);
            parts = [tf.keep(nll), tf.keep(kl)];
            return tf.add(nll, tf.mul(tf.sum(kl), beta)) as tf.Scalar;
          },
          false,
          Object.values(variables),
        );
        return parts;
      });
      const report = { step: step + 1, beta, nll: (await nll.data())[0], kl: Array.from(await kl.data()) };
      tf.dispose([nll, kl]);
      if (![report.nll, ...report.kl].every(Number.isFinite)) {
        throw new ConfigurationError(
          `training: expected a finite loss, found ${report.nll} at step ${step + 1}; try a lower --learning-rate`,
        );
      }
      // Lets signals and timers in: native backends never yield by themselves.
      await new Promise((resolve) => setImmediate(resolve));
      if ((await eachStep(report, weights)) === "stop") break;
    }
    return await weights();
  } finally {
    optimizer.dispose();
    tf.dispose(variables);
  }
}

/** Gives the current backend what training needs beyond decoding. */
export function prepare(): void {
  registerGradients();
  if (tf.getBackend() === "wasm") registerWasmTraining();
}

/** [n, side, side, 3] in [0, 1] of the chosen images. */
export function imageTensor(images: ImageSet, chosen: ArrayLike<number>): tf.Tensor4D {
  const length = images.side ** 2 * 3;
  const values = new Float32Array(chosen.length * length);
  for (let i = 0; i < chosen.length; i++) {
    const from = chosen[i] * length;
    for (let k = 0; k < length; k++) values[i * length + k] = images.pixels[from + k] / 255;
  }
  return tf.tensor4d(values, [chosen.length, images.side, images.side, 3]);
}

async function read(variables: Record<string, tf.Variable>): Promise<Weights> {
  const weights: Weights = {};
  for (const [name, variable] of Object.entries(variables)) weights[name] = Float32Array.from(await variable.data());
  return weights;
}

/** Every image once an epoch, in a new order each time; the last, shorter batch of an epoch is left out. */
function batches(indices: Uint32Array, size: number, generator: Random): () => Uint32Array {
  const length = Math.min(size, indices.length);
  let epoch = 0;
  let order = new Uint32Array(0);
  let at = 0;
  return () => {
    if (at + length > order.length) {
      order = shuffled(indices.length, generator.split(epoch++)).map((i) => indices[i]);
      at = 0;
    }
    at += length;
    return order.subarray(at - length, at);
  };
}

/** Fisher–Yates. */
function shuffled(n: number, generator: Random): Uint32Array<ArrayBuffer> {
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = generator.int(i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}
