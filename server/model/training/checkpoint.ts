import { open, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { ConfigurationError } from "../../failure.ts";
import { architectureSchema } from "../architecture.ts";
import type { TrainingState } from "./trainer.ts";

export const recipeSchema = z.strictObject({
  architecture: architectureSchema,
  likelihood: z.discriminatedUnion("kind", [
    z.strictObject({ kind: z.literal("bernoulli") }),
    z.strictObject({ kind: z.literal("gaussian"), sd: z.number().positive() }),
  ]),
  betaFrom: z.number().nonnegative(),
  beta: z.number().nonnegative(),
  tc: z.number().nonnegative(),
  capacity: z.number().nonnegative().optional(),
  learningRate: z.number().positive(),
  steps: z.int().positive(),
  batch: z.int().positive(),
  seed: z.int().nonnegative(),
  validation: z.number().positive(),
  /** Whether the model that training began with had its code turned first. */
  rotated: z.boolean(),
});

const historySchema = z.array(
  z.strictObject({
    step: z.int(),
    beta: z.number(),
    loss: z.number(),
    nll: z.number(),
    kl: z.array(z.number()),
    /** −log p(x|z) at the posterior's mean, of the held-out images looked at; only where a checkpoint was made. */
    heldOutNll: z.number().optional(),
  }),
);

const headerSchema = z.strictObject({
  format: z.literal("latentloop-checkpoint/1"),
  recipe: recipeSchema,
  /** What the images were, to refuse others. */
  images: z.strictObject({ count: z.int(), side: z.int(), sha256: z.string() }),
  step: z.int().nonnegative(),
  parameters: z.int().positive(),
  minutes: z.number(),
  history: historySchema,
  from: z.record(z.string(), z.unknown()).optional(),
});

export type SavedRecipe = z.infer<typeof recipeSchema>;
export type History = z.infer<typeof historySchema>;

/** A training that can be gone on with. */
export interface Checkpoint {
  recipe: SavedRecipe;
  images: { count: number; side: number; sha256: string };
  /** Time spent so far. */
  minutes: number;
  /** Every so many steps, from the first on. */
  history: History;
  /** How the model was made that this training began with (its card's `made`), if it did. */
  from?: Record<string, unknown> | undefined;
  state: TrainingState;
}

const fileName = "checkpoint.bin";

/** Writes checkpoint.bin, whole or not at all: a line of JSON, then parameters, momentum and velocity, float32, little-endian. */
export async function writeCheckpoint(folder: string, { state, ...rest }: Checkpoint): Promise<void> {
  const header: z.infer<typeof headerSchema> = {
    format: "latentloop-checkpoint/1",
    ...rest,
    step: state.step,
    parameters: state.parameters.length,
  };
  const file = await open(join(folder, `${fileName}.new`), "w");
  try {
    await file.write(`${JSON.stringify(header)}\n`);
    for (const values of [state.parameters, state.momentum, state.velocity]) {
      const bytes = Buffer.alloc(values.length * 4);
      for (const [i, value] of values.entries()) bytes.writeFloatLE(value, i * 4);
      await file.write(bytes);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(join(folder, `${fileName}.new`), join(folder, fileName));
}

/** Reads what `writeCheckpoint` wrote. Throws ConfigurationError if there is none, or it is cut short or something else. */
export async function readCheckpoint(folder: string): Promise<Checkpoint> {
  const path = join(folder, fileName);
  const bytes = await readFile(path).catch(() => {
    throw new ConfigurationError(`--resume: expected ${path}, which training leaves behind, found none`);
  });
  const end = bytes.indexOf("\n");
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString("utf8", 0, Math.max(0, end)));
  } catch {
    throw new ConfigurationError(`${path}: expected a line of JSON first, found something else`);
  }
  const parsed = headerSchema.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new ConfigurationError(`${path}: ${issue.path.join(".")}: ${issue.message}`);
  }
  const { format: _, step, parameters: n, ...rest } = parsed.data;
  const expected = end + 1 + 12 * n;
  if (bytes.length !== expected) {
    throw new ConfigurationError(`${path}: expected ${expected} bytes, found ${bytes.length}`);
  }
  const part = (k: number) => Float32Array.from({ length: n }, (_, i) => bytes.readFloatLE(end + 1 + (k * n + i) * 4));
  return { ...rest, state: { step, parameters: part(0), momentum: part(1), velocity: part(2) } };
}
