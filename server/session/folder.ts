import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { stringify } from "yaml";
import type { Experiment } from "../../protocols/experiment.ts";
import type { Findings } from "../choice/decider.ts";
import { serverNow } from "../clock.ts";
import { packageVersion } from "../package-root.ts";
import { createJournal, type Journal } from "./journal.ts";
import { recordOf } from "./record.ts";
import type { SessionSummary } from "./summary.ts";
import type { SessionEvent } from "./view.ts";

/** A session's folder: journal, the experiment as it was run, and at the end the summary and all estimates. */
export interface SessionFolder {
  path: string;
  /** Journals an event of the loop. `serverMs` is when it happened. */
  record(event: SessionEvent, serverMs: number): void;
  note(kind: string, serverMs: number, fields: object): void;
  /** Journals the summary, closes the journal, then writes summary.json and estimates.json. */
  close(summary: SessionSummary | null, findings: Findings | null): Promise<void>;
}

/** Rejections of one reason that are journalled; a sender of garbage must not fill the disk. The summary counts all. */
const RECORDED_REJECTIONS = 20;

/** `sessions/2026-01-31T12-00-00-000-one-to-one`: sorts by time. */
const sessionFolderName = (experiment: string, serverMs: number): string =>
  `${new Date(serverMs).toISOString().replace(/[:.]/g, "-").replace("Z", "")}-${experiment}`;

/**
 * @param failed called once if the journal can't be written any more
 * @throws ConfigurationError if the folder can't be made
 */
export async function openSessionFolder(
  parent: string,
  experiment: Experiment,
  failed: (error: Error) => void,
): Promise<SessionFolder> {
  const path = resolve(parent, sessionFolderName(experiment.name, serverNow()));
  const journal: Journal = await createJournal(path, failed);
  await writeFile(join(path, "experiment.yaml"), stringify(experiment));
  journal.write("session", serverNow(), {
    latentloop: packageVersion,
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    experiment,
  });
  const rejections = new Map<string, number>();
  const isRepeated = (reason: string): boolean => {
    const n = (rejections.get(reason) ?? 0) + 1;
    rejections.set(reason, n);
    return n > RECORDED_REJECTIONS;
  };
  return {
    path,
    record(event, serverMs) {
      if (event.kind === "acquisition" && event.event.type === "rejected" && isRepeated(event.event.reason)) return;
      const record = recordOf(event);
      if (record) journal.write(record.kind, serverMs, record.fields);
    },
    note: (kind, serverMs, fields) => journal.write(kind, serverMs, fields),
    async close(summary, findings) {
      if (summary) journal.write("summary", serverNow(), { summary });
      await journal.close();
      if (summary) await writeFile(join(path, "summary.json"), `${JSON.stringify(summary, null, 2)}\n`);
      if (findings) await writeFile(join(path, "estimates.json"), `${JSON.stringify(findings)}\n`);
    },
  };
}
