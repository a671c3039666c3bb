import { readdir, readFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { parseExperiment } from "../../protocols/experiment.ts";
import type { ListedExperiment } from "../../protocols/wire/sessions.ts";
import { packageRoot } from "../package-root.ts";

export const shippedFolder = join(packageRoot, "protocols", "experiments");

/** An experiment file that pages may have run, with where it lies. */
export type FoundExperiment = ListedExperiment & { path: string };

/** Experiment files of the folders, by name; a folder that is not there has none. Links are not followed. */
export async function listExperiments(own: string): Promise<FoundExperiment[]> {
  const isOwn = resolve(own) !== shippedFolder;
  return [...(await experimentsIn(shippedFolder, true)), ...(isOwn ? await experimentsIn(resolve(own), false) : [])];
}

async function experimentsIn(folder: string, ships: boolean): Promise<FoundExperiment[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const files = entries.filter((entry) => entry.isFile() && /\.ya?ml$/.test(entry.name)).map(({ name }) => name);
  return Promise.all(
    files.sort().map(async (file): Promise<FoundExperiment> => {
      const path = join(folder, file);
      const parsed = parseExperiment(await readFile(path, "utf8").catch(() => ""));
      const common = { id: ships ? file : `${basename(folder)}/${file}`, ships, path };
      if (!parsed.ok) return { ...common, name: file, description: "", trials: 0, seed: 0, wrong: parsed.errors };
      const { name, description, trials, seed, simulation } = parsed.experiment;
      const wrong = simulation ? null : "simulation: expected the simulated units' kinds, found nothing";
      return { ...common, name, description, trials, seed, wrong };
    }),
  );
}
