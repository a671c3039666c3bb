import { rename, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { dirname, join, resolve } from "node:path";
import { Command } from "commander";
import { parse } from "yaml";
import { parseStudy, type SessionStudy, type Study } from "../../protocols/study.ts";
import { ranBy, type StudyFigures, studyFigures } from "../../sim/study/analysis/figures.ts";
import type { Cell } from "../../sim/study/cell.ts";
import { openModels } from "../../sim/study/models.ts";
import { planSessions, planTrainings } from "../../sim/study/plan.ts";
import { onThisMachine } from "../../sim/study/pool.ts";
import { reportPage } from "../../sim/study/report/page.ts";
import { describeStudy } from "../../sim/study/report/words.ts";
import { type Engine, runCells } from "../../sim/study/run.ts";
import { openStore, RESULTS_FILE } from "../../sim/study/store.ts";
import { ConfigurationError } from "../failure.ts";
import { readText } from "../session/experiment-file.ts";
import { withFittedUnits } from "../session/fitted-units.ts";
import { expectOwnFolder } from "./folders.ts";
import { numberOption } from "./options.ts";
import { createProgress, type Progress } from "./progress.ts";

interface StudyOptions {
  out?: string;
  workers?: number;
  cluster?: string;
  seeds?: number;
  json: boolean;
}

/** `latentloop study`: many sessions in virtual time, to choose a design the evening before; or many trainings, to choose a model. */
export function studyCommand(): Command {
  return new Command("study")
    .summary("Compare designs on simulated units or recorded counts, or trainings of models")
    .description(
      "Compare designs the evening before: sessions in virtual time, by the loop that runs live, for every design, population,\n" +
        "face model and seed of a study file; or replays of recorded counts; or trainings of face models, for every setting and seed.\n" +
        "Gives a report to read (report.html) and all figures (study.json).",
    )
    .argument("<study>", "study file (YAML), as sim/study/designs.yaml")
    .option(
      "--out <folder>",
      "where results and report go; a study that was stopped goes on there (default studies/NAME)",
    )
    .option(
      "--workers <n>",
      "sessions or trainings at a time; the figures do not depend on it (default: one for each core)",
      numberOption("--workers", { min: 1, max: 256, whole: true }),
    )
    .option(
      "--cluster <address>",
      "run them on all machines that run `latentloop study-worker` for this Redis or Valkey server, as redis://host:6379",
    )
    .option(
      "--seeds <n>",
      "seeds, instead of the file's",
      numberOption("--seeds", { min: 1, max: 10_000, whole: true }),
    )
    .option("--json", "print one JSON object last, on stdout", false)
    .addHelpText(
      "after",
      `
Examples:
  $ npx latentloop study sim/study/designs.yaml
  $ npx latentloop study my-study.yaml --seeds 3
  $ npx latentloop study sim/study/training.yaml
  $ npx latentloop study my-study.yaml --cluster redis://lab-server:6379

Ctrl-C stops it; the same command goes on where it was.
Exit code: 0 done; 1 a session or training failed (the others are in the report); 2 something you gave is wrong; 130 stopped.`,
    )
    .action(async (file: string, options: StudyOptions) => {
      const study = await readStudy(file, options.seeds);
      const out = options.out ?? join("studies", study.name);
      await expectOwnFolder(out, {
        file: FIGURES_FILE,
        field: "study",
        own: study.name,
        expected: `one of the study ${study.name}`,
        passedOver: [RESULTS_FILE, `${FIGURES_FILE}.new`],
      });
      const cells = await plan(study, file);
      const engine = await chooseEngine(options, study.name);
      const store = await openStore(out);
      const stopping = new AbortController();
      const stop = () => stopping.abort();
      process.once("SIGINT", stop).once("SIGTERM", stop);
      let progress: Progress | null = null;
      let run: Awaited<ReturnType<typeof runCells>>;
      try {
        run = await runCells(cells, store, engine, {
          stopped: stopping.signal,
          begun(ahead) {
            progress = createProgress(`study ${study.name}`, ahead);
            return progress.update;
          },
        });
      } finally {
        (progress as Progress | null)?.stop();
        await store.close();
        process.off("SIGINT", stop).off("SIGTERM", stop);
      }
      if (stopping.signal.aborted) {
        const done = run.results.filter((result) => result !== null).length;
        process.stderr.write(
          `stopped; ${done} of ${cells.length} ${ranBy(study)} are kept in ${out}, and the same command goes on\n`,
        );
        process.exitCode = 130;
        return;
      }
      const figures = studyFigures(study, cells, run.results, run.failed);
      await write(out, figures);
      process.stderr.write(describeStudy(figures));
      process.stderr.write(
        `${cells.length} ${figures.ran} (${run.kept} were there); report: ${join(out, "report.html")}\n`,
      );
      if (options.json) process.stdout.write(`${JSON.stringify(figures)}\n`);
      if (run.failed.length > 0) process.exitCode = 1;
    });
}

async function plan(study: Study, file: string): Promise<Cell[]> {
  if ("training" in study) return planTrainings(study);
  const experiment = resolve(dirname(file), study.experiment);
  const raw = parse(await readText(experiment, "experiment file")) ?? {};
  const models = await openModels(study, file, { raw, file: experiment }, say);
  return planSessions(study, raw, models);
}

const say = (words: string) => process.stderr.write(`${words}\n`);

async function chooseEngine({ cluster, workers }: StudyOptions, study: string): Promise<Engine> {
  if (cluster === undefined) return onThisMachine(workers ?? availableParallelism());
  if (workers !== undefined)
    throw new ConfigurationError("--workers: expected without --cluster, whose study-workers each have their own");
  const { onCluster } = await import("../../sim/study/cluster/coordinate.ts");
  return onCluster(cluster, study, say);
}

async function readStudy(file: string, seeds?: number): Promise<Study> {
  const parsed = parseStudy(await readText(file, "study file"));
  if (!parsed.ok) throw new ConfigurationError(`study file ${file}: ${parsed.errors}`);
  const study = { ...parsed.study, seeds: seeds ?? parsed.study.seeds };
  if ("training" in study || !study.populations) return study;
  const populations: NonNullable<SessionStudy["populations"]> = {};
  for (const [name, simulation] of Object.entries(study.populations))
    populations[name] = await withFittedUnits(simulation, file);
  return { ...study, populations };
}

const FIGURES_FILE = "study.json";

async function write(out: string, figures: StudyFigures): Promise<void> {
  const path = join(out, FIGURES_FILE);
  // Whole or not at all: a study's name is looked up in it.
  await writeFile(`${path}.new`, `${JSON.stringify(figures, null, 1)}\n`);
  await rename(`${path}.new`, path);
  await writeFile(join(out, "report.html"), reportPage(figures));
}
