import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { z } from "zod";
import { ConfigurationError } from "../failure.ts";
import { packageRoot } from "../package-root.ts";
import { architectureSchema, parameterShapes } from "./architecture.ts";
import { latentSummarySchema, probeSchema } from "./card-parts.ts";
import { type ForeignModel, foreignModel, isForeign } from "./foreign/card.ts";

const cardSchema = z
  .strictObject({
    format: z.literal("latentloop-model/1"),
    name: z.string().min(1),
    latents: z.strictObject({ count: z.int().min(1), each: z.array(latentSummarySchema) }),
    image: z.strictObject({
      width: z.int().positive(),
      height: z.int().positive(),
      channels: z.union([z.literal(1), z.literal(3)]),
      /** Values of black and white in the tensors that the network reads and writes. */
      pixelRange: z.tuple([z.literal(0), z.literal(1)]),
    }),
    architecture: architectureSchema,
    weights: z.strictObject({
      file: z.literal("weights.bin"),
      sha256: z.string().length(64),
      entries: z.array(
        z.strictObject({
          name: z.string(),
          shape: z.array(z.int().positive()),
          dtype: z.literal("float32"),
          /** Bytes from the beginning of the file; values are little-endian. */
          offset: z.int().nonnegative(),
        }),
      ),
    }),
    probe: probeSchema,
    /** How the model came about: commands, seed, recipe of the data, measures. For readers, not for the program. */
    made: z.record(z.string(), z.unknown()),
  })
  .check((context) => {
    const card = context.value;
    const expect = (path: string[], expected: number, found: number) => {
      if (expected === found) return;
      context.issues.push({ code: "custom", input: found, path, message: `expected ${expected}, found ${found}` });
    };
    expect(["latents", "count"], card.architecture.latents, card.latents.count);
    expect(["latents", "each", "length"], card.architecture.latents, card.latents.each.length);
    expect(["probe", "latents", "length"], card.architecture.latents, card.probe.latents.length);
    expect(["probe", "values", "length"], card.probe.blocks ** 2 * 3, card.probe.values.length);
    expect(["image", "width"], card.architecture.side, card.image.width);
    expect(["image", "channels"], card.architecture.channels, card.image.channels);
    expect(["image", "height"], card.architecture.side, card.image.height);
  });

export type ModelCard = z.infer<typeof cardSchema>;
export type LatentSummary = z.infer<typeof latentSummarySchema>;

/** A model as it lies in its folder; weights are plain numbers, so that it can be sent to a worker. */
export interface ModelFolder {
  folder: string;
  card: ModelCard;
  weights: Record<string, Float32Array>;
}

/** A model that decodes faces, whoever made it. */
export type FaceModel = ModelFolder | ForeignModel;

/** The folder of a model given by the name of one that ships ("faces-64") or by a path, relative to the file naming it. */
export function bundledModel(name: string, namedBy?: string): string {
  const shipped = join(packageRoot, "server", "model", name);
  if (/^[\w-]+$/.test(name) && existsSync(join(shipped, "card.json"))) return shipped;
  return namedBy === undefined ? resolve(name) : resolve(dirname(namedBy), name);
}

/**
 * Reads and checks a model folder. Throws ConfigurationError, in one line, for a folder or file that is not there, a card
 * with a missing or wrong field (named, with what was expected and found), and weights that are cut short, do not belong
 * to the card, do not fit its architecture, or are not finite.
 */
export async function readModelFolder(folder: string): Promise<ModelFolder> {
  const model = await readModel(folder);
  if ("weights" in model) return model;
  throw new ConfigurationError(
    `model ${folder}: expected a model that latentloop trained, found ${model.card.network.kind}`,
  );
}

/** Any model's folder: one that was trained here, as `readModelFolder`, or one that another program made. */
export async function readModel(folder: string): Promise<FaceModel> {
  const model = await readCard(folder);
  if (!isOwn(model)) return model;
  const { card } = model;
  const bytes = await contents(folder, card.weights.file);
  return { folder, card, weights: unpack(join(folder, card.weights.file), card, bytes) };
}

type WithoutWeights = Omit<ModelFolder, "weights"> | ForeignModel;
const isOwn = (model: WithoutWeights): model is Omit<ModelFolder, "weights"> => "weights" in model.card;

