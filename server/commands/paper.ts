import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Command } from "commander";
import { paperFigure, paperTable } from "../../sim/paper/figure.ts";
import {
  type Code,
  existingCode,
  type Faces,
  type Recipe,
  splitFaces,
  trained,
  trainedCode,
} from "../../sim/paper/models.ts";
import { judge, type ModelFigures, summarisePaper } from "../../sim/paper/paper.ts";
import { principalScores } from "../../sim/paper/principal.ts";
import { ConfigurationError } from "../failure.ts";
import { type BackendName, backendName, backendNames } from "../model/backend-name.ts";
import { bundledModel } from "../model/model-folder.ts";
import { readFactors } from "../model/training/factors.ts";
import { readImages } from "../model/training/images.ts";
import { bestBackend } from "../model/training/start.ts";
import { numberOption } from "./options.ts";
import { createProgress } from "./progress.ts";

interface Options extends Recipe {
  faces: string;
  out: string;
  seeds: number;
  size: number;
  train: number;
  heldOut: number;
  cells: number;
  rotations: number;
  distance: number;
  model: string[];
  backend?: BackendName;
  quick: boolean;
  json: boolean;
}

/** What `--quick` changes: enough to see that all works, not to conclude from. */
const quickly = { seeds: 2, train: 1500, heldOut: 600, steps: 250, batch: 32, rotations: 4 };

const names = { "beta-vae": "β-VAE", vae: "VAE (β = 1)", ae: "AE" } as const;

/** `latentloop paper`: the alignment of cells with latents, and reading faces back, on a simulated face patch. */
export function paperCommand(): Command {
  const whole = (option: string, min: number) => numberOption(option, { min, whole: true });
  return new Command("paper")
    .description(
      "The question of Higgins et al. (2021) on simulated cells: do single cells follow single latents of a β-VAE more than those of a VAE, an AE or PCA, and how many cells does it take to read a face back?",
    )
    .requiredOption("--faces <folder>", "what `faces` wrote: images with known factors")
    .option("--out <folder>", "trained models (taken up again if there), table, figure and figures.json", "paper")
    .option("--seeds <n>", "of weights, batches and cells", whole("--seeds", 1), 3)
    .option("--size <pixels>", "images are halved to this size", whole("--size", 16), 32)
    .option("--train <n>", "faces to train on", whole("--train", 50), 8000)
    .option("--held-out <n>", "faces that the cells see", whole("--held-out", 50), 1500)
    .option("--latents <n>", "of each model", whole("--latents", 2), 12)
    .option("--steps <n>", "batches to train on", whole("--steps", 1), 4000)
    .option("--batch <n>", "images a batch", whole("--batch", 1), 64)
    .option("--learning-rate <r>", "of Adam", numberOption("--learning-rate", { min: 1e-7, max: 1 }), 1e-3)
    .option(
      "--beta <β>",
      "of the β-VAE in the end, as for 64 × 64; scaled with the number of pixels",
      numberOption("--beta", { min: 0.001, max: 1e4 }),
      4,
    )
    .option("--beta-from <β>", "and in the beginning", numberOption("--beta-from", { min: 0.001, max: 1e4 }), 60)
    .option("--cells <n>", "of each simulated patch", whole("--cells", 2), 120)
    .option("--rotations <n>", "of the latents, to compare with", whole("--rotations", 1), 10)
    .option(
      "--distance <d>",
      "cosine distance at which a face counts as read back",
      numberOption("--distance", { min: 0, max: 1 }),
      0.4,
    )
    .option(
      "--model <name...>",
      "models to judge beside the trained ones, as faces-64: one that ships, or a folder",
      [],
    )
    .option("--backend <name>", `one of ${backendNames.join(", ")} (default: the first that works)`, backendName)
    .option(
      "--quick",
      `a rehearsal in a few minutes: ${Object.entries(quickly)
        .map(([key, value]) => `${key} ${value}`)
        .join(", ")}`,
      false,
    )
    .option("--json", "print one JSON object on stdout", false)
    .action(async (given: Options) => runPaper(given.quick ? { ...given, ...quickly } : given));
}

async function runPaper(options: Options): Promise<void> {
  const say = (line: string) => process.stderr.write(`${line}\n`);
  const images = await readImages(options.faces);
  const factors = await readFactors(options.faces);
  if (!factors) throw new ConfigurationError(`--faces ${options.faces}: expected factors.csv, found none`);
  const halvings = Math.log2(images.side / options.size);
  if (halvings < 0 || !Number.isInteger(halvings))
    throw new ConfigurationError(
      `--size: expected ${images.side} or a half of it as often as wanted, got ${options.size}`,
    );
  if (options.train + options.heldOut > images.count)
    throw new ConfigurationError(
      `--faces ${options.faces}: expected at least ${options.train} + ${options.heldOut} images (--train, --held-out), found ${images.count}`,
    );
  const faces = splitFaces(images, options.train, options.heldOut, options.size);
  const held = [...factors.values()].map((values) => values.slice(images.count - options.heldOut));
  const backend = await bestBackend(options.backend);
  await mkdir(options.out, { recursive: true });
  say(
    `${options.train} faces to train on, ${options.heldOut} for the cells, ${options.size}²; backend ${backend.name} ${backend.version}`,
  );
  const components = await principalScores(faces.training, faces.held, options.latents);

  const existing = [];
  for (const name of options.model)
    existing.push(await existingCode(bundledModel(name), images, options.heldOut, backend.name));

  const seeds: ModelFigures[][] = [];
  for (let seed = 1; seed <= options.seeds; seed++) {
    const codes = await codesOf(options, faces, seed, backend.name);
    const active = codes.get(names["beta-vae"])!.length;
    for (const { name, code } of existing) codes.set(name, code);
    codes.set(`PCA ${options.latents}`, components);
    codes.set("PCA, as many as the β-VAE", components.slice(0, active));
    codes.set("true factors", held);
    seeds.push(judge(codes, held, components, options, seed));
    say(`seed ${seed} of ${options.seeds} judged; the β-VAE uses ${active} of ${options.latents} latents`);
  }
  const rows = summarisePaper(seeds);
  const table = paperTable(rows, options);
  await writeFile(join(options.out, "figures.json"), `${JSON.stringify({ options, rows, seeds }, null, 1)}\n`);
  await writeFile(join(options.out, "table.md"), table);
  await writeFile(join(options.out, "figure.svg"), paperFigure(rows, options));
  say(`\n${table}\n${options.out}: table.md, figure.svg, figures.json and the models`);
  if (options.json) process.stdout.write(`${JSON.stringify(rows)}\n`);
}

async function codesOf(options: Options, faces: Faces, seed: number, backend: BackendName): Promise<Map<string, Code>> {
  const codes = new Map<string, Code>();
  for (const name of trained) {
    const progress = createProgress(`${names[name]}, seed ${seed}`, options.steps, 30_000);
    const folder = join(options.out, "models", `${name}-${seed}`);
    const { latents, steps, batch, learningRate, beta, betaFrom } = options;
    const recipe = { latents, steps, batch, learningRate, beta, betaFrom };
    const code = await trainedCode(name, faces, recipe, seed, backend, folder, ({ step, nll, kl }) =>
      progress.update(step, `nll ${nll.toFixed(1)}, KL ${kl.reduce((sum, nats) => sum + nats, 0).toFixed(1)}`),
    );
    progress.stop();
    if (code.length < 2)
      throw new ConfigurationError(
        `${names[name]}, seed ${seed}: expected at least 2 latents in use, found ${code.length}; try a lower --beta or more --steps`,
      );
    codes.set(names[name], code);
  }
  return codes;
}
