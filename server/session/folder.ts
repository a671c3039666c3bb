import { createReadStream, createWriteStream, existsSync, renameSync, truncateSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { stringify } from "yaml";
import type { Experiment } from "../../protocols/experiment.ts";
import type { DeciderData, Findings } from "../choice/decider.ts";
import { serverNow } from "../clock.ts";
import { ConfigurationError, LostEdgeError } from "../failure.ts";
import {
  continueJournal,
  createJournal,
  FIRST_PLACE,
  type Journal,
  type JournalPlace,
  type JournalRecord,
  type JournalTrouble,
  journalFileName,
} from "./journal.ts";
import { type JournalEnd, scanJournal } from "./journal-reader.ts";
import { type Lock, lockSession, type Owner } from "./lock.ts";
import { initProgress, type Progress, stepProgress } from "./progress.ts";
import { recordsOf } from "./record.ts";
import { eventOf } from "./recorded.ts";
import { readSnapshot, type SnapshotHead, snapshotName, snapshotNames } from "./snapshot.ts";
import { type SessionSummary, SUMMARY_FILE } from "./summary.ts";
import { type Versions, versions } from "./versions.ts";
import type { SessionEvent } from "./view.ts";

/** A session's folder: journal, the experiment as it was run, and at the end the summary and all estimates. */
export interface SessionFolder {
  path: string;
  /** How far the session has come, all that was recorded taken into account. */
  progress: Progress;
  /** Journals an event of the loop. `serverMs` is when it happened. */
  record(event: SessionEvent, serverMs: number): void;
  note(kind: string, serverMs: number, fields: object): void;
  /** Where the next record will begin. */
  place(): JournalPlace;
  /** Settles once what was recorded until now is in the journal's files. */
  written(): Promise<void>;
  /**
   * Journals the summary, closes the journal, then writes summary.json and estimates.json. Gives what could not be written, or null:
   * a summary that is known is worth more than the file that it was for.
   */
  close(summary: SessionSummary | null, findings: Findings | null): Promise<LostEdgeError | null>;
}

/** Rejections of one reason that are journalled; a sender of garbage must not fill the disk. The summary counts all. */
const RECORDED_REJECTIONS = 20;

/** `sessions/2026-01-31T12-00-00-000-one-to-one`: sorts by time. */
const sessionFolderName = (experiment: string, serverMs: number): string =>
  `${new Date(serverMs).toISOString().replace(/[:.]/g, "-").replace("Z", "")}-${experiment}`;

const journalSettings = ({ session }: Experiment) => ({ sync: session.sync, rotateBytes: session.rotateMiB * 2 ** 20 });

/**
 * @param options how the session was started, kept for when it goes on
 * @throws ConfigurationError if the folder can't be made
 */
export async function openSessionFolder(
  parent: string,
  experiment: Experiment,
  options: object,
  trouble: JournalTrouble,
): Promise<SessionFolder> {
  const path = resolve(parent, sessionFolderName(experiment.name, serverNow()));
  const journal = createJournal(path, journalSettings(experiment), trouble);
  const lock = lockSession(path);
  await writeFile(join(path, "experiment.yaml"), stringify(experiment));
  journal.write("session", serverNow(), { ...versions(), experiment, options });
  return folderOf(journal, lock, initProgress(experiment.trials));
}

/** A session as its journal has it. */
export interface FoundSession {
  folder: string;
  experiment: Experiment;
  /** How it was started. */
  options: Record<string, unknown>;
  /** What made it. */
  versions: Versions;
  /** Null where it ended before its decider was made. */
  decider: DeciderData | null;
  /** The model's folder. */
  model: string | null;
  /** What was in it (`modelDigest`); null where that was not journalled. */
  modelDigest: string | null;
  progress: Progress;
  /** It has ended and was summed up. */
  isOver: boolean;
  /** How often its server died and it was gone on with. */
  resumptions: number;
  end: JournalEnd;
}

/**
 * What a journal says of its session.
 *
 * @param each told of every event, once its effect on `progress` has been counted
 * @param from a snapshot, after which the journal is read; null: from its beginning
 * @param records of the journal that count
 * @throws ConfigurationError where there is no journal or it begins with no session; Error where it does not name the snapshot
 */
export async function readSession(
  folder: string,
  each: (event: SessionEvent, serverMs: number, found: FoundSession) => void | Promise<void> = () => {},
  { from = null, records = Number.POSITIVE_INFINITY }: { from?: SnapshotHead | null; records?: number } = {},
): Promise<FoundSession> {
  const place = from?.place ?? FIRST_PLACE;
  let found: FoundSession | null = from && {
    ...from.session,
    folder,
    // A snapshot may be older than the field.
    resumptions: from.session.resumptions ?? 0,
    end: { ...FIRST_PLACE, torn: null },
  };
  let isNamed = from === null;
  const take = (record: JournalRecord) => {
    if (record.n >= records) return;
    if (from && record.n === place.n) isNamed = record.kind === "snapshot" && record.file === snapshotName(place.n);
    if (record.kind === "session") {
      const { experiment, options } = record as unknown as Pick<FoundSession, "experiment" | "options">;
      const { latentloop, node, v8, platform, kernels } = record as unknown as Versions;
      found = {
        folder,
        experiment,
        options,
        versions: { latentloop, node, v8, platform, kernels },
        decider: null,
        model: null,
        modelDigest: null,
        progress: initProgress(experiment.trials),
        isOver: false,
        resumptions: 0,
        end: { ...FIRST_PLACE, torn: null },
      };
    }
    if (!found) return;
    if (record.kind === "decider") found.decider = { settings: record.settings, seed: record.seed } as DeciderData;
    if (record.kind === "model") {
      found.model = record.folder as string;
      found.modelDigest = (record.digest as string | undefined) ?? null;
    }
    if (record.kind === "resumed") found.resumptions++;
    if (record.kind === "summary") found.isOver = true;
    const event = eventOf(record);
    if (!event) return;
    stepProgress(found.progress, event);
    return each(event, record.serverMs, found);
  };
  const end = await scanJournal(folder, take, place);
  if (!isNamed) throw new Error(`expected the journal's record ${place.n} to name it, ${end.torn ?? "found another"}`);
  if (!found)
    throw new ConfigurationError(
      `${folder}: expected a journal that begins with its session, found ${end.torn ?? "none"}`,
    );
  return { ...(found as FoundSession), end };
}

export interface Reopened {
  found: FoundSession;
  folder: SessionFolder;
  /** The snapshot that it goes on from; null: the journal was read from its beginning. */
  snapshot: string | null;
  /** Snapshots that can't be used, a sentence each. */
  passedOver: string[];
  /** What was cut off the journal's end, in words; null where nothing was. */
  torn: string | null;
  tookOverFrom: Owner | null;
}

/**
 * Goes on in a session's folder after its server died: locks it, cuts off a record that was not written to its end, and appends
 * to the same journal.
 *
 * @throws ConfigurationError where another server writes it, the session is over, or there is nothing to go on with
 */
export async function reopenSessionFolder(path: string, trouble: JournalTrouble): Promise<Reopened> {
  const folder = resolve(path);
  if (!existsSync(join(folder, journalFileName(0))))
    throw new ConfigurationError(`--resume: expected a session's folder, found no ${journalFileName(0)} in ${folder}`);
  const lock = lockSession(folder);
  try {
    const { found, snapshot, passedOver } = await findSession(folder);
    if (found.isOver)
      throw new ConfigurationError(`--resume: expected a session that broke off, ${folder} has its summary`);
    const { end } = found;
    if (end.torn) await cutJournal(folder, end);
    const journal = continueJournal(folder, end, journalSettings(found.experiment), trouble);
    return {
      found,
      folder: folderOf(journal, lock, found.progress),
      snapshot,
      passedOver,
      torn: end.torn,
      tookOverFrom: lock.tookOverFrom,
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** Reads a session from its last snapshot that can be used, or from the journal's beginning. */
export async function findSession(folder: string): Promise<Pick<Reopened, "found" | "snapshot" | "passedOver">> {
  const passedOver: string[] = [];
  for (const snapshot of snapshotNames(folder)) {
    try {
      const found = await readSession(folder, undefined, { from: readSnapshot(folder, snapshot) });
      return { found, snapshot, passedOver };
    } catch (error) {
      passedOver.push(`${snapshot} can't be used: ${(error as Error).message}`);
    }
  }
  return { found: await readSession(folder), snapshot: null, passedOver };
}

/** Cuts off what can't be read; it is kept in a file of its own, and so are the journal's files after it. */
async function cutJournal(folder: string, { file, bytes, n }: JournalEnd): Promise<void> {
  const path = join(folder, journalFileName(file));
  const aside = join(folder, `cut-at-record-${n}.bin`);
  await pipeline(createReadStream(path, { start: bytes }), createWriteStream(aside));
  for (let later = file + 1; existsSync(join(folder, journalFileName(later))); later++)
    renameSync(join(folder, journalFileName(later)), join(folder, `cut-at-record-${n}-${journalFileName(later)}`));
  truncateSync(path, bytes);
}

function folderOf(journal: Journal, lock: Lock, progress: Progress): SessionFolder {
  const path = journal.folder;
  const rejections = new Map<string, number>();
  const isRepeated = (reason: string): boolean => {
    const n = (rejections.get(reason) ?? 0) + 1;
    rejections.set(reason, n);
    return n > RECORDED_REJECTIONS;
  };
  return {
    path,
    progress,
    record(event, serverMs) {
      stepProgress(progress, event);
      if (event.kind === "acquisition" && event.event.type === "rejected" && isRepeated(event.event.reason)) return;
      for (const { kind, fields } of recordsOf(event)) journal.write(kind, serverMs, fields);
    },
    note: (kind, serverMs, fields) => journal.write(kind, serverMs, fields),
    place: journal.place,
    written: journal.written,
    async close(summary, findings) {
      try {
        if (summary) journal.write("summary", serverNow(), { summary });
        await journal.close();
        if (summary) await writeFile(join(path, SUMMARY_FILE), `${JSON.stringify(summary, null, 2)}\n`);
        if (findings) await writeFile(join(path, "estimates.json"), `${JSON.stringify(findings)}\n`);
        return null;
      } catch (error) {
        return new LostEdgeError(
          `the session's end could not be written to ${path} (${(error as Error).message}): what is printed here is all there is of it`,
        );
      } finally {
        lock.release();
      }
    },
  };
}