/** The same without its weights, of which nothing is checked. */
export async function readCard(folder: string): Promise<WithoutWeights> {
  if (!(await stat(folder).catch(() => undefined))?.isDirectory()) {
    throw new ConfigurationError(`model ${folder}: expected a folder with card.json and the model's files, found none`);
  }
  const file = join(folder, "card.json");
  const json = parseJson(file, await contents(folder, "card.json"));
  if (isForeign(json)) return foreignModel(folder, json, (schema, value) => parseCard(file, schema, value));
  return { folder, card: parseCard(file, cardSchema, json) };
}

async function contents(folder: string, file: string): Promise<Buffer> {
  return readFile(join(folder, file)).catch(() => {
    throw new ConfigurationError(`model ${folder}: expected a readable ${file}, found none`);
  });
}

function parseJson(file: string, bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch (error) {
    throw new ConfigurationError(`${file}: expected JSON, ${(error as Error).message}`);
  }
}

function parseCard<T>(file: string, schema: z.ZodType<T>, json: unknown): T {
  const parsed = schema.safeParse(json, { reportInput: true });
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const found =
    issue.input === undefined ? "nothing" : (JSON.stringify(issue.input) ?? String(issue.input)).slice(0, 60);
  throw new ConfigurationError(`${file}: ${issue.path.join(".") || "card"}: ${issue.message} (found ${found})`);
}

function unpack(file: string, card: ModelCard, bytes: Buffer): Record<string, Float32Array> {
  const entries = new Map(card.weights.entries.map((entry) => [entry.name, entry]));
  const weights: Record<string, Float32Array> = {};
  for (const { name, shape } of parameterShapes(card.architecture)) {
    const entry = entries.get(name);
    if (entry === undefined) throw new ConfigurationError(`${file}: expected weights ${name}, found none in card.json`);
    if (entry.shape.join() !== shape.join()) {
      throw new ConfigurationError(`${file}: ${name}: expected shape [${shape}], found [${entry.shape}]`);
    }
    const length = shape.reduce((product, n) => product * n, 1);
    const end = entry.offset + length * 4;
    if (end > bytes.length) {
      throw new ConfigurationError(
        `${file}: expected at least ${end} bytes (to the end of ${name}), found ${bytes.length}`,
      );
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset + entry.offset, length * 4);
    const values = new Float32Array(length);
    for (let i = 0; i < length; i++) values[i] = view.getFloat32(i * 4, true);
    const bad = values.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0)
      throw new ConfigurationError(`${file}: ${name}: expected finite numbers, found ${values[bad]} at ${bad}`);
    weights[name] = values;
  }
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  if (sha256 !== card.weights.sha256) {
    throw new ConfigurationError(`${file}: expected SHA-256 ${card.weights.sha256} (of card.json), found ${sha256}`);
  }
  return weights;
}

/** Writes a model's card and weights, each file whole or not at all; other files in the folder stay. */
export async function writeModelFolder(
  folder: string,
  card: Omit<ModelCard, "weights">,
  weights: Record<string, Float32Array>,
): Promise<void> {
  const shapes = parameterShapes(card.architecture);
  const lengths = shapes.map(({ shape }) => shape.reduce((product, n) => product * n, 1));
  const bytes = Buffer.alloc(lengths.reduce((sum, n) => sum + n, 0) * 4);
  let offset = 0;
  const entries = shapes.map(({ name, shape }, k) => {
    const entry = { name, shape, dtype: "float32" as const, offset };
    for (let i = 0; i < lengths[k]; i++) bytes.writeFloatLE(weights[name][i], offset + i * 4);
    offset += lengths[k] * 4;
    return entry;
  });
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const whole: ModelCard = { ...card, weights: { file: "weights.bin", sha256, entries } };
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "weights.bin.new"), bytes);
  await writeFile(join(folder, "card.json.new"), `${JSON.stringify(cardSchema.parse(whole), null, 1)}\n`);
  await rename(join(folder, "weights.bin.new"), join(folder, "weights.bin"));
  await rename(join(folder, "card.json.new"), join(folder, "card.json"));
}
