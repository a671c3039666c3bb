import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { bytesOf } from "../../protocols/wire/message.ts";
import { createJournal } from "../../server/session/journal.ts";

const python = process.env.LATENTLOOP_PYTHON ?? "python3";
const hasPython = (() => {
  try {
    execFileSync(python, ["-c", "import msgpack"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
})();

describe("J1 a journal is read without this program", () => {
  test.skipIf(!hasPython)("JOURNAL.md's Python reads every record, over files, up to a torn one", async () => {
    const folder = join(mkdtempSync(join(tmpdir(), "latentloop-")), "session");
    const journal = createJournal(folder, { sync: 1000, rotateBytes: 300 }, { stalled() {}, recovered() {} });
    for (let trial = 0; trial < 20; trial++)
      journal.write("trial", 1000.5, { trial, flags: ["complete"], countsU32: bytesOf(Uint32Array.of(trial, 70_000)) });
    const { file } = journal.place();
    expect(file).toBeGreaterThan(2);
    await journal.close();
    const last = join(folder, `journal-000${file}.llj`);
    const bytes = readFileSync(last);
    writeFileSync(last, bytes.subarray(0, bytes.length - 3));
    const [, code] = readFileSync("protocols/JOURNAL.md", "utf8").match(/```python\n([\s\S]*?)```/)!;
    const printed = execFileSync(python, ["-c", code.replace(/journal\("sessions[^"]*"\)/, `journal("${folder}")`)], {
      encoding: "utf8",
    });
    const lines = printed.trim().split("\n");
    expect(lines).toHaveLength(19);
    expect(lines[18]).toBe("18 ['complete'] [18, 70000]");
  });
});
