import { Command } from "commander";
import { type BackendName, backendName, backendNames } from "../model/backend-name.ts";
import { openModel } from "../model/backends.ts";
import { bundledModel, readModel } from "../model/model-folder.ts";
import { traversalPositions, traversals, writeSheet } from "../model/sheet.ts";
import { numberOption } from "./options.ts";

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
      const rows = await traversals((codes) => decoder.decode(codes), latents.count, image.width * image.height);
      decoder.dispose();
      const labels = latents.each.map(({ name, klNats }) =>
        klNats === undefined ? name : `${name} (${klNats.toFixed(1)} nats)`,
      );
      await writeSheet(options.out, rows, image, options.zoom, labels);
      const [first, last] = [traversalPositions[0], traversalPositions.at(-1)];
      process.stderr.write(`${options.out}: ${latents.count} latents, ${first} to ${last}\n`);
    });
}
