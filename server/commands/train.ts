import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Command, Option } from "commander";
import { type TrainingSettings, trainingSettings } from "../../protocols/training.ts";
import { ConfigurationError } from "../failure.ts";
import { architectureSchema } from "../model/architecture.ts";
import { type BackendName, backendName, backendNames } from "../model/backend-name.ts";
import { useBackend } from "../model/backends.ts";
import { activeNats, countActive } from "../model/measures/active.ts";
import { bundledModel, type ModelFolder, readModelFolder } from "../model/model-folder.ts";
import { type Checkpoint, readCheckpoint, type SavedRecipe, writeCheckpoint } from "../model/training/checkpoint.ts";
import { evaluate } from "../model/training/evaluation.ts";
import { readFactors } from "../model/training/factors.ts";
import { type ImageSet, readImages } from "../model/training/images.ts";
import { recipeOf } from "../model/training/recipe.ts";
import { writeReport } from "../model/training/report.ts";
import { saveModel } from "../model/training/save.ts";
import { firstWeights } from "../model/training/stage.ts";
import { bestBackend } from "../model/training/start.ts";
import { splitImages, type TrainingReport, type TrainingState, train, weightsOf } from "../model/training/trainer.ts";
import { numberOption } from "./options.ts";
import { createProgress } from "./progress.ts";

interface Options extends TrainingSettings {
  images: string;
  out: string;
  size?: number;
  from?: string;
  rotate?: boolean;
  resume?: boolean;
  steps: number;
  seed: number;
  backend?: BackendName;
  saveEvery: number;
}

/** Options that say where and how to run, not what to train. */
const aside = ["images", "out", "size", "resume", "backend", "saveEvery"];

const defaults = trainingSettings.parse({});
/** Held-out images behind a checkpoint's figures; the last save uses them all. */
const checkpointImages = 512;
/** Steps between lines of the history. */
const historyEvery = 20;

/** `latentloop train`: a β-VAE of one's own images, as a model folder. */
export function trainCommand(): Command {
  return new Command("train")
    .description("Train a β-VAE on a folder of square images; Ctrl-C leaves a usable model")
    .requiredOption("--images <folder>", "what `faces` wrote, or PNG or JPEG files")
    .requiredOption("--out <folder>", "where the model folder goes")
    .option(
      "--size <pixels>",
      "crop to squares and scale to this side: 16, 32, 64, 128… (default: images are square and of one such size)",
      numberOption("--size", { min: 16, max: 512, whole: true }),
    )
    .option("--gray", "of one channel: coloured images are turned to grey", defaults.gray)
    .option("--from <model>", "begin with a model's weights instead of fresh ones: a next stage, with its own β")
    .option("--rotate", "with --from: first turn its code to independent components (ICA), which changes no picture")
    .option("--resume", "go on from the checkpoint in --out, to the same end as if never interrupted")
    .option(
      "--latents <n>",
      "dimensions of the code",
      numberOption("--latents", { min: 1, max: 512, whole: true }),
      defaults.latents,
    )
    .option(
      "--beta <β>",
      "weight of the KL term in the end",
      numberOption("--beta", { min: 0.001, max: 1e4 }),
      defaults.beta,
    )
    .option(
      "--beta-from <β>",
      "and in the beginning, to anneal it (default: β is fixed)",
      numberOption("--beta-from", { min: 0.001, max: 1e4 }),
    )
    .option(
      "--tc <weight>",
      "of a total-correlation penalty (β-TCVAE)",
      numberOption("--tc", { min: 0, max: 1e4 }),
      defaults.tc,
    )
    .option(
      "--capacity <nats>",
      "penalise β·|KL − C| instead, C rising from 0 to this (Burgess et al. 2018)",
      numberOption("--capacity", { min: 0, max: 1e4 }),
    )
    .addOption(
      new Option("--likelihood <kind>", "of the pixels")
        .choices(["bernoulli", "gaussian"])
        .default(defaults.likelihood),
    )
    .option(
      "--pixel-sd <sd>",
      "of the gaussian likelihood",
      numberOption("--pixel-sd", { min: 1e-3, max: 10 }),
      defaults.pixelSd,
    )
    .option("--steps <n>", "batches to train on", numberOption("--steps", { min: 1, max: 1e8, whole: true }), 12_000)
    .option(
      "--batch <n>",
      "images a batch",
      numberOption("--batch", { min: 1, max: 4096, whole: true }),
      defaults.batch,
    )
    .option(
      "--learning-rate <r>",
      "of Adam",
      numberOption("--learning-rate", { min: 1e-7, max: 1 }),
      defaults.learningRate,
    )
    .option(
      "--seed <n>",
      "of the weights, the batches and the noise",
      numberOption("--seed", { min: 0, whole: true }),
      1,
    )
    .option("--backend <name>", `one of ${backendNames.join(", ")} (default: the first that works)`, backendName)
    .option("--save-every <minutes>", "minutes between checkpoints", numberOption("--save-every", { min: 0.05 }), 3)
    .action(trainModel);
}

