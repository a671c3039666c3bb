/**
 * A session as it stood at one record of its journal, in a file beside it: what comes before that record need not be read again to go on.
 * A file: 8 bytes "LLSNAP02", u32 length and u32 CRC-32 of the body (both little-endian), and the body, a value as V8 serialises it.
 */
import { closeSync, fsyncSync, openSync, readdirSync, readFileSync, renameSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { deserialize, serialize } from "node:v8";
import type { DeciderState } from "../choice/decider.ts";
import type { RefitterState } from "../tuning/refitter.ts";
import type { FoundSession } from "./folder.ts";
import { frameRecord, HEADER_BYTES, type JournalPlace, readFrame } from "./journal.ts";
import { type Versions, versions } from "./versions.ts";

/** What the thread of the loop knows of it. */
export interface SnapshotHead {
  /** Where the journal's record begins that names the file. */
  place: JournalPlace;
  session: Omit<FoundSession, "folder" | "end">;
}

export interface Snapshot extends SnapshotHead {
  decider: DeciderState;
  refitter: RefitterState;
}

export interface WrittenSnapshot {
  bytes: number;
  /** Time that packing and writing took. */
  ms: number;
}

const MAGIC = Buffer.from("LLSNAP02");
/** The one before is there for when the last can't be used. */
const KEPT = 2;
const NAME = /^snapshot-\d{9}\.lls$/;

export const snapshotName = (n: number): string => `snapshot-${String(n).padStart(9, "0")}.lls`;

/** A folder's snapshots, latest first. */
export const snapshotNames = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => NAME.test(name))
    .sort()
    .reverse();

/** Writes a snapshot whole or not at all, and removes those before the last two. Throws what the file system throws. */
export function writeSnapshot(folder: string, snapshot: Snapshot): WrittenSnapshot {
  const startedMs = performance.now();
  const path = join(folder, snapshotName(snapshot.place.n));
  const bytes = Buffer.concat([MAGIC, frameRecord(serialize({ versions: versions(), snapshot }))]);
  const temporary = `${path}.new`;
  try {
    const fd = openSync(temporary, "w");
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  for (const old of snapshotNames(folder).slice(KEPT)) rmSync(join(folder, old), { force: true });
  return { bytes: bytes.length, ms: performance.now() - startedMs };
}

/** @throws Error that says what is wrong with it: damaged, cut, not a snapshot, of another version */
export function readSnapshot(folder: string, name: string): Snapshot {
  const file = readFileSync(join(folder, name));
  if (!file.subarray(0, MAGIC.length).equals(MAGIC)) throw new Error(`expected a file that begins with ${MAGIC}`);
  const body = readFrame(file.subarray(MAGIC.length));
  if (typeof body === "string") throw new Error(body);
  if (MAGIC.length + HEADER_BYTES + body.length !== file.length) throw new Error("expected nothing after its body");
  const { versions: then, snapshot } = deserialize(body) as { versions: Versions; snapshot: Snapshot };
  const now = versions();
  for (const key of ["latentloop", "kernels"] as const)
    if (then[key] !== now[key]) throw new Error(`expected one of ${key} ${now[key]}, found ${then[key]}`);
  return snapshot;
}
