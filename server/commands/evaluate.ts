import { Command } from "commander";
import { ConfigurationError } from "../failure.ts";
import { type BackendName, backendName, backendNames } from "../model/backend-name.ts";
import { chooseBackend } from "../model/backends.ts";
import { activeNats, countActive } from "../model/measures/active.ts";
import { type Measures, measures } from "../model/measures/measures.ts";
import { disentanglementRanking } from "../model/measures/udr.ts";
import { bundledModel, type ModelFolder, readModelFolder } from "../model/model-folder.ts";
import { codesOf, type Evaluation, evaluate } from "../model/training/evaluation.ts";
import { readFactors } from "../model/training/factors.ts";
import { type ImageSet, readImages } from "../model/training/images.ts";

interface Options {
  faces: string;
  against?: string[];
  json?: boolean;
  backend?: BackendName;
}

interface Report extends Partial<Measures> {
  model: string;
  images: number;
  trainedOnThem: boolean;
  psnrDb: number;
  /** Latents with KL > 0.1 nat on these images. */
  active: number;
  klNats: number[];
  udr: { score: number; against: { model: string; score: number }[] } | null;
}

/** `latentloop evaluate`: how good and how disentangled a model's code is, on images it has not seen. */
export function evaluateCommand(): Command {
  return new Command("evaluate")
    .description(
      "Measure a model on a folder of images: PSNR, active latents; MIG, DCI and a table if factors are known",
    )
    .argument("<model>", "name of a model that ships, or a model folder")
    .requiredOption("--faces <folder>", "what `faces` wrote (with another seed than the model's), or other images")
    .option("--against <models...>", "the same training with other seeds: adds UDR, which needs no factors")
    .option("--json", "print one JSON object on stdout")
    .option("--backend <name>", `one of ${backendNames.join(", ")} (default: the first that works)`, backendName)
    .action(evaluateModel);
}

async function evaluateModel(name: string, options: Options): Promise<void> {
  const model = await readModelFolder(bundledModel(name));
  const others = await Promise.all((options.against ?? []).map((other) => readModelFolder(bundledModel(other))));
  const { channels } = model.card.architecture;
  const images = await readImages(options.faces, { gray: channels === 1 });
  for (const { folder, card } of [model, ...others]) {
    if (card.architecture.channels !== channels)
      throw new ConfigurationError(
        `--against ${folder}: expected a model of ${channels} channels as ${model.folder} is, found ${card.architecture.channels}`,
      );
    if (card.architecture.side !== images.side) {
      throw new ConfigurationError(
        `--faces ${options.faces}: expected images of ${card.architecture.side} pixels for ${folder}, found ${images.side}`,
      );
    }
  }
  if (images.count < 50) {
    throw new ConfigurationError(
      `--faces ${options.faces}: expected at least 50 images to measure on, found ${images.count}`,
    );
  }
  const factors = await readFactors(options.faces);
  await chooseBackend({ model, forced: options.backend });
  const evaluations: Evaluation[] = [];
  const all = Uint32Array.from({ length: images.count }, (_, i) => i);
  for (const each of [model, ...others]) {
    evaluations.push(await evaluate(each.card.architecture, each.weights, images, all));
  }
  const [evaluation] = evaluations;
  const codes = evaluations.map(codesOf);
  const scores = others.length > 0 ? disentanglementRanking(codes) : [];
  const report: Report = {
    model: model.folder,
    images: images.count,
    trainedOnThem: sameSet(model, images),
    psnrDb: evaluation.psnrDb,
    active: countActive(evaluation.latents),
    klNats: evaluation.latents.map(({ klNats }) => klNats),
    udr:
      others.length > 0
        ? { score: scores[0], against: others.map(({ folder }, i) => ({ model: folder, score: scores[i + 1] })) }
        : null,
    ...(factors !== undefined && measures(factors, codes[0].latents)),
  };
  if (options.json) process.stdout.write(`${JSON.stringify(report)}\n`);
  else process.stdout.write(`${text(report, model)}\n`);
}

/** Whether the card says that the model was trained on heads of this seed. */
function sameSet({ card }: ModelFolder, { manifest }: ImageSet): boolean {
  const seedOf = (recipe: unknown) => (recipe as { seed?: unknown } | null | undefined)?.seed;
  const data = (card.made as { data?: { recipe?: unknown } }).data;
  return seedOf(manifest) !== undefined && seedOf(data?.recipe) === seedOf(manifest);
}

function text(r: Report, { card }: ModelFolder): string {
  const lines = [
    `${r.model} on ${r.images} images`,
    ...(r.trainedOnThem ? ["! the model was trained on heads of this seed: render some with another one"] : []),
    `PSNR ${r.psnrDb.toFixed(1)} dB, ${r.active} of ${card.latents.count} latents active (KL > ${activeNats} nat)`,
  ];
  if (r.udr !== null) {
    lines.push(
      `UDR ${r.udr.score.toFixed(3)}`,
      ...r.udr.against.map(({ model, score }) => `  ${score.toFixed(3)} ${model}`),
    );
  }
  if (r.factors !== undefined && r.dci !== undefined && r.mig !== undefined) {
    const { disentanglement, completeness, informativeness, regressor } = r.dci;
    lines.push(
      `MIG ${r.mig.toFixed(3)}`,
      `DCI ${[disentanglement, completeness, informativeness].map((v) => v.toFixed(3)).join(" / ")} (${regressor})`,
      `${r.ownLatents} of ${r.factors.length} factors have a latent of their own (|ρ| ≥ 0.8, no other factor above 0.4 on it)`,
      "",
      `${"factor".padEnd(18)} latent  |ρ|   its rival on that latent       gap   R²`,
      ...r.factors.map((f) => {
        const rival = `${f.rival.rho.toFixed(2)} ${f.rival.name}`.padEnd(28);
        const latent = `z${f.latent + 1}`.padEnd(6);
        return `${f.name.padEnd(18)} ${latent} ${f.rho.toFixed(2)}${f.hasOwnLatent ? " *" : "  "} ${rival} ${f.mig.toFixed(2).padStart(6)} ${f.r2.toFixed(2).padStart(6)}`;
      }),
    );
  }
  return lines.join("\n");
}