async function trainModel(options: Options, command: Command): Promise<void> {
  const say = (line: string) => process.stderr.write(`${line}\n`);
  if (options.rotate && options.from === undefined) {
    throw new ConfigurationError("--rotate: expected --from, whose model's code it turns");
  }
  const checkpoint = options.resume ? await readCheckpoint(options.out) : undefined;
  const gray = checkpoint ? checkpoint.recipe.architecture.channels === 1 : options.gray;
  const images = await readImages(options.images, { size: options.size, gray });
  if (images.side < 16 || !Number.isInteger(Math.log2(images.side))) {
    throw new ConfigurationError(
      `--images: expected a side of 16, 32, 64, 128…, found ${images.side} pixels; --size 64 would scale them`,
    );
  }
  const factors = await readFactors(options.images);
  const begun = checkpoint && resumed(checkpoint, images, command);
  if (begun === undefined && existsSync(join(options.out, "checkpoint.bin"))) {
    throw new ConfigurationError(
      `--out ${options.out}: a training was begun there; go on with --resume, or choose another folder`,
    );
  }
  await mkdir(options.out, { recursive: true });
  const recipe = begun?.recipe ?? recipeOf(options, images, { ...options, rotated: options.rotate ?? false });
  const from = begun === undefined && options.from !== undefined ? await firstStage(options.from, recipe) : undefined;
  const stageBefore = begun?.from ?? from?.card.made;
  const { name: backend, version } = await bestBackend(options.backend);
  const { training, held } = splitImages(images.count, recipe.validation, recipe.seed);

  let interrupted = false;
  const interrupt = () => {
    interrupted = true;
    say("stopping: saving the model first (Ctrl-C again to give up)");
  };
  process.once("SIGINT", interrupt);
  say(`${training.length} images to train on, ${held.length} held out; backend ${backend} ${version}`);
  const progress = createProgress("train", recipe.steps, 30_000);
  const started = performance.now();
  const minutes = () => (begun?.minutes ?? 0) + (performance.now() - started) / 60_000;
  const history = begun?.history ?? [];
  let saved = started;
  const save = async (state: TrainingState, chosen: Uint32Array) => {
    const weights = weightsOf(recipe.architecture, state);
    const evaluation = await evaluate(recipe.architecture, weights, images, chosen);
    if (history.length > 0) history[history.length - 1].heldOutNll = evaluation.nll;
    const made = {
      command: commandLine(recipe, stageBefore !== undefined),
      backend: `${backend} ${version}`,
      steps: state.step,
      minutes: Math.round(minutes() * 10) / 10,
      seed: recipe.seed,
      ...(stageBefore !== undefined && { from: stageBefore }),
      data: { count: images.count, heldOut: held.length, recipe: images.manifest ?? null },
    };
    const spent = { minutes: minutes(), history, state, ...(stageBefore !== undefined && { from: stageBefore }) };
    await writeCheckpoint(options.out, { recipe, images: identity(images), ...spent });
    await saveModel(options.out, recipe.architecture, weights, evaluation, made, chosen, factors);
    await useBackend(backend);
    await writeReport(await readModelFolder(options.out), history, images, held);
    return evaluation;
  };

  const initial = from && (await firstWeights({ ...recipe, isRotated: recipe.rotated }, from.weights, images));
  const begin = begun?.state.step ?? 0;
  const end = await train(images, { ...recipe, initial, state: begun?.state }, async (report, current) => {
    const rate = ((report.step - begin) * recipe.batch) / ((performance.now() - started) / 1000);
    progress.update(report.step, note(report, rate));
    if (report.step % historyEvery === 0 || report.step === recipe.steps) history.push(report);
    if (performance.now() - saved > options.saveEvery * 60_000) {
      await save(await current(), held.subarray(0, checkpointImages));
      saved = performance.now();
    }
    return interrupted ? "stop" : "go on";
  });
  progress.stop();
  const evaluation = await save(end, held);
  process.off("SIGINT", interrupt);
  say(
    `${options.out}: ${end.step} steps, ${countActive(evaluation.latents)} of ${recipe.architecture.latents} latents active (KL > ${activeNats}), ` +
      `PSNR ${evaluation.psnrDb.toFixed(1)} dB on held-out images; see ${join(options.out, "report.html")}`,
  );
}

