import { availableParallelism } from "node:os";
import { Command } from "commander";
import { numberOption } from "./options.ts";

interface StudyWorkerOptions {
  cluster: string;
  workers: number;
}

/** `latentloop study-worker`: lends this machine to studies that are run on several. */
export function studyWorkerCommand(): Command {
  return new Command("study-worker")
    .summary("Run sessions and trainings of studies started elsewhere with --cluster")
    .description(
      "Run sessions and trainings of studies that were started with --cluster, on this or any other machine, until Ctrl-C",
    )
    .requiredOption("--cluster <address>", "Redis or Valkey server, as redis://host:6379")
    .option(
      "--workers <n>",
      "sessions or trainings at a time",
      numberOption("--workers", { min: 1, max: 1024, whole: true }),
      availableParallelism(),
    )
    .addHelpText(
      "after",
      `
Only those of the same version and code are taken: results are the same, bit for bit, as on one machine.
Ctrl-C: those at hand are run to their end; once more: others run them.

Example:
  $ npx latentloop study-worker --cluster redis://lab-server:6379`,
    )
    .action(async ({ cluster, workers }: StudyWorkerOptions) => {
      const { openStudyWorker } = await import("../../sim/study/cluster/work.ts");
      const worker = await openStudyWorker(cluster, workers, {
        ended: (done) => {
          if (done % 100 === 0) say(`${done} sessions or trainings run`);
        },
        said: say,
      });
      say(`ready for ${workers} sessions or trainings at a time, version ${worker.version}`);
      let asked = 0;
      await new Promise<void>((resolve, reject) => {
        const stop = () => {
          asked++;
          if (asked === 1) say("ending what is at hand; once more to leave it to others");
          worker.close(asked > 1).then(resolve, reject);
        };
        process.on("SIGINT", stop).on("SIGTERM", stop);
      });
      process.exit(0);
    });
}

const say = (line: string): boolean => process.stderr.write(`${line}\n`);
