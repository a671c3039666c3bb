import { basename, resolve } from "node:path";
import { Command } from "commander";
import { ConfigurationError } from "../failure.ts";
import { type BackendName, backendName, backendNames, useBackend } from "../model/backends.ts";
import { bundledModel, type ModelCard, readModelFolder, writeModelFolder } from "../model/model-folder.ts";
import { type Architecture, defaultArchitecture } from "../model/network.ts";
import { measureProbe } from "../model/probe.ts";
import { type Evaluation, evaluate, reordered } from "../model/training/evaluation.ts";
import { readFactors, spearman } from "../model/training/factors.ts";
import { readImages } from "../model/training/images.ts";
import { revived } from "../model/training/revival.ts";
import { bestBackend } from "../model/training/start.ts";
import { splitImages, type TrainingReport, train, type Weights } from "../model/training/trainer.ts";
import { numberOption } from "./options.ts";
import { createProgress } from "./progress.ts";

interface Options {
  images: string;
  out: string;
  from?: string;
  revive?: boolean;
  latents: number;
  beta: number;
  betaFrom: number;
  steps: number;
  batch: number;
  learningRate: number;
  seed: number;
  backend?: BackendName;
  saveEvery: number;
}

const validation = 0.05;
/** Held-out images behind a checkpoint's figures; the last save uses them all. */
const checkpointImages = 512;
const activeNats = 0.1;

