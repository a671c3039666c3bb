import { Command } from "commander";
import { duration } from "./progress.ts";

interface StudyStatusOptions {
  cluster: string;
  json: boolean;
}

/** `latentloop study-status`: how studies on a cluster get on, from anywhere. */
export function studyStatusCommand(): Command {
  return new Command("study-status")
    .summary("How studies on a cluster get on, and who works for them")
    .description("How studies that were started with --cluster get on, and which workers are there")
    .requiredOption("--cluster <address>", "Redis or Valkey server, as redis://host:6379")
    .option("--json", "print one JSON object, on stdout", false)
    .action(async ({ cluster, json }: StudyStatusOptions) => {
      const { connect } = await import("../../sim/study/cluster/connection.ts");
      const { presentStudies, presentWorkers } = await import("../../sim/study/cluster/presence.ts");
      const redis = await connect(cluster, () => {});
      const [studies, workers] = await Promise.all([presentStudies(redis), presentWorkers(redis)]);
      redis.disconnect();
      if (json) {
        process.stdout.write(`${JSON.stringify({ studies, workers })}\n`);
        return;
      }
      const lines = studies.map(({ study, planned, ended, failed, host, startedAt }) => {
        const passedS = (Date.now() - Date.parse(startedAt)) / 1000;
        const left = ended > 0 ? `, ${duration((passedS / ended) * (planned - ended))} to go` : "";
        return `${study}: ${ended} of ${planned} ended, ${failed} failed${left} (coordinated on ${host})`;
      });
      if (studies.length === 0) lines.push("no study is running");
      for (const { host, pid, slots, done, queue } of workers)
        lines.push(`worker ${host}:${pid}: ${slots} at a time, ${done} run, queue ${queue}`);
      if (workers.length === 0) lines.push("no worker is there");
      process.stdout.write(`${lines.join("\n")}\n`);
    });
}
