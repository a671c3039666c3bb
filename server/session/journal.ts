import { type FileHandle, mkdir, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { pack, unpack } from "../../protocols/wire/message.ts";
import { ConfigurationError } from "../failure.ts";

/**
 * The journal: every event of a session in order, append-only (SPEC.md, rules J). File: 8 bytes "LLJRNL01", then records of
 * u32 length, u32 CRC-32 of the body (both little-endian), and the body, one MessagePack map {n, serverMs, kind, …}.
 */
export const JOURNAL_FILE = "journal.llj";
const MAGIC = Buffer.from("LLJRNL01");
const HEADER_BYTES = 8;

/** What is written survives the program at once, and a power cut after this time. */
const SYNC_EVERY_MS = 1000;

export type JournalRecord = { n: number; serverMs: number; kind: string } & Record<string, unknown>;

export interface Journal {
  folder: string;
  /** Takes a record; it is on its way to the file at once and in the order of the calls. Ignored after a failure. */
  write(kind: string, serverMs: number, fields: object): void;
  /** All that was taken is on the disk and the file is closed. Throws if any write failed. */
  close(): Promise<void>;
}

/** The frame of one record's body. */
export function frameRecord(body: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(HEADER_BYTES + body.length);
  frame.writeUInt32LE(body.length, 0);
  frame.writeUInt32LE(crc32(body), 4);
  frame.set(body, HEADER_BYTES);
  return frame;
}

/**
 * Creates a session's folder and its journal.
 *
 * @param failed called once, with the first write error: the session can no longer be recorded
 * @throws ConfigurationError if the folder can't be made or holds a journal already
 */
export async function createJournal(folder: string, failed: (error: Error) => void): Promise<Journal> {
  let file: FileHandle;
  try {
    await mkdir(folder, { recursive: true });
    file = await open(join(folder, JOURNAL_FILE), "ax");
    await file.write(MAGIC);
  } catch (error) {
    throw new ConfigurationError(
      `session folder ${folder}: expected a folder to write a new journal in, ${(error as Error).message}`,
    );
  }
  let pending: Buffer[] = [];
  let writing: Promise<void> | null = null;
  let failure: Error | null = null;
  let n = 0;
  let unsynced = false;

  /** Writes whatever has gathered while the last write was under way. */
  async function drain(): Promise<void> {
    try {
      while (pending.length > 0) {
        const bytes = Buffer.concat(pending);
        pending = [];
        await writeWhole(file, bytes);
        unsynced = true;
      }
    } catch (error) {
      failure = error as Error;
      pending = [];
      failed(failure);
    } finally {
      writing = null;
    }
  }
  const sync = async () => {
    if (!unsynced) return;
    unsynced = false;
    await file.datasync();
  };
  // A sync that fails shows in the next write or in close.
  const syncing = setInterval(() => void sync().catch(() => {}), SYNC_EVERY_MS);

  return {
    folder,
    write(kind, serverMs, fields) {
      if (failure) return;
      pending.push(frameRecord(pack({ n: n++, serverMs, kind, ...fields })));
      writing ??= drain();
    },
    async close() {
      clearInterval(syncing);
      try {
        await writing;
        if (failure) throw failure;
        await file.datasync();
      } finally {
        await file.close();
      }
    },
  };
}

/** A write may take fewer bytes than it was given; the rest must follow before anything else. */
async function writeWhole(file: FileHandle, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at)).bytesWritten;
}

/** Where a journal stops being readable, and why. */
export interface JournalEnd {
  bytes: number;
  torn: string | null;
}

/**
 * Reads a journal. A torn or damaged record ends it: everything before is returned, and what is wrong is said.
 *
 * @throws ConfigurationError if there is no journal, or the file is not one
 */
export async function readJournal(folder: string): Promise<{ records: JournalRecord[]; end: JournalEnd }> {
  const path = join(folder, JOURNAL_FILE);
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw new ConfigurationError(`journal: expected a session's ${JOURNAL_FILE} in ${folder}, got ${error.code}`);
  });
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC))
    throw new ConfigurationError(`${path}: expected a journal that begins with ${MAGIC}, got other bytes`);
  const records: JournalRecord[] = [];
  let at = MAGIC.length;
  while (at < bytes.length) {
    const torn = (why: string) => ({
      records,
      end: { bytes: at, torn: `record ${records.length} at byte ${at}: ${why}` },
    });
    if (at + HEADER_BYTES > bytes.length) return torn("the header is cut");
    const length = bytes.readUInt32LE(at);
    const body = bytes.subarray(at + HEADER_BYTES, at + HEADER_BYTES + length);
    if (body.length < length) return torn(`expected ${length} bytes, the file has ${body.length}`);
    if (crc32(body) !== bytes.readUInt32LE(at + 4)) return torn("the checksum does not agree");
    const value = unpack(body);
    if (!value.ok) return torn(value.detail);
    records.push(value.value as JournalRecord);
    at += HEADER_BYTES + length;
  }
  return { records, end: { bytes: at, torn: null } };
}