/** The model that --from names, if its network is the recipe's. */
async function firstStage(name: string, { architecture }: SavedRecipe): Promise<ModelFolder> {
  const model = await readModelFolder(bundledModel(name));
  if (JSON.stringify(model.card.architecture) !== JSON.stringify(architectureSchema.parse(architecture))) {
    const of = ({ latents, side, channels }: typeof architecture) =>
      `${latents} latents, ${side} pixels and ${channels === 1 ? "grey" : "RGB"}`;
    throw new ConfigurationError(
      `--from ${name}: expected ${of(architecture)}, found ${of(model.card.architecture)}, or another kind of network`,
    );
  }
  return model;
}

/** The checkpoint in --out, if it is of these images and no option asks for another recipe. */
function resumed(checkpoint: Checkpoint, images: ImageSet, command: Command): Checkpoint {
  const found = identity(images);
  if (found.sha256 !== checkpoint.images.sha256) {
    const { count, side } = checkpoint.images;
    throw new ConfigurationError(
      `--resume: expected the ${count} images of ${side} pixels that training began with, found ` +
        `${found.count} of ${found.side}, or other pixels`,
    );
  }
  for (const option of command.options) {
    const name = option.attributeName();
    if (command.getOptionValueSource(name) === "cli" && !aside.includes(name)) {
      throw new ConfigurationError(`--resume: expected no ${option.long}: the recipe is the checkpoint's`);
    }
  }
  return checkpoint;
}

function identity({ count, side, pixels }: ImageSet): Checkpoint["images"] {
  return { count, side, sha256: createHash("sha256").update(pixels).digest("hex") };
}

function note({ beta, nll, kl }: TrainingReport, imagesPerS: number): string {
  const nats = [...kl].sort((a, b) => b - a).map((value) => value.toFixed(1));
  return `β ${beta.toFixed(2)} nll ${nll.toFixed(1)} KL ${nats.join(" ")} ${imagesPerS.toFixed(0)} images/s`;
}

/** What to type to get the same model again; paths are the user's business and left out. */
function commandLine(r: SavedRecipe, staged: boolean): string {
  return [
    `latentloop train --images <faces> --out <model>${staged ? ` --from <model>${r.rotated ? " --rotate" : ""}` : ""} --latents ${r.architecture.latents} --beta ${r.beta}`,
    ...(r.betaFrom === r.beta ? [] : [`--beta-from ${r.betaFrom}`]),
    ...(r.tc === 0 ? [] : [`--tc ${r.tc}`]),
    ...(r.architecture.channels === 1 ? ["--gray"] : []),
    ...(r.capacity === undefined ? [] : [`--capacity ${r.capacity}`]),
    ...(r.likelihood.kind === "bernoulli" ? [] : [`--likelihood gaussian --pixel-sd ${r.likelihood.sd}`]),
    `--steps ${r.steps} --batch ${r.batch} --learning-rate ${r.learningRate} --seed ${r.seed}`,
  ].join(" ");
}
