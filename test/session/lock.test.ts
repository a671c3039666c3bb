import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { LOCK_FILE, lockSession, type Owner } from "../../server/session/lock.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "latentloop-"));
});
const left = (owner: Partial<Owner>) =>
  writeFileSync(
    join(folder, LOCK_FILE),
    JSON.stringify({ pid: process.pid, host: hostname(), since: "then", started: null, ...owner }),
  );

describe("J6 one server writes a session", () => {
  test("a second one is refused and told who writes it; after its release another may", () => {
    const lock = lockSession(folder);
    expect(lock.tookOverFrom).toBeNull();
    expect(() => lockSession(folder)).toThrow(`process ${process.pid} on ${hostname()}`);
    lock.release();
    expect(existsSync(join(folder, LOCK_FILE))).toBe(false);
    lockSession(folder).release();
  });

  test("the lock of a process that is gone is taken over, and told", async () => {
    const child = spawn("true");
    await new Promise((resolve) => child.once("exit", resolve));
    left({ pid: child.pid! });
    expect(lockSession(folder).tookOverFrom).toMatchObject({ pid: child.pid, since: "then" });
    expect(JSON.parse(readFileSync(join(folder, LOCK_FILE), "utf8")).pid).toBe(process.pid);
  });

  test.skipIf(process.platform !== "linux")("a process number that has come again is another process", () => {
    left({ started: "1" });
    expect(lockSession(folder).tookOverFrom).toMatchObject({ started: "1" });
  });

  test("a lock from another computer is held, whoever is dead here; one that is no lock is nobody's", () => {
    left({ host: "elsewhere", pid: 4_000_000 });
    expect(() => lockSession(folder)).toThrow("if that computer is off, remove");
    writeFileSync(join(folder, LOCK_FILE), "{");
    expect(lockSession(folder).tookOverFrom).toBeNull();
  });
});
