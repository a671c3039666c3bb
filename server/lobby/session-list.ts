/** The sessions of a folder: what each was, how far it came and how it ended. */
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Experiment } from "../../protocols/experiment.ts";
import type { ListedSession } from "../../protocols/wire/sessions.ts";
import { JOURNAL_FILE } from "../session/journal.ts";
import { firstRecord, scanJournal } from "../session/journal-reader.ts";
import { writerOf } from "../session/lock.ts";
import { eventOf } from "../session/recorded.ts";
import { SUMMARY_FILE } from "../session/summary.ts";
import { isBroken } from "../trials/trial.ts";

/** The newest are listed. */
const MOST_SESSIONS = 500;

type Head = Pick<ListedSession, "experiment" | "startedMs" | "planned" | "simulated" | "port">;

/** Keeps what it has read of sessions that no longer change. */
export function createSessionList(folder: string) {
  const heads = new Map<string, Head>();
  const ends = new Map<string, { key: string; session: ListedSession }>();

  /** Folders with a journal, by name, the newest first. Links are not followed. */
  async function names(): Promise<string[]> {
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
    return entries
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
      .sort()
      .reverse();
  }

  async function read(name: string): Promise<ListedSession | null> {
    const path = join(folder, name);
    const journal = await stat(join(path, JOURNAL_FILE)).catch(() => null);
    if (!journal) return null;
    const isRunning = writerOf(path) !== null;
    const key = `${isRunning} ${journal.size} ${journal.mtimeMs}`;
    const kept = ends.get(name);
    if (kept?.key === key) return kept.session;
    const session = await describe(name, path, isRunning, journal.mtimeMs);
    if (session.state !== "running") ends.set(name, { key, session });
    return session;
  }

  async function describe(name: string, path: string, isRunning: boolean, changedMs: number): Promise<ListedSession> {
    try {
      const head = heads.get(name) ?? (await headOf(path));
      heads.set(name, head);
      if (isRunning) return { name, ...head, trials: null, state: "running", words: "running" };
      const over = { ...head, port: null };
      const summary = await summaryOf(path);
      if (summary)
        return { name, ...over, trials: summary.trials, state: "ended", words: endWords(summary, head.planned) };
      return {
        name,
        ...over,
        trials: await trialsOf(path),
        state: "broken",
        words: "broken off; run --resume goes on",
      };
    } catch (error) {
      return {
        ...{ name, experiment: "", startedMs: changedMs, trials: null, planned: 0, simulated: false, port: null },
        state: "unreadable",
        words: (error as Error).message,
      };
    }
  }

  return {
    names,
    async list(): Promise<ListedSession[]> {
      const found: ListedSession[] = [];
      for (const name of (await names()).slice(0, MOST_SESSIONS)) {
        const session = await read(name);
        if (session) found.push(session);
      }
      return found.sort((a, b) => b.startedMs - a.startedMs);
    },
  };
}

async function headOf(path: string): Promise<Head> {
  const record = await firstRecord(path);
  const { experiment, options } = record as unknown as {
    experiment: Experiment;
    options: { rig?: string; virtual?: boolean; port?: number };
  };
  if (record.kind !== "session")
    throw new Error(`expected a journal that begins with its session, found ${record.kind}`);
  return {
    experiment: experiment.name,
    startedMs: record.serverMs,
    planned: experiment.trials,
    simulated: options.rig === "sim" || options.virtual === true,
    // Any free port is not known here.
    port: options.port ? options.port : null,
  };
}

interface Ended {
  trials: number;
  stopped: string | null;
}

const summaryOf = async (path: string): Promise<Ended | null> => {
  const text = await readFile(join(path, SUMMARY_FILE), "utf8").catch(() => null);
  return text === null ? null : (JSON.parse(text) as Ended);
};

function endWords({ trials, stopped }: Ended, planned: number): string {
  if (stopped !== null) return stopped;
  return trials >= planned ? "all trials" : "ended by an operator";
}

async function trialsOf(path: string): Promise<number> {
  let trials = 0;
  await scanJournal(path, (record) => {
    if (record.kind !== "trial") return;
    const event = eventOf(record);
    if (event?.kind === "trial" && !isBroken(event.trial)) trials++;
  });
  return trials;
}
