/** One server writes a session: session.lock in its folder says which. */
import { linkSync, readFileSync, renameSync, unlinkSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { ConfigurationError } from "../failure.ts";

export const LOCK_FILE = "session.lock";

export interface Owner {
  pid: number;
  host: string;
  since: string;
  /** When the process started, in ticks since the host did (Linux): a process number comes again. Null where it is not known. */
  started: string | null;
}

export interface Lock {
  /** Who held it and is gone. */
  tookOverFrom: Owner | null;
  release(): void;
}

/** @throws ConfigurationError where another server that may be alive has it */
export function lockSession(folder: string): Lock {
  const path = join(folder, LOCK_FILE);
  const own: Owner = {
    pid: process.pid,
    host: hostname(),
    since: new Date().toISOString(),
    started: startOf(process.pid),
  };
  let tookOverFrom: Owner | null = null;
  for (;;) {
    try {
      // Linked and not written: it is never seen empty.
      writeFileSync(`${path}.new.${process.pid}`, `${JSON.stringify(own)}\n`);
      try {
        linkSync(`${path}.new.${process.pid}`, path);
      } finally {
        unlinkSync(`${path}.new.${process.pid}`);
      }
      return { tookOverFrom, release: () => releaseLock(path, own) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST")
        throw new ConfigurationError(`${path}: expected a folder to write a session in, ${(error as Error).message}`);
    }
    tookOverFrom = takeFromTheDead(folder, path);
  }
}

/** Moves a lock away whose owner is gone. */
function takeFromTheDead(folder: string, path: string): Owner | null {
  const text = readQuietly(path);
  if (text === null) return null;
  const owner = parseOwner(text);
  if (owner && isAlive(owner))
    throw new ConfigurationError(
      `session folder ${folder}: expected no other server to be writing it; process ${owner.pid} on ${owner.host} has been since ${owner.since}` +
        (owner.host === hostname() ? "" : ` (if that computer is off, remove ${path})`),
    );
  const aside = `${path}.${process.pid}`;
  try {
    renameSync(path, aside);
    // Another server may have taken it over in between: it keeps what it has.
    if (readQuietly(aside) !== text) linkSync(aside, path);
    unlinkSync(aside);
  } catch {
    // Someone else was quicker.
  }
  return owner;
}

function releaseLock(path: string, own: Owner): void {
  const owner = parseOwner(readQuietly(path) ?? "");
  if (owner?.pid === own.pid && owner.host === own.host && owner.since === own.since) unlinkSync(path);
}

function readQuietly(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

/** Null where the file was not written to its end: its writer died. */
function parseOwner(text: string): Owner | null {
  try {
    return JSON.parse(text) as Owner;
  } catch {
    return null;
  }
}

function isAlive({ pid, host, started }: Owner): boolean {
  if (host !== hostname()) return true;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
  const stat = statOf(pid);
  if (stat === null) return true;
  return stat.state !== "Z" && (started === null || stat.started === started);
}

const startOf = (pid: number): string | null => statOf(pid)?.started ?? null;

/** Fields 3 and 22 of /proc/PID/stat. */
function statOf(pid: number): { state: string; started: string } | null {
  const stat = readQuietly(`/proc/${pid}/stat`);
  if (stat === null) return null;
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { state: fields[0], started: fields[19] };
}

/** Who writes the session in a folder now, as far as can be seen; null where nobody does. */
export function writerOf(folder: string): Owner | null {
  const owner = parseOwner(readQuietly(join(folder, LOCK_FILE)) ?? "");
  return owner && isAlive(owner) ? owner : null;
}
