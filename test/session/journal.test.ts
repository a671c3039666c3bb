import { closeSync, readdirSync, readlinkSync } from "node:fs";
import { mkdtemp, readFile, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { createJournal, frameRecord, JOURNAL_FILE, readJournal } from "../../server/session/journal.ts";

let folder: string;
beforeEach(async () => {
  folder = join(await mkdtemp(join(tmpdir(), "latentloop-")), "session");
});

/** This process's descriptor of a file (Linux). */
function descriptorOf(path: string): number {
  const found = readdirSync("/proc/self/fd").find((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === path;
    } catch {
      return false;
    }
  });
  return Number(found);
}

async function write(records: number) {
  const journal = await createJournal(folder, (error) => {
    throw error;
  });
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

  test.skipIf(process.platform !== "linux")(
    "a write that fails is told once, what follows is ignored, and close says so",
    async () => {
      const told: Error[] = [];
      const journal = await createJournal(folder, (error) => told.push(error));
      journal.write("trial", 0, { i: 0 });
      await new Promise((resolve) => setTimeout(resolve, 50));
      // The journal's file handle is the only one on this file: closing it under the journal makes every write fail.
      closeSync(descriptorOf(join(folder, JOURNAL_FILE)));
      for (let i = 1; i < 20; i++) {
        journal.write("trial", 0, { i });
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      await expect(journal.close()).rejects.toThrow("EBADF");
      expect(told).toHaveLength(1);
      expect((await readJournal(folder)).records).toHaveLength(1);
    },
  );

  test("an existing journal is never written over; a folder without one, or another file, is told", async () => {
    await write(1);
    await expect(createJournal(folder, () => {})).rejects.toThrow("expected a folder to write a new journal in");
    await expect(readJournal(tmpdir())).rejects.toThrow("expected a session's journal.llj");
    await writeFile(join(folder, JOURNAL_FILE), "something else");
    await expect(readJournal(folder)).rejects.toThrow("expected a journal that begins with LLJRNL01");
  });
});
