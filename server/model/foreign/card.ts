import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { ConfigurationError } from "../../failure.ts";
import { latentSummarySchema, probeSchema } from "../card-parts.ts";
import { isInside } from "./inside.ts";

/** A latent of a model that was made elsewhere; figures that nobody knows may be left out. */
const foreignLatentSchema = latentSummarySchema
  .partial()
  .extend({
    name: z.string().min(1),
    /**
     * What the model's own latent is for a standard normal one: the program works in units of the prior's standard
     * deviation, and the decoder is given mean + sd · z.
     */
    prior: z
      .strictObject({ mean: z.number().default(0), sd: z.number().positive().default(1) })
      .default({ mean: 0, sd: 1 }),
    /** Typical range in units of the prior: where 1 % and 99 % of the data lie. */
    low: z.number().default(-2.33),
    high: z.number().default(2.33),
  })
  .refine(({ low, high }) => low < high, { message: "expected low < high" });

const inFolder = z
  .string()
  .min(1)
  .refine((file) => isInside(".", file), "expected a file in the model's folder");

const foreignCardSchema = z
  .strictObject({
    format: z.literal("latentloop-model/1"),
    name: z.string().min(1),
    latents: z.strictObject({
      count: z.int().min(1).max(512),
      /** Left out: z1, z2 …, standard normal. */
      each: z.array(foreignLatentSchema).optional(),
    }),
    image: z.strictObject({
      width: z.int().min(1).max(4096),
      height: z.int().min(1).max(4096),
      channels: z.union([z.literal(1), z.literal(3)]),
      /** Values of black and white in what the networks read and write. */
      pixelRange: z.tuple([z.number(), z.number()]).refine(([black, white]) => black !== white, "expected two values"),
      /** Order of the networks' dimensions; left out: nchw for ONNX (as PyTorch has it), nhwc for TensorFlow.js. */
      layout: z.enum(["nchw", "nhwc"]).optional(),
    }),
    network: z.strictObject({
      kind: z.enum(["onnx", "tfjs-layers", "tfjs-graph"]),
      /** [n, latents] → images: an .onnx file, or a model.json. */
      decoder: inFolder,
      /** Images → [n, latents], the posterior's mean, first of its outputs. */
      encoder: inFolder.optional(),
    }),
    /** What one decode must give, so that backends can be checked against it. */
    probe: probeSchema.optional(),
    made: z.record(z.string(), z.unknown()).default({}),
  })
  .transform(({ latents, image, network, ...card }) => ({
    ...card,
    network,
    image: { ...image, layout: image.layout ?? (network.kind === "onnx" ? ("nchw" as const) : ("nhwc" as const)) },
    latents: {
      count: latents.count,
      each:
        latents.each ??
        Array.from({ length: latents.count }, (_, i) => foreignLatentSchema.parse({ name: `z${i + 1}` })),
    },
  }))
  .refine(({ latents }) => latents.each.length === latents.count, {
    path: ["latents", "each"],
    message: "expected as many as latents.count says",
  });

export type ForeignCard = z.infer<typeof foreignCardSchema>;

/** A model that another program made: its files stay where they are and are loaded by the library that knows them. */
export interface ForeignModel {
  folder: string;
  card: ForeignCard;
}

/** Whether a card, as JSON, is of a model that another program made. */
export const isForeign = (json: unknown): boolean => typeof json === "object" && json !== null && "network" in json;

/** @throws ConfigurationError, in one line, for a file that the card names and that is not there */
export function foreignModel(folder: string, json: unknown, parse: Parse): ForeignModel {
  const card = parse(foreignCardSchema, json);
  for (const part of ["decoder", "encoder"] as const) {
    const file = card.network[part];
    if (file !== undefined && !existsSync(join(folder, file)))
      throw new ConfigurationError(`model ${folder}: network.${part}: expected a file ${file} in it, found none`);
  }
  return { folder, card };
}

type Parse = <T>(schema: z.ZodType<T>, json: unknown) => T;
