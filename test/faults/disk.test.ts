import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { readJournal } from "../../server/session/journal-reader.ts";
import { anyPorts, smallExperiment, start, startAs, temporaryFolder } from "../cli.ts";

const out = join(temporaryFolder(), "small");
mkdirSync(out);
/** A file system of its own, which can be filled; only an administrator may make one. */
const isMounted = (() => {
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=20m", "tmpfs", out], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
})();
afterAll(() => {
  if (isMounted) execFileSync("umount", [out]);
});

/** Fills the small disk but for so many bytes. */
function fill(left: number): void {
  const { bavail, bsize } = statfsSync(out);
  try {
    writeFileSync(join(out, "filler"), new Uint8Array(bavail * bsize - left));
  } catch (error) {
    // A session has written meanwhile: then it is full all the sooner.
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  }
}

test.skipIf(!isMounted)(
  "J3 a disk that is full pauses the session and says so; once there is room it goes on, and nothing is lost",
  { timeout: 120_000 },
  async () => {
    const session = start(
      ...["run", "protocols/experiments/one-to-one.yaml", ...anyPorts, "--display", "headless"],
      ...["--trials", "40", "--seed", "1", "--out", out, "--json"],
    );
    const [, folder] = await session.says(/session (\/.*)/);
    for (;;) {
      const { records } = await readJournal(folder);
      if (records.filter(({ kind }) => kind === "trial").length >= 5) break;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    fill(0);
    await session.says(/paused: the disk is full \(ENOSPC/);
    // The last record that was begun may be torn as long as the disk is full.
    const full = (await readJournal(folder)).records.length;
    await new Promise((resolve) => setTimeout(resolve, 3000));
    expect((await readJournal(folder)).records.length).toBe(full);
    rmSync(join(out, "filler"));
    await session.says(/the journal is written again/);

    const { code, stdout, stderr } = await session.finished;
    expect(code, stderr).toBe(0);
    const summary = JSON.parse(stdout);
    expect(summary).toMatchObject({ trials: 40, spikes: { lost: 0 } });
    // On a busy machine a few onsets may be too uncertain; a disk that fills makes no more of them.
    expect(summary.usableTrials).toBeGreaterThanOrEqual(30);
    const { records, end } = await readJournal(folder);
    expect(end.torn).toBeNull();
    expect(records.map(({ n }) => n)).toEqual(records.map((_, i) => i));
    expect(records.flatMap((r) => (r.kind === "command" ? [r.command] : []))).toEqual(["pause", "resume"]);
    const replay = await start("replay", folder, "--verify").finished;
    expect(replay.stdout).toContain("identical: 40 choices");
  },
);

test.skipIf(!isMounted)(
  "J3 a session in virtual time waits for room too, and is then the one that it would have been",
  { timeout: 120_000 },
  async () => {
    const trials = 100;
    const run = (folder: string) =>
      start(
        ...["run", "protocols/experiments/one-to-one.yaml", "--virtual", "--trials", `${trials}`],
        ...["--seed", "1", "--out", folder, "--json"],
      );
    fill(100_000);
    const session = run(out);
    await session.says(/paused: the disk is full \(ENOSPC/);
    rmSync(join(out, "filler"));
    await session.says(/the journal is written again/);
    const { code, stdout, stderr } = await session.finished;
    expect(code, stderr).toBe(0);
    const elsewhere = temporaryFolder();
    const undisturbed = JSON.parse((await run(elsewhere).finished).stdout);
    rmSync(elsewhere, { recursive: true });
    expect({ ...JSON.parse(stdout), sessionDir: "" }).toEqual({ ...undisturbed, sessionDir: "" });
  },
);

test("J3 a session whose folder is deleted is paused and says so; its summary is printed all the same", {
  timeout: 120_000,
}, async () => {
  const parent = temporaryFolder();
  const session = start(
    ...["run", "protocols/experiments/one-to-one.yaml", ...anyPorts, "--display", "headless"],
    ...["--trials", "400", "--seed", "1", "--out", parent, "--json"],
  );
  const [, folder] = await session.says(/session (\/.*)/);
  while (!(await readJournal(folder)).records.some(({ kind }) => kind === "trial"))
    await new Promise((resolve) => setTimeout(resolve, 100));
  rmSync(folder, { recursive: true });
  await session.says(/paused: the session's folder has gone \(ENOENT/);
  session.signal("SIGINT");
  const { code, stdout, stderr } = await session.finished;
  expect(code, stderr).toBe(1);
  expect(JSON.parse(stdout).trials).toBeGreaterThan(0);
  expect(stderr).toMatch(
    /the session's end could not be written to \/.* \(ENOENT.*: what is printed here is all there is of it\n$/,
  );
  expect(stderr).not.toContain("    at ");
  expect(existsSync(folder)).toBe(false);
  rmSync(parent, { recursive: true });
});

/** No permission binds an administrator: then the session is somebody else's. */
const user = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
const mayRun = (await startAs(user, "--version").finished).code === 0;

test.skipIf(!mayRun)(
  "J3 a folder in which no next file may be made pauses the session and says so; it goes on once one may, and nothing is lost",
  { timeout: 120_000 },
  async () => {
    const parent = temporaryFolder();
    const experiment = join(parent, "small.yaml");
    writeFileSync(experiment, smallExperiment("small", 40, "{ ramp: 2 }", "session: { rotateMiB: 0.05 }"));
    if (user.uid !== undefined) for (const path of [parent, experiment]) chownSync(path, user.uid, user.gid);
    const session = startAs(user, "run", experiment, ...anyPorts, "--display", "headless", "--out", parent, "--json");
    const [, folder] = await session.says(/session (\/.*)/);
    await session.says(/display connected/);
    chmodSync(folder, 0o555);
    await session.says(/paused: the journal can't be written \(EACCES.*journal-\d{4}.llj.*; nothing is lost/);
    chmodSync(folder, 0o755);
    await session.says(/the journal is written again/);
    const { code, stderr } = await session.finished;
    expect(code, stderr).toBe(0);
    const { records, end } = await readJournal(folder);
    expect(end.torn).toBeNull();
    expect(end.file).toBeGreaterThan(0);
    expect(records.map(({ n }) => n)).toEqual(records.map((_, i) => i));
    expect(records.flatMap((r) => (r.kind === "command" ? [r.command] : []))).toEqual(["pause", "resume"]);
    rmSync(parent, { recursive: true });
  },
);
