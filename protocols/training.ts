/** Settings of a training: what `train` takes, and what the designs of a study of trainings differ in. */
import { z } from "zod";

export const trainingSettings = z.strictObject({
  /** Dimensions of the code. */
  latents: z.number().int().positive().max(512).default(12),
  /** Weight of the KL term in the end; and in the beginning, to anneal it (left out: fixed). */
  beta: z.number().min(0.001).max(1e4).default(4),
  betaFrom: z.number().min(0.001).max(1e4).optional(),
  /** Weight of a total-correlation penalty (β-TCVAE). */
  tc: z.number().min(0).max(1e4).default(0),
  /** Nats: β·|KL − C| is penalised instead, C rising from 0 to this (Burgess et al. 2018). */
  capacity: z.number().min(0).max(1e4).optional(),
  /** Of the pixels; the standard deviation is the gaussian's, where white is 1. */
  likelihood: z.enum(["bernoulli", "gaussian"]).default("bernoulli"),
  pixelSd: z.number().min(1e-3).max(10).default(0.1),
  /** Images a batch. */
  batch: z.number().int().positive().max(4096).default(64),
  /** Of Adam. */
  learningRate: z.number().min(1e-7).max(1).default(1e-3),
  /** Whether images are turned to grey. */
  gray: z.boolean().default(false),
});
export type TrainingSettings = z.infer<typeof trainingSettings>;

const { shape } = trainingSettings;

/** A stage of a training that goes on with the model of the stage before, as `train --from` does; what it leaves out is as the training has it. */
export const trainingStage = z.strictObject({
  /** Batches: what its β, capacity and learning rate follow. */
  steps: z.number().int().positive().max(100_000_000),
  /** Whether the code is first turned to independent components, which changes no picture. */
  rotate: z.boolean().default(false),
  beta: shape.beta.unwrap().optional(),
  /** Of this stage alone, as is its capacity: what the training anneals is not annealed again. */
  betaFrom: shape.betaFrom,
  tc: shape.tc.unwrap().optional(),
  capacity: shape.capacity,
  likelihood: shape.likelihood.unwrap().optional(),
  pixelSd: shape.pixelSd.unwrap().optional(),
  batch: shape.batch.unwrap().optional(),
  learningRate: shape.learningRate.unwrap().optional(),
});
