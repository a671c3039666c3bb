import { existsSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { unpack } from "../../protocols/wire/message.ts";
import { ConfigurationError } from "../failure.ts";
import {
  FIRST_PLACE,
  HEADER_BYTES,
  JOURNAL_FILE,
  type JournalPlace,
  type JournalRecord,
  journalFileName,
  MAGIC,
  readFrame,
} from "./journal.ts";

/** Where a journal stops being readable, and why; `torn` null: at its end. */
export interface JournalEnd extends JournalPlace {
  torn: string | null;
}

/** No record is longer: a length that says so is damaged. */
const MOST_BYTES = 2 ** 30;
const CHUNK_BYTES = 4 * 2 ** 20;

/** A session's folder, given that or its journal. */
export const sessionFolder = (path: string): string => (basename(path) === JOURNAL_FILE ? dirname(path) : path);

/**
 * Reads a journal from a place on, a piece at a time: it may be larger than memory. A torn or damaged record ends it, and what is
 * wrong is said. Byte arrays of a record are views of what was read: copy what is kept for long.
 *
 * @param each told of every record and where it begins
 * @throws ConfigurationError if there is no journal, or a file is not one
 */
export async function scanJournal(
  folder: string,
  each: (record: JournalRecord, place: JournalPlace) => void | Promise<void>,
  from: JournalPlace = FIRST_PLACE,
): Promise<JournalEnd> {
  let { file, n } = from;
  for (let at = from.bytes; ; file++, at = MAGIC.length) {
    const path = join(folder, journalFileName(file));
    const handle = await open(path, "r").catch((error: NodeJS.ErrnoException) => {
      throw new ConfigurationError(
        `journal: expected a session's ${journalFileName(file)} in ${folder}, got ${error.code}`,
      );
    });
    try {
      const end = await scanFile(handle, path, { file, bytes: at, n }, each);
      n = end.n;
      if (end.torn !== null || !existsSync(join(folder, journalFileName(file + 1)))) return end;
    } finally {
      await handle.close();
    }
  }
}

async function scanFile(
  handle: FileHandle,
  path: string,
  { file, bytes, n: first }: JournalPlace,
  each: (record: JournalRecord, place: JournalPlace) => void | Promise<void>,
): Promise<JournalEnd> {
  const { size } = await handle.stat();
  const magic = Buffer.alloc(MAGIC.length);
  await handle.read(magic, 0, MAGIC.length, 0);
  if (!magic.equals(MAGIC)) {
    // A file that was begun by a server that died at once.
    if (file > 0 && size < MAGIC.length) return { file, bytes: 0, n: first, torn: `${path}: the file is empty` };
    throw new ConfigurationError(`${path}: expected a journal that begins with ${MAGIC}, got other bytes`);
  }
  let n = first;
  let at = bytes;
  let buffer: Buffer = Buffer.alloc(0);
  let bufferAt = at;
  /** The bytes from `at` on, at least so many where the file has them. */
  const ahead = async (wanted: number): Promise<Buffer> => {
    const have = bufferAt + buffer.length - at;
    if (have >= wanted) return buffer.subarray(at - bufferAt);
    const rest = buffer.subarray(buffer.length - have);
    const more = Buffer.allocUnsafe(Math.max(0, Math.min(size - at - have, Math.max(CHUNK_BYTES, wanted - have))));
    let read = 0;
    while (read < more.length) {
      const { bytesRead } = await handle.read(more, read, more.length - read, at + have + read);
      if (bytesRead === 0) break;
      read += bytesRead;
    }
    buffer = Buffer.concat([rest, more.subarray(0, read)]);
    bufferAt = at;
    return buffer;
  };
  while (at < size) {
    const torn = (why: string): JournalEnd => ({
      file,
      bytes: at,
      n,
      torn: `record ${n} at byte ${at} of ${journalFileName(file)}: ${why}`,
    });
    const header = await ahead(HEADER_BYTES);
    if (header.length < HEADER_BYTES) return torn("the header is cut");
    const length = header.readUInt32LE(0);
    if (length > MOST_BYTES) return torn(`a record of ${length} bytes is longer than any`);
    const body = readFrame(await ahead(HEADER_BYTES + length));
    if (typeof body === "string") return torn(body);
    const value = unpack(body);
    if (!value.ok) return torn(value.detail);
    const record = value.value as JournalRecord;
    if (record.n !== n) return torn(`expected number ${n}, found ${record.n}`);
    const told = each(record, { file, bytes: at, n });
    if (told) await told;
    at += HEADER_BYTES + length;
    n++;
  }
  return { file, bytes: at, n, torn: null };
}

/**
 * A journal's first record, without reading on.
 *
 * @throws Error that says what was expected where it can't be read
 */
export async function firstRecord(folder: string): Promise<JournalRecord> {
  const path = join(folder, JOURNAL_FILE);
  const handle = await open(path, "r");
  try {
    const head = Buffer.alloc(MAGIC.length + HEADER_BYTES);
    await handle.read(head, 0, head.length, 0);
    if (!head.subarray(0, MAGIC.length).equals(MAGIC))
      throw new Error(`${path}: expected a journal that begins with ${MAGIC}`);
    const length = head.readUInt32LE(MAGIC.length);
    const { size } = await handle.stat();
    if (head.length + length > size) throw new Error(`${path}: expected a first record, the file is cut`);
    const frame = Buffer.alloc(HEADER_BYTES + length);
    await handle.read(frame, 0, frame.length, MAGIC.length);
    const body = readFrame(frame);
    const value = typeof body === "string" ? null : unpack(body);
    if (!value?.ok) throw new Error(`${path}: expected a first record, found a damaged one`);
    return value.value as JournalRecord;
  } finally {
    await handle.close();
  }
}

/** All of a journal at once; see `scanJournal`. */
export async function readJournal(folder: string): Promise<{ records: JournalRecord[]; end: JournalEnd }> {
  const records: JournalRecord[] = [];
  const end = await scanJournal(folder, (record) => void records.push(record));
  return { records, end };
}
