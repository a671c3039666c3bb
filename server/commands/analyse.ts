import { writeFile } from "node:fs/promises";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { Command } from "commander";
import Papa from "papaparse";
import { parse } from "yaml";
import { ConfigurationError } from "../failure.ts";
import { openModel } from "../model/backends.ts";
import { bundledModel, readModel } from "../model/model-folder.ts";
import { readPicture } from "../model/picture.ts";
import { countResponses, learnOffline, type OfflineTrial, offlineExperiment, standardise } from "../offline/offline.ts";
import { type RecordingOptions, readRecording } from "../recordings/read-recording.ts";
import { type Cell, type Presentations, usedPresentations } from "../recordings/recording.ts";
import { readText } from "../session/experiment-file.ts";
import { describeAnalysis, SUMMARY_FILE, summarise } from "../session/summary.ts";
import { waitingView } from "../session/view.ts";
import { expectOwnFolder, makeFolder } from "./folders.ts";
import { numberOption } from "./options.ts";
import { createProgress } from "./progress.ts";

interface Options extends RecordingOptions {
  latents?: string[];
  images?: string;
  model: string;
  latency: number;
  window: number;
  standardise: boolean;
  experiment?: string;
  out: string;
  json: boolean;
}

/** Images encoded in one go. */
const BATCH = 32;

/** `latentloop analyse`: a recording that was made elsewhere, as if it had been online. */
export function analyseCommand(): Command {
  const ms = (name: string, min: number) => numberOption(name, { min, max: 60_000 });
  return new Command("analyse")
    .summary("Learn tuning from a recording that was made elsewhere")
    .description(
      "Learn each unit's tuning from a recording that was made elsewhere, trial by trial, as if it had been online: NWB files, folders of\n" +
        "Kilosort or Phy, Open Ephys recordings, or CSV files of spike times, with what was shown when. Latents come from the table of\n" +
        "presentations, or from the images shown, by a model's encoder.",
    )
    .argument("<recording>", "NWB file, folder, or CSV file with the columns unit and time_s")
    .option(
      "--presentations <file.csv>",
      "what was shown when: a column onset_s, and latents or images; left out: the recording's own table",
    )
    .option("--intervals <name>", "NWB: the table of presentations; left out: trials, or the only one")
    .option("--stream <name>", "Open Ephys: the stream; left out: the first with spikes")
    .option("--latents <column...>", "columns of the table; left out: latents, or z1, z2 …")
    .option(
      "--images <column>",
      "column with the image that was shown, relative to the table's file; encoded by --model",
    )
    .option("--model <name>", "a model that ships, or a folder with an encoder", "faces-64")
    .option("--latency <ms>", "from onset to the response window", ms("--latency", 0), 80)
    .option("--window <ms>", "length of the response window", ms("--window", 1), 200)
    .option("--standardise", "give each latent a mean of 0 and a standard deviation of 1 over the presentations", false)
    .option("--experiment <file>", "take the tuning section of an experiment file")
    .option(
      "--out <folder>",
      "summary.json, estimates.json and counts.csv; not one that holds something else",
      "analysis",
    )
    .option("--json", "print the summary as one JSON object, on stdout", false)
    .action(async (path: string, options: Options) => {
      const of = resolve(path);
      const expected = `an analysis of ${of}`;
      await expectOwnFolder(options.out, { file: SUMMARY_FILE, field: "recording", own: of, expected });
      await makeFolder("--out", options.out);
      const recording = await readRecording(path, options);
      if (!recording.presentations)
        throw new ConfigurationError(`${path}: expected a table of presentations, found none: give --presentations`);
      const presentations = usedPresentations(recording.presentations);
      const unused = recording.presentations.onsetS.length - presentations.onsetS.length;
      if (presentations.onsetS.length === 0)
        throw new ConfigurationError(`${path}: expected presentations that are used, found ${unused} that are not`);
      if (unused > 0) process.stderr.write(`${unused} presentations are left out: their column used says so\n`);
      const response = { latencyMs: options.latency, windowMs: options.window };
      const { latents, names } = await latentsOf(presentations, options, dirname(options.presentations ?? path));
      const scaled = options.standardise ? standardise(latents) : latents;
      const counts = countResponses(recording, presentations.onsetS, response);
      const trials = scaled.map(
        (z, i): OfflineTrial => ({ onsetS: presentations.onsetS[i], latents: z, counts: counts[i] }),
      );
      const units = recording.units.map(({ name }) => name);
      const experiment = offlineExperiment(trials, response, options.model, await tuningOf(options.experiment));
      const progress = createProgress("learning", trials.length, 10_000);
      const findings = await learnOffline(experiment, units, trials, (trial) => progress.update(trial, ""));
      progress.stop();

      const spikesInWindows = units.map((_, u) => counts.reduce((sum, own) => sum + own[u], 0));
      const summary = summarise({
        experiment,
        view: {
          ...waitingView(trials.length),
          trials: { closed: trials.length, usable: trials.length, planned: trials.length },
          spikesInWindows,
        },
        counts: {
          spikes: recording.units.reduce((sum, { spikeTimesS }) => sum + spikeTimesS.length, 0),
          lostMessages: 0,
          rejected: {},
        },
        findings,
        score: null,
        lastSpikeToReadyMs: [],
        latencyMs: {},
        backend: options.images === undefined ? "none" : `encoder of ${options.model}`,
        sessionDir: options.out,
      });
      const written = { recording: of, ...summary };
      await writeFile(join(options.out, SUMMARY_FILE), `${JSON.stringify(written, null, 2)}\n`);
      await writeFile(join(options.out, "estimates.json"), `${JSON.stringify(findings)}\n`);
      const rows = trials.map(({ onsetS, latents: z, counts: own }) => ({
        onset_s: onsetS,
        ...Object.fromEntries(names.map((name, d) => [name, z[d]])),
        ...Object.fromEntries(units.map((name, u) => [`count ${name}`, own[u]])),
      }));
      await writeFile(join(options.out, "counts.csv"), `${Papa.unparse(rows, { newline: "\n" })}\n`);
      for (const line of recording.leftOut) process.stderr.write(`left out: ${line}\n`);
      process.stderr.write(`${describeAnalysis(summary, names)}analysis: ${options.out}\n\n`);
      if (options.json) process.stdout.write(`${JSON.stringify(written)}\n`);
    });
}

