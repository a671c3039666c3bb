import { readFile, stat, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { Command } from "commander";
import type { Findings } from "../choice/decider.ts";
import { gatherSession, type SessionTables } from "../exports/gather.ts";
import { type FacePictures, writeNwb } from "../exports/nwb.ts";
import { asJson, writeCsv, writeParquet } from "../exports/tables.ts";
import { ConfigurationError } from "../failure.ts";
import { openModel } from "../model/backends.ts";
import { type FaceModel, readModel } from "../model/model-folder.ts";
import { sessionFolder } from "../session/journal-reader.ts";
import { makeFolder } from "./folders.ts";

interface ExportOptions {
  nwb?: string;
  csv?: string;
  parquet?: string;
  json?: string;
  images: boolean;
}

/** Faces decoded in one go. */
const BATCH = 32;

/** `latentloop export`: a session as files that others open. */
export function exportCommand(): Command {
  return new Command("export")
    .summary("Write a session as NWB, CSV, Parquet or JSON")
    .description(
      "Write a session as files that others open, from its journal: also one that broke, as far as it came.\n" +
        "All times are seconds of one clock: the recording system's, as it ran when the session began.",
    )
    .argument("<session>", "a session's folder")
    .option("--nwb <file>", "NWB 2: units, presentations, faces, estimates, the experiment")
    .option("--csv <folder>", "trials.csv, counts.csv and spikes.csv")
    .option("--parquet <folder>", "the same tables with types, as trials.parquet, counts.parquet and spikes.parquet")
    .option("--json <file>", "the same in one JSON object")
    .option("--no-images", "NWB without the faces' pixels")
    .action(async (path: string, options: ExportOptions) => {
      const { nwb, csv, parquet, json } = options;
      if ([nwb, csv, parquet, json].every((asked) => asked === undefined))
        throw new ConfigurationError("export: expected --nwb, --csv, --parquet or --json, found none of them");
      const folder = sessionFolder(path);
      for (const [option, file] of Object.entries({ nwb, json }))
        if (file !== undefined) await makeRoom(`--${option}`, file);
      for (const [option, own] of Object.entries({ csv, parquet }))
        if (own !== undefined) await makeFolder(`--${option}`, own);
      const tables = await gatherSession(folder);
      const model = tables.model === null ? null : await modelOf(tables.model);
      const names =
        model?.card.latents.each.map(({ name }) => name) ??
        Array.from({ length: tables.experiment.latents }, (_, d) => `z${d + 1}`);
      const written: string[] = [];
      if (csv !== undefined) written.push(...(await writeCsv(csv, tables, names)));
      if (parquet !== undefined) written.push(...(await writeParquet(parquet, tables, names)));
      if (json !== undefined) {
        await writeFile(json, `${JSON.stringify(asJson(tables, names))}\n`);
        written.push(json);
      }
      if (nwb !== undefined) {
        const pictures = options.images && model ? await picturesOf(model, tables) : null;
        await writeNwb(nwb, { tables, findings: await findingsOf(folder), pictures, latentNames: names });
        written.push(nwb);
        if (!tables.experiment.subject)
          process.stderr.write(
            "warning: the experiment file has no subject: archives as DANDI will not take the file without one\n",
          );
      }
      for (const line of tables.leftOut) process.stderr.write(`warning: ${line}\n`);
      for (const file of written) process.stdout.write(`${file}\n`);
    });
}

/** Makes the folder that a file goes into. @throws ConfigurationError where that can't be, or the file is a folder */
async function makeRoom(option: string, file: string): Promise<void> {
  if ((await stat(file).catch(() => null))?.isDirectory())
    throw new ConfigurationError(`${option}: expected a file to write, found the folder ${file}`);
  await makeFolder(option, dirname(resolve(file)));
}

/** Null, and a word, where the session's model is no longer there: all but the faces can be written. */
async function modelOf(folder: string): Promise<FaceModel | null> {
  try {
    return await readModel(folder);
  } catch (error) {
    process.stderr.write(`warning: no faces and no latents' names: ${(error as Error).message}\n`);
    return null;
  }
}

async function picturesOf(model: FaceModel, { faces }: SessionTables): Promise<FacePictures> {
  const { decoder } = await openModel(model);
  const { width, height } = model.card.image;
  const { count } = model.card.latents;
  const pixels = new Map<number, Uint8Array>();
  const all = [...faces];
  for (let first = 0; first < all.length; first += BATCH) {
    const some = all.slice(first, first + BATCH);
    const latents = new Float32Array(some.length * count);
    some.forEach(([, face], i) => {
      latents.set(face, i * count);
    });
    const rgba = await decoder.decode(latents);
    some.forEach(([face], i) => {
      const own = rgba.subarray(i * width * height * 4, (i + 1) * width * height * 4);
      pixels.set(
        face,
        own.filter((_, k) => k % 4 !== 3),
      );
    });
  }
  decoder.dispose();
  return { width, height, pixels };
}

async function findingsOf(folder: string): Promise<Findings | null> {
  const text = await readFile(join(folder, "estimates.json"), "utf8").catch(() => null);
  return text === null ? null : (JSON.parse(text) as Findings);
}
