import { readFile } from "node:fs/promises";
import { type Experiment, parseExperiment } from "../../protocols/experiment.ts";
import { ConfigurationError } from "../failure.ts";
import { withFittedUnits } from "./fitted-units.ts";

const reasons: Record<string, string> = {
  ENOENT: "there is no such file",
  EISDIR: "it is a folder",
  EACCES: "it may not be read",
};

/** What the command line may change in an experiment file. */
export interface Overrides {
  trials?: number;
  seed?: number;
  objective?: Experiment["choice"]["objective"];
}

/** Reads a file that the user named. Throws ConfigurationError saying what was expected. */
export const readText = (path: string, what: string): Promise<string> =>
  readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new ConfigurationError(
      `${what} ${path}: expected a readable YAML file, ${reasons[error.code ?? ""] ?? error.message}`,
    );
  });

/** Reads an experiment file. Throws ConfigurationError naming each wrong field, what was expected and what was found. */
export async function readExperiment(path: string, overrides: Overrides = {}): Promise<Experiment> {
  const text = await readText(path, "experiment file");
  const parsed = parseExperiment(text);
  if (!parsed.ok) throw new ConfigurationError(`experiment file ${path}: ${parsed.errors}`);
  const { experiment } = parsed;
  const { simulation } = experiment;
  return {
    ...experiment,
    ...(simulation && { simulation: await withFittedUnits(simulation, path) }),
    trials: overrides.trials ?? experiment.trials,
    seed: overrides.seed ?? experiment.seed,
    choice: { ...experiment.choice, objective: overrides.objective ?? experiment.choice.objective },
  };
}
