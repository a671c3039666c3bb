import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
} from "node:fs";
import { readFile, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import {
  continueJournal,
  createJournal,
  frameRecord,
  JOURNAL_FILE,
  type JournalTrouble,
} from "../../server/session/journal.ts";
import { readJournal, scanJournal } from "../../server/session/journal-reader.ts";

let folder: string;
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), "latentloop-")), "session");
});

/** Keeps what is told. */
const troubleIn = (told: string[]): JournalTrouble => ({
  stalled: ({ code }) => told.push(`stalled: ${code}`),
  recovered: () => told.push("recovered"),
});
const noTrouble: JournalTrouble = {
  stalled(error) {
    throw error;
  },
  recovered() {},
};
const plain = { sync: 1000, rotateBytes: 2 ** 30 };

async function write(records: number, settings = plain) {
  const journal = createJournal(folder, settings, noTrouble);
  for (let i = 0; i < records; i++) journal.write("trial", 1000 + i, { i, bytes: Uint8Array.of(i, 255) });
  await journal.close();
}

describe("J1 to J3 journal", () => {
  test("what is written comes back, numbered and in order", async () => {
    await write(500);
    const { records, end } = await readJournal(folder);
    expect(records.map((r) => r.n)).toEqual(Array.from({ length: 500 }, (_, i) => i));
    expect(records[7]).toMatchObject({ kind: "trial", serverMs: 1007, i: 7 });
    expect([...(records[7].bytes as Uint8Array)]).toEqual([7, 255]);
    expect(end.torn).toBeNull();
  });

  test("a record's frame is its length, CRC-32 and body", () => {
    // CRC-32 of "123456789" is 0xcbf43926 (the check value of the algorithm).
    const frame = frameRecord(Buffer.from("123456789"));
    expect(frame.readUInt32LE(0)).toBe(9);
    expect(frame.readUInt32LE(4)).toBe(0xcbf43926);
    expect(frame.subarray(8).toString()).toBe("123456789");
  });

  test("cut at any byte: everything before the cut record comes back, and the tear is told", async () => {
    await write(3);
    const whole = await readFile(join(folder, JOURNAL_FILE));
    const { end } = await readJournal(folder);
    for (let bytes = 8; bytes < whole.length; bytes++) {
      await truncate(join(folder, JOURNAL_FILE), bytes);
      const cut = await readJournal(folder);
      expect(cut.records.length).toBeLessThan(3);
      expect(cut.end.bytes + (cut.end.torn ? 1 : 0)).toBeLessThanOrEqual(bytes + 1);
      if (cut.end.bytes !== bytes) expect(cut.end.torn).toMatch(/record \d at byte \d+/);
      await writeFile(join(folder, JOURNAL_FILE), whole);
    }
    expect(end.bytes).toBe(whole.length);
  });

  test("a flipped bit ends the reading where it is", async () => {
    await write(3);
    const path = join(folder, JOURNAL_FILE);
    const bytes = await readFile(path);
    bytes[bytes.length - 2] ^= 4;
    await writeFile(path, bytes);
    const { records, end } = await readJournal(folder);
    expect(records).toHaveLength(2);
    expect(end.torn).toContain("checksum");
  });

  test("J3 a record that is acted upon is in the file when the call returns; others at the end of the turn", async () => {
    const journal = createJournal(folder, plain, noTrouble);
    journal.write("spikes", 0, { i: 0 });
    expect(readFileSync(join(folder, JOURNAL_FILE)).length).toBe(8);
    journal.write("show", 0, { i: 1 });
    const now = readFileSync(join(folder, JOURNAL_FILE));
    expect(now.length).toBe(journal.place().bytes);
    journal.write("spikes", 0, { i: 2 });
    await new Promise(setImmediate);
    expect((await readFile(join(folder, JOURNAL_FILE))).length).toBe(journal.place().bytes);
    await journal.close();
  });

  test("J3 a file that has grown to its size is followed by the next, and all are read as one", async () => {
    await write(200, { sync: 1000, rotateBytes: 1000 });
    expect(readdirSync(folder).length).toBeGreaterThan(5);
    const { records, end } = await readJournal(folder);
    expect(records.map((r) => r.i)).toEqual(Array.from({ length: 200 }, (_, i) => i));
    expect(end).toMatchObject({ file: readdirSync(folder).length - 1, n: 200, torn: null });
  });

  test("J3 a next file that may not be made stalls the journal; all that came meanwhile is in it once it may", async () => {
    const told: string[] = [];
    const journal = createJournal(folder, { sync: 1000, rotateBytes: 1000 }, troubleIn(told));
    // A folder in its place is refused to an administrator too.
    mkdirSync(join(folder, "journal-0001.llj"));
    for (let i = 0; i < 100; i++) journal.write("trial", i, { i });
    await expect.poll(() => told).toEqual(["stalled: EISDIR"]);
    const kept = (await readJournal(folder).catch(() => null))?.records.length ?? 0;
    expect(kept).toBeLessThan(100);
    rmdirSync(join(folder, "journal-0001.llj"));
    await expect.poll(() => told).toEqual(["stalled: EISDIR", "recovered"]);
    journal.write("trial", 100, { i: 100 });
    await journal.close();
    const { records, end } = await readJournal(folder);
    expect(records.map(({ i }) => i)).toEqual(Array.from({ length: 101 }, (_, i) => i));
    expect(end.torn).toBeNull();
  });

  test("J3 a folder that is moved away stalls the journal; all that came meanwhile is in it once it is back", async () => {
    const told: string[] = [];
    const journal = createJournal(folder, { sync: 20, rotateBytes: 2 ** 30 }, troubleIn(told));
    journal.write("trial", 0, { i: 0 });
    renameSync(folder, `${folder}-away`);
    journal.write("trial", 1, { i: 1 });
    await expect.poll(() => told).toEqual(["stalled: ENOENT"]);
    journal.write("trial", 2, { i: 2 });
    renameSync(`${folder}-away`, folder);
    await expect.poll(() => told).toEqual(["stalled: ENOENT", "recovered"]);
    await journal.close();
    const { records, end } = await readJournal(folder);
    expect(records.map(({ i }) => i)).toEqual([0, 1, 2]);
    expect(end.torn).toBeNull();
  });

  test("J3 a folder that was deleted stalls the journal, another in its place is not written, and closing says so", async () => {
    const told: string[] = [];
    const journal = createJournal(folder, { sync: 20, rotateBytes: 2 ** 30 }, troubleIn(told));
    rmSync(folder, { recursive: true });
    journal.write("trial", 0, { i: 0 });
    await expect.poll(() => told).toEqual(["stalled: ENOENT"]);
    mkdirSync(folder);
    appendFileSync(join(folder, JOURNAL_FILE), "another");
    await expect(journal.close()).rejects.toThrow("another file is at");
    expect(readFileSync(join(folder, JOURNAL_FILE), "utf8")).toBe("another");
    expect(told).toEqual(["stalled: ENOENT"]);
  });

  test("J3 a journal goes on at its end, and nowhere else; reading may begin at any record", async () => {
    await write(3);
    const { end } = await readJournal(folder);
    const journal = continueJournal(folder, end, plain, noTrouble);
    const place = journal.place();
    journal.write("resumed", 0, {});
    await journal.close();
    expect((await readJournal(folder)).records.map(({ n }) => n)).toEqual([0, 1, 2, 3]);
    const kinds: string[] = [];
    await scanJournal(folder, ({ kind }) => void kinds.push(kind), place);
    expect(kinds).toEqual(["resumed"]);
    appendFileSync(join(folder, JOURNAL_FILE), "torn");
    expect(() => continueJournal(folder, end, plain, noTrouble)).toThrow("expected a journal to go on with");
  });

  test("an existing journal is never written over; a folder without one, or another file, is told", async () => {
    await write(1);
    expect(() => createJournal(folder, plain, noTrouble)).toThrow("expected a folder to write a new journal in");
    await expect(readJournal(tmpdir())).rejects.toThrow("expected a session's journal.llj");
    await writeFile(join(folder, JOURNAL_FILE), "something else");
    await expect(readJournal(folder)).rejects.toThrow("expected a journal that begins with LLJRNL01");
  });
});
