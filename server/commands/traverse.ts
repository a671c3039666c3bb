import { Command } from "commander";
import { type BackendName, backendName, backendNames, openModel } from "../model/backends.ts";
import { bundledModel, readModel } from "../model/model-folder.ts";
import { withoutAlpha, writeSheet } from "../model/sheet.ts";
import { numberOption } from "./options.ts";

/** Columns of a sheet, in standard deviations of the prior. */
const positions = [-3, -2, -1, 0, 1, 2, 3];

/** `latentloop traverse`: what each latent of a model does, as a picture. */
export function traverseCommand(): Command {
  return new Command("traverse")
    .description("Draw a sheet of faces: a row for each latent, from −3 to 3, the others at 0")
    .argument("<model>", "name of a model that ships, or a model folder")
    .requiredOption("--out <file.png>", "the sheet")
    .option("--zoom <n>", "enlargement", numberOption("--zoom", { min: 1, max: 8, whole: true }), 2)
    .option("--backend <name>", `one of ${backendNames.join(", ")} (default: the first that works)`, backendName)
    .action(async (name: string, options: { out: string; zoom: number; backend?: BackendName }) => {
      const model = await readModel(bundledModel(name));
      const { decoder } = await openModel(model, options.backend);
      const { latents, image } = model.card;
      const codes = new Float32Array(latents.count * positions.length * latents.count);
      for (let latent = 0; latent < latents.count; latent++) {
        for (const [column, value] of positions.entries()) {
          codes[(latent * positions.length + column) * latents.count + latent] = value;
        }
      }
      const faces = await decoder.decode(codes);
      decoder.dispose();
      const size = image.width * image.height * 4;
      const face = (i: number) => withoutAlpha(faces.subarray(i * size, (i + 1) * size));
      const rows = latents.each.map((_, latent) =>
        positions.map((_, column) => face(latent * positions.length + column)),
      );
      const labels = latents.each.map(({ name, klNats }) =>
        klNats === undefined ? name : `${name} (${klNats.toFixed(1)} nats)`,
      );
      await writeSheet(options.out, rows, image, options.zoom, labels);
      process.stderr.write(`${options.out}: ${latents.count} latents, ${positions[0]} to ${positions.at(-1)}\n`);
    });
}