async function latentsOf(
  { columns, onsetS }: Presentations,
  { latents: wanted, images, model }: Options,
  folder: string,
): Promise<{ latents: Float64Array[]; names: string[] }> {
  if (images !== undefined) return encoded(columnOf(columns, images).map(String), model, folder);
  if (wanted === undefined && columns.latents) {
    const latents = columns.latents.map((cell) => Float64Array.from(cell as number[]));
    return { latents, names: Array.from(latents[0], (_, d) => `z${d + 1}`) };
  }
  const names = wanted ?? Object.keys(columns).filter((name) => /^z\d+( |$)/.test(name));
  if (names.length === 0)
    throw new ConfigurationError(
      `presentations: expected columns z1, z2 … or latents, found ${Object.keys(columns).join(", ")}: name them with --latents, or the images with --images`,
    );
  const cells = names.map((name) => columnOf(columns, name));
  return {
    names,
    latents: Array.from(onsetS, (_, i) =>
      Float64Array.from(cells, (column, d) => {
        const value = Number(column[i]);
        if (column[i] === null || !Number.isFinite(value))
          throw new ConfigurationError(
            `presentations: ${names[d]}: expected a number in row ${i + 1}, found ${column[i]}`,
          );
        return value;
      }),
    ),
  };
}

function columnOf(columns: Record<string, Cell[]>, name: string): Cell[] {
  const column = columns[name];
  if (!column)
    throw new ConfigurationError(`presentations: expected a column ${name}, found ${Object.keys(columns).join(", ")}`);
  return column;
}

/** Each image once through the model's encoder, in units of its prior. */
async function encoded(files: readonly string[], name: string, folder: string) {
  const model = await readModel(bundledModel(name));
  const { decoder } = await openModel(model);
  if (!decoder.encode) throw new ConfigurationError(`model ${model.card.name}: expected an encoder, found none`);
  const { image, latents } = model.card;
  const distinct = [...new Set(files)];
  const means = new Map<string, Float64Array>();
  for (let first = 0; first < distinct.length; first += BATCH) {
    const some = distinct.slice(first, first + BATCH);
    const pictures = await Promise.all(
      some.map((file) => readPicture(isAbsolute(file) ? file : join(folder, file), image, image.channels === 1)),
    );
    const { mean } = await decoder.encode(Uint8Array.from(pictures.flatMap((picture) => [...picture])));
    some.forEach((file, i) => {
      means.set(file, Float64Array.from(mean.subarray(i * latents.count, (i + 1) * latents.count)));
    });
  }
  decoder.dispose();
  return { latents: files.map((file) => means.get(file)!), names: latents.each.map((latent) => latent.name) };
}

/** The tuning section of an experiment file, as it stands there. */
async function tuningOf(path: string | undefined): Promise<unknown> {
  if (path === undefined) return undefined;
  try {
    return (parse(await readText(path, "experiment file")) as { tuning?: unknown }).tuning;
  } catch (error) {
    if (error instanceof ConfigurationError) throw error;
    throw new ConfigurationError(`experiment file ${path}: not YAML: ${(error as Error).message.split("\n")[0]}`);
  }
}
