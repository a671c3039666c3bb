import { basename } from "node:path";
import { Command } from "commander";
import { ConfigurationError } from "../failure.ts";
import { type BackendName, backendName, backendNames } from "../model/backend-name.ts";
import { openModel } from "../model/backends.ts";
import { bundledModel, readModel } from "../model/model-folder.ts";
import { readPicture } from "../model/picture.ts";
import { withoutAlpha, writeSheet } from "../model/sheet.ts";
import { numberOption } from "./options.ts";

interface Options {
  out: string;
  zoom: number;
  backend?: BackendName;
  json: boolean;
}

/** What a model makes of one image. */
interface Reconstruction {
  image: string;
  /** Mean of the posterior. */
  latents: number[];
  psnrDb: number;
}

/** `latentloop reconstruct`: images as a model sees them. */
export function reconstructCommand(): Command {
  return new Command("reconstruct")
    .description("Encode images and decode them again: a sheet of originals beside reconstructions, latents and PSNR")
    .argument("<model>", "name of a model that ships, or a model folder with an encoder")
    .argument("<image...>", "PNG or JPEG files; scaled and cropped to the model's size")
    .option("--out <file.png>", "the sheet", "reconstructions.png")
    .option("--zoom <n>", "enlargement", numberOption("--zoom", { min: 1, max: 8, whole: true }), 2)
    .option("--backend <name>", `one of ${backendNames.join(", ")} (default: the first that works)`, backendName)
    .option("--json", "print one JSON object on stdout", false)
    .action(async (name: string, files: string[], options: Options) => {
      const model = await readModel(bundledModel(name));
      const { decoder } = await openModel(model, options.backend);
      if (!decoder.encode)
        throw new ConfigurationError(
          `model ${model.card.name}: expected an encoder, found none (network.encoder of card.json)`,
        );
      const { image, latents } = model.card;
      const originals = await Promise.all(files.map((file) => readPicture(file, image, image.channels === 1)));
      const size = image.width * image.height * 4;
      const all = new Uint8Array(size * files.length);
      for (const [i, original] of originals.entries()) all.set(original, i * size);
      const { mean } = await decoder.encode(all);
      const faces = await decoder.decode(mean);
      decoder.dispose();

      const results = files.map((file, i): Reconstruction => {
        const face = faces.subarray(i * size, (i + 1) * size);
        return {
          image: file,
          latents: Array.from(mean.subarray(i * latents.count, (i + 1) * latents.count)),
          psnrDb: psnrDb(originals[i], face),
        };
      });
      const rows = files.map((_, i) => [
        withoutAlpha(originals[i]),
        withoutAlpha(faces.subarray(i * size, (i + 1) * size)),
      ]);
      const labels = results.map(({ image: file, psnrDb: db }) => `${basename(file)} (${db.toFixed(1)} dB)`);
      await writeSheet(options.out, rows, image, options.zoom, labels);
      for (const { image: file, latents: z, psnrDb: db } of results)
        process.stderr.write(`${file}: ${db.toFixed(1)} dB; ${z.map((value) => value.toFixed(2)).join(" ")}\n`);
      process.stderr.write(`${options.out}: originals left, reconstructions right\n`);
      if (options.json) process.stdout.write(`${JSON.stringify({ model: model.card.name, images: results })}\n`);
    });
}

/** 10 · log₁₀(255² / mean squared error over red, green and blue). */
function psnrDb(a: Uint8Array, b: Uint8Array): number {
  let squares = 0;
  for (let i = 0; i < a.length; i++) if (i % 4 < 3) squares += (a[i] - b[i]) ** 2;
  return 10 * Math.log10((255 ** 2 * a.length * 0.75) / Math.max(squares, 1));
}
