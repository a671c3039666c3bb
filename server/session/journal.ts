import {
  closeSync,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  type Stats,
  stat,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { pack } from "../../protocols/wire/message.ts";
import { ConfigurationError } from "../failure.ts";

/**
 * The journal: every event of a session in order, append-only (SPEC.md, rules J). A file: 8 bytes "LLJRNL01", then records of
 * u32 length, u32 CRC-32 of the body (both little-endian), and the body, one MessagePack map {n, serverMs, kind, …}.
 */
export const JOURNAL_FILE = "journal.llj";
export const MAGIC = Buffer.from("LLJRNL01");
export const HEADER_BYTES = 8;

/** The journal's files in order: journal.llj, journal-0001.llj, … */
export const journalFileName = (index: number): string =>
  index === 0 ? JOURNAL_FILE : `journal-${String(index).padStart(4, "0")}.llj`;

export type JournalRecord = { n: number; serverMs: number; kind: string } & Record<string, unknown>;

/** Where a record begins: the file's index, bytes into it, and the record's number. */
export interface JournalPlace {
  file: number;
  bytes: number;
  n: number;
}

export const FIRST_PLACE: JournalPlace = { file: 0, bytes: MAGIC.length, n: 0 };

export interface JournalSettings {
  /** After which what was written also survives a power cut: so many milliseconds, or each trial. */
  sync: number | "trial";
  /** A file that has grown to so many bytes is followed by the next. */
  rotateBytes: number;
}

export interface Journal {
  folder: string;
  /** Takes a record, in the order of the calls. Records that are acted upon (J3) are with the system when this returns, others at the end of the turn. */
  write(kind: string, serverMs: number, fields: object): void;
  /** Where the next record will begin. */
  place(): JournalPlace;
  /** Settles once what was taken until now is in the files. */
  written(): Promise<void>;
  /** All that was taken is on the disk and the file is closed. Throws if it can't be written. */
  close(): Promise<void>;
}

export interface JournalTrouble {
  /** Records can't be written any more: they are kept in memory, and writing is tried again and again. */
  stalled(error: NodeJS.ErrnoException): void;
  /** All that was kept has been written. */
  recovered(): void;
}

/** What is acted upon at once, or what others rely on: with the system before the loop goes on. */
const ACTED_ON: ReadonlySet<string> = new Set([
  ...["session", "decider", "resumed", "decide", "choice", "refine", "refined", "show", "presentation", "trial"],
  ...["unit", "setting", "command", "stopped", "snapshot", "worker", "summary"],
]);

const RETRY_EVERY_MS = 500;

/** The frame of one record's body. */
export function frameRecord(body: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(HEADER_BYTES + body.length);
  frame.writeUInt32LE(body.length, 0);
  frame.writeUInt32LE(crc32(body), 4);
  frame.set(body, HEADER_BYTES);
  return frame;
}

/** The body of the frame that bytes begin with, or what is wrong with it. */
export function readFrame(bytes: Buffer): Buffer | string {
  if (bytes.length < HEADER_BYTES) return "the header is cut";
  const length = bytes.readUInt32LE(0);
  const body = bytes.subarray(HEADER_BYTES, HEADER_BYTES + length);
  if (body.length < length) return `expected ${length} bytes, the file has ${body.length}`;
  return crc32(body) === bytes.readUInt32LE(4) ? body : "the checksum does not agree";
}

/**
 * Creates a session's folder and its journal.
 *
 * @throws ConfigurationError if the folder can't be made or holds a journal already
 */
export function createJournal(folder: string, settings: JournalSettings, trouble: JournalTrouble): Journal {
  try {
    mkdirSync(folder, { recursive: true });
    const fd = openSync(join(folder, JOURNAL_FILE), "ax");
    writeWhole(fd, MAGIC);
    return appendTo(folder, fd, FIRST_PLACE, settings, trouble);
  } catch (error) {
    throw new ConfigurationError(
      `session folder ${folder}: expected a folder to write a new journal in, ${(error as Error).message}`,
    );
  }
}

/**
 * Goes on with a journal at the end of what could be read of it; what follows in the file must have been cut.
 *
 * @throws ConfigurationError if the file can't be written, or does not end at `place`
 */
export function continueJournal(
  folder: string,
  place: JournalPlace,
  settings: JournalSettings,
  trouble: JournalTrouble,
): Journal {
  const path = join(folder, journalFileName(place.file));
  try {
    const fd = openSync(path, "a");
    const { size } = fstatSync(fd);
    if (size !== place.bytes) throw new Error(`expected ${place.bytes} bytes, found ${size}`);
    return appendTo(folder, fd, place, settings, trouble);
  } catch (error) {
    throw new ConfigurationError(`${path}: expected a journal to go on with, ${(error as Error).message}`);
  }
}

function appendTo(
  folder: string,
  descriptor: number,
  begin: JournalPlace,
  { sync, rotateBytes }: JournalSettings,
  { stalled, recovered }: JournalTrouble,
): Journal {
  let fd = descriptor;
  /** What is in the file for certain. */
  let written = { file: begin.file, bytes: begin.bytes };
  let next = { ...begin };
  /** What is still to be written; `file` says in which file it belongs. */
  let pending: { file: number; frame: Buffer }[] = [];
  let flushing: NodeJS.Immediate | null = null;
  let retrying: NodeJS.Timeout | null = null;
  let unsynced = false;
  let syncing = false;

  /** Writes all that is pending; what was in a file only in part is cut off before it is tried again. */
  function flush(): void {
    if (flushing) clearImmediate(flushing);
    flushing = null;
    if (retrying) return;
    try {
      writeOut();
    } catch (error) {
      stall(error as NodeJS.ErrnoException);
    }
  }
  function stall(error: NodeJS.ErrnoException): void {
    retrying = setInterval(retry, RETRY_EVERY_MS);
    stalled(error);
  }
  function writeOut(): void {
    while (pending.length > 0) {
      const { file } = pending[0];
      if (file !== written.file) changeFile(file);
      const run = pending.findIndex((one) => one.file !== file);
      const frames = pending.slice(0, run < 0 ? pending.length : run).map(({ frame }) => frame);
      const bytes = frames.length === 1 ? frames[0] : Buffer.concat(frames);
      writeWhole(fd, bytes);
      written.bytes += bytes.length;
      pending = pending.slice(frames.length);
      unsynced = true;
    }
  }
  function changeFile(file: number): void {
    if (unsynced) fdatasyncSync(fd);
    const path = join(folder, journalFileName(file));
    const opened = openSync(path, "a");
    try {
      ftruncateSync(opened, 0);
      writeWhole(opened, MAGIC);
    } catch (error) {
      closeSync(opened);
      throw error;
    }
    closeSync(fd);
    fd = opened;
    written = { file, bytes: MAGIC.length };
  }
  function retry(): void {
    try {
      // The descriptor itself may be what broke, and the last write may have left a part behind.
      const path = join(folder, journalFileName(written.file));
      const { size } = statSync(path);
      if (size < written.bytes) throw new Error(`${path}: expected ${written.bytes} bytes, found ${size}`);
      const opened = openSync(path, "a");
      try {
        ftruncateSync(opened, written.bytes);
      } catch (error) {
        closeSync(opened);
        throw error;
      }
      closeQuietly(fd);
      fd = opened;
      writeOut();
    } catch {
      return;
    }
    clearInterval(retrying!);
    retrying = null;
    recovered();
  }
  function syncSoon(): void {
    if (!unsynced || syncing) return;
    unsynced = false;
    syncing = true;
    const { file } = written;
    const path = join(folder, journalFileName(file));
    // A sync that fails shows in the next write or in close.
    fdatasync(fd, () => {
      stat(path, (error, found) => {
        syncing = false;
        // A file that was taken away takes whatever is written, for nobody to find.
        if (file === written.file && !retrying && !isOpenAs(fd, error ? null : found)) stall(error ?? goneError(path));
      });
    });
  }
  const everySync = sync === "trial" ? null : setInterval(syncSoon, sync);
  everySync?.unref();

  return {
    folder,
    write(kind, serverMs, fields) {
      const frame = frameRecord(pack({ n: next.n, serverMs, kind, ...fields }));
      if (next.bytes >= rotateBytes) next = { ...next, file: next.file + 1, bytes: MAGIC.length };
      pending.push({ file: next.file, frame });
      next = { ...next, n: next.n + 1, bytes: next.bytes + frame.length };
      if (ACTED_ON.has(kind)) flush();
      else flushing ??= setImmediate(flush);
      if (sync === "trial" && kind === "trial") syncSoon();
    },
    place: () => ({ ...next }),
    async written() {
      flush();
      while (pending.length > 0) await new Promise((resolve) => setTimeout(resolve, RETRY_EVERY_MS));
    },
    async close() {
      if (everySync) clearInterval(everySync);
      if (flushing) clearImmediate(flushing);
      if (retrying) {
        retry();
        if (retrying) clearInterval(retrying);
      }
      try {
        writeOut();
        while (syncing) await new Promise((resolve) => setTimeout(resolve, 1));
        fdatasyncSync(fd);
        const path = join(folder, journalFileName(written.file));
        if (!isOpenAs(fd, statSync(path))) throw goneError(path);
      } finally {
        closeQuietly(fd);
      }
    },
  };
}

/** A write may take fewer bytes than it was given; the rest must follow before anything else. */
function writeWhole(fd: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
}

/** Whether what was found at a path is the file that is open. */
function isOpenAs(fd: number, found: Stats | null): boolean {
  const { dev, ino } = fstatSync(fd);
  return found !== null && found.dev === dev && found.ino === ino;
}

const goneError = (path: string): NodeJS.ErrnoException =>
  Object.assign(new Error(`ENOENT: another file is at ${path} now`), { code: "ENOENT" });

function closeQuietly(fd: number): void {
  try {
    closeSync(fd);
  } catch {
    // It was no longer open.
  }
}