/** `latentloop train`: a β-VAE of one's own images, as a model folder. */
export function trainCommand(): Command {
  return new Command("train")
    .description("Train a β-VAE on a folder of square images; Ctrl-C leaves a usable model")
    .requiredOption("--images <folder>", "what `faces` wrote, or PNG or JPEG files of one square size")
    .requiredOption("--out <folder>", "where the model folder goes")
    .option("--from <model>", "a model to go on from, by the same kind of network (default: fresh weights)")
    .option(
      "--revive",
      "with --from: give unused latents what the model leaves unexplained (begin with a --beta-from near 0)",
    )
    .option("--latents <n>", "dimensions of the code", numberOption("--latents", { min: 1, max: 512, whole: true }), 12)
    .option("--beta <β>", "weight of the KL term in the end", numberOption("--beta", { min: 0.001, max: 1e4 }), 1)
    .option("--beta-from <β>", "and in the beginning", numberOption("--beta-from", { min: 0.001, max: 1e4 }), 60)
    .option("--steps <n>", "batches to train on", numberOption("--steps", { min: 1, max: 1e8, whole: true }), 12_000)
    .option("--batch <n>", "images a batch", numberOption("--batch", { min: 1, max: 4096, whole: true }), 64)
    .option("--learning-rate <r>", "of Adam", numberOption("--learning-rate", { min: 1e-7, max: 1 }), 1e-3)
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

async function trainModel(options: Options): Promise<void> {
  const say = (line: string) => process.stderr.write(`${line}\n`);
  const images = await readImages(options.images);
  if (images.side < 8 || !Number.isInteger(Math.log2(images.side))) {
    throw new ConfigurationError(`--images: expected a side of 8, 16, 32, 64…, found ${images.side} pixels`);
  }
  const factors = await readFactors(options.images);
  const architecture = defaultArchitecture(images.side, options.latents);
  const from = options.from === undefined ? undefined : await readModelFolder(bundledModel(options.from));
  if (from !== undefined && JSON.stringify(from.card.architecture) !== JSON.stringify(architecture)) {
    throw new ConfigurationError(
      `--from ${options.from}: expected ${architecture.latents} latents and ${images.side} pixels, found ` +
        `${from.card.architecture.latents} and ${from.card.architecture.side}, or another kind of network`,
    );
  }
  const { name: backend, version } = await bestBackend(options.backend);
  const { training, held } = splitImages(images.count, validation, options.seed);
  const dead = from?.card.latents.each.flatMap(({ klNats }, i) => (klNats < activeNats ? [i] : [])) ?? [];
  const initial =
    from && options.revive ? await revived(architecture, from.weights, dead, images, training) : from?.weights;
  say(`${images.count - held.length} images to train on, ${held.length} held out; backend ${backend} ${version}`);

  let interrupted = false;
  process.once("SIGINT", () => {
    interrupted = true;
    say("stopping: saving the model first (Ctrl-C again to give up)");
  });
  const progress = createProgress("train", options.steps, 30_000);
  const started = performance.now();
  let saved = started;
  let last: TrainingReport | undefined;
  const save = async (weights: Weights, chosen: Uint32Array) => {
    const evaluation = await evaluate(architecture, weights, images, chosen);
    const minutes = (performance.now() - started) / 60_000;
    const made = {
      command: commandLine(options),
      backend: `${backend} ${version}`,
      steps: last?.step ?? 0,
      minutes: Math.round(minutes * 10) / 10,
      seed: options.seed,
      ...(from && { from: from.card.made }),
      data: { count: images.count, heldOut: held.length, recipe: images.manifest ?? null },
    };
    await saveModel(options.out, architecture, weights, evaluation, made, chosen, factors);
    await useBackend(backend);
    return evaluation;
  };

  const weights = await train(images, { ...options, architecture, validation, initial }, async (report, current) => {
    last = report;
    progress.update(report.step, note(report, options.batch, started));
    if (performance.now() - saved > options.saveEvery * 60_000) {
      await save(await current(), held.subarray(0, checkpointImages));
      saved = performance.now();
    }
    return interrupted ? "stop" : "go on";
  });
  progress.stop();
  const evaluation = await save(weights, held);
  process.removeAllListeners("SIGINT");
  const active = evaluation.latents.filter(({ klNats }) => klNats > activeNats).length;
  say(
    `${options.out}: ${last?.step} steps, ${active} of ${options.latents} latents active (KL > ${activeNats}), ` +
      `PSNR ${evaluation.psnrDb.toFixed(1)} dB on held-out images`,
  );
}

/** Saves with latents in the order of their KL, named after the factor that each follows best, if factors are known. */
async function saveModel(
  folder: string,
  architecture: Architecture,
  weights: Weights,
  evaluation: Evaluation,
  made: Record<string, unknown>,
  chosen: Uint32Array,
  factors: Map<string, Float64Array> | undefined,
): Promise<void> {
  const order = evaluation.latents
    .map((_, i) => i)
    .sort((i, j) => evaluation.latents[j].klNats - evaluation.latents[i].klNats);
  const table: Record<string, number[]> = {};
  for (const [name, values] of factors ?? []) {
    const own = Float64Array.from(chosen, (i) => values[i]);
    table[name] = order.map((latent) => {
      const rho = spearman(
        own,
        Float64Array.from(evaluation.means, (mean) => mean[latent]),
      );
      return Number.isNaN(rho) ? 0 : rounded(Math.abs(rho), 3);
    });
  }
  const name = (position: number) => {
    const [best] = Object.entries(table).reduce<[string, number]>(
      (top, [factor, row]) => (row[position] > top[1] ? [factor, row[position]] : top),
      ["", 0.4],
    );
    // What an unused latent correlates with is noise.
    return best === "" || evaluation.latents[order[position]].klNats < activeNats
      ? `z${position + 1}`
      : `z${position + 1} ${best.replace(/_rad$/, "")}`;
  };
  const sorted = reordered(architecture, weights, order);
  const card: Omit<ModelCard, "weights"> = {
    format: "latentloop-model/1",
    name: basename(resolve(folder)),
    latents: {
      count: order.length,
      each: order.map((latent, position) => {
        const { klNats, mean, sd, low, high } = evaluation.latents[latent];
        return {
          name: name(position),
          klNats: rounded(klNats, 4),
          mean: rounded(mean, 4),
          sd: rounded(sd, 4),
          low: rounded(low, 4),
          high: rounded(high, 4),
        };
      }),
    },
    image: { width: architecture.side, height: architecture.side, channels: 3, pixelRange: [0, 1] },
    architecture,
    probe: { latents: [], blocks: 0, values: [] },
    made: {
      ...made,
      measures: {
        heldOutImages: chosen.length,
        psnrDb: rounded(evaluation.psnrDb, 2),
        active: evaluation.latents.filter(({ klNats }) => klNats > activeNats).length,
        absoluteSpearman: table,
      },
    },
  };
  await useBackend("cpu");
  const probe = await measureProbe({ folder, card: card as ModelCard, weights: sorted });
  await writeModelFolder(folder, { ...card, probe }, sorted);
  await readModelFolder(folder);
}

const rounded = (value: number, digits: number) => Math.round(value * 10 ** digits) / 10 ** digits;

function note({ step, beta, nll, kl }: TrainingReport, batch: number, started: number): string {
  const rate = (step * batch) / ((performance.now() - started) / 1000);
  const nats = [...kl].sort((a, b) => b - a).map((value) => value.toFixed(1));
  return `β ${beta.toFixed(2)} nll ${nll.toFixed(1)} KL ${nats.join(" ")} ${rate.toFixed(0)} images/s`;
}

/** What to type to get the same model again; paths are the user's business and left out. */
function commandLine(o: Options): string {
  return [
    `latentloop train --images <faces> --out <model>${o.from === undefined ? "" : ` --from <model>${o.revive ? " --revive" : ""}`}`,
    `--latents ${o.latents} --beta ${o.beta} --beta-from ${o.betaFrom} --steps ${o.steps} --batch ${o.batch}`,
    `--learning-rate ${o.learningRate} --seed ${o.seed}`,
  ].join(" ");
}
