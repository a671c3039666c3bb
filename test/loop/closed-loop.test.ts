import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { readJournal } from "../../server/session/journal-reader.ts";
import type { SessionSummary } from "../../server/session/summary.ts";
import { anyPorts, start, temporaryFolder } from "../cli.ts";

const out = temporaryFolder();
afterAll(() => rm(out, { recursive: true }));
const experiment = "protocols/experiments/one-to-one.yaml";
/** Process numbers (Linux). */
const childrenOf = (parent: number) =>
  readdirSync("/proc").filter((pid) => {
    try {
      return Number(readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ")[1]) === parent;
    } catch {
      return false;
    }
  });
/** Until a session's journal has a trial. */
async function firstTrial(folder: string): Promise<void> {
  for (;;) {
    const { records } = await readJournal(folder);
    if (records.some(({ kind }) => kind === "trial")) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
const headless = [...anyPorts, "--display", "headless", "--out", out];

describe("a session over real sockets, rig and display in processes of their own", () => {
  test("faces that are read back explain trials as they came out, and are journalled and summed up", async () => {
    const file = `${temporaryFolder()}/realised.yaml`;
    writeFileSync(file, `${readFileSync(experiment, "utf8")}\nvalidity: { regressor: realised, threshold: 0.6 }\n`);
    const { code, stdout, stderr } = await start("run", file, ...headless, "--trials", "12", "--json").finished;
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/faces are read back: 0\.\d\d \(median\)/);
    const summary = JSON.parse(stdout.trim().split("\n").at(-1)!) as SessionSummary;
    expect(summary.realised!.faces).toBe(12);
    expect(summary.realised!.difference.median).toBeLessThan(0.6);
    const { records } = await readJournal(summary.sessionDir);
    expect(records.filter((r) => r.kind === "realised").map((r) => r.face)).toEqual([...Array(12).keys()]);
  });

  test.each(["latentloop", "open-ephys"])(
    "rig speaking %s: forty trials, nothing lost, every one accounted for",
    async (format) => {
      const { code, stdout, stderr } = await start(
        "run",
        experiment,
        ...headless,
        ...["--trials", "40", "--seed", "1", "--rig-format", format, "--json"],
      ).finished;
      expect(code, stderr).toBe(0);
      const summary = JSON.parse(stdout.trim().split("\n").at(-1)!) as SessionSummary;
      expect(summary).toMatchObject({ trials: 40, spikes: { lost: 0, rejected: 0 } });
      expect(summary.units).toHaveLength(20);
      expect(summary.tuningCorrelation!.median).toBeGreaterThan(0.5);
      expect(summary.lastSpikeToReadyMs!.p50).toBeGreaterThan(0);

      const { records, end } = await readJournal(summary.sessionDir);
      expect(end.torn).toBeNull();
      expect(records.map((r) => r.n)).toEqual(records.map((_, i) => i));
      const of = (kind: string) => records.filter((r) => r.kind === kind);
      expect(of("choice").map((r) => r.face)).toEqual(Array.from({ length: 40 }, (_, i) => i));
      expect(of("trial").map((r) => r.trial)).toEqual(Array.from({ length: 40 }, (_, i) => i));
      // The counts of a trial are the spikes in its window, as the journal has them.
      const { window, countsU32 } = of("trial")[20] as unknown as {
        window: { startS: number; endS: number };
        countsU32: Uint8Array;
      };
      const { startS, endS } = window;
      const counted = new Uint32Array(20);
      for (const { unitU16, timeF64 } of of("spikes") as unknown as { unitU16: Uint8Array; timeF64: Uint8Array }[]) {
        const unit = new Uint16Array(Uint8Array.from(unitU16).buffer);
        const timeS = new Float64Array(Uint8Array.from(timeF64).buffer);
        timeS.forEach((t, i) => {
          if (t >= startS && t < endS) counted[unit[i]]++;
        });
      }
      expect([...new Uint32Array(Uint8Array.from(countsU32).buffer)]).toEqual([...counted]);
    },
  );

  test.each(["latentloop", "open-ephys"])(
    "T10, T12: a photodiode on a rig speaking %s places trials on the rig's own clock to less than 1 ms, and others are not used",
    async (format) => {
      const file = join(out, `photodiode-${format}.yaml`);
      const text = readFileSync(experiment, "utf8").replace(
        "response:",
        "alignment: { method: photodiode }\nresponse:",
      );
      writeFileSync(file, text);
      const { code, stdout, stderr } = await start(
        "run",
        file,
        ...headless,
        ...["--trials", "30", "--seed", "1", "--rig-format", format, "--json"],
      ).finished;
      expect(code, stderr).toBe(0);
      const { records } = await readJournal((JSON.parse(stdout) as SessionSummary).sessionDir);
      const trials = records.filter((r) => r.kind === "trial") as unknown as {
        presentation: number;
        flags: string[];
        window: { startS: number; by: string };
      }[];
      const onsets = new Map(
        records.flatMap((r) =>
          r.kind === "presentation"
            ? (r.onsets as { presentation: number; onsetServerMs: number }[]).map(
                (o) => [o.presentation, o.onsetServerMs] as const,
              )
            : [],
        ),
      );
      expect(trials).toHaveLength(30);
      // On a busy machine the simulated rig may hear of a face after its light was due: that edge comes too late to be taken.
      const placed = trials.filter((t) => t.window.by === "photodiode");
      expect(placed.length).toBeGreaterThanOrEqual(20);
      expect(trials.filter((t) => t.flags.includes("unaligned"))).toEqual(trials.filter((t) => !placed.includes(t)));
      expect(trials.filter((t) => t.flags.includes("complete"))).toEqual(placed);
      // The rig lights its screen 30 ms after an onset, on a clock that no one else knows: every trial tells the same shift.
      const shifts = placed.map((t) => 1000 * t.window.startS - onsets.get(t.presentation)!);
      expect(Math.max(...shifts) - Math.min(...shifts)).toBeLessThan(1);
    },
  );

  test("Ctrl-C ends the session cleanly, with its summary and a whole journal", async () => {
    const session = start("run", experiment, ...headless, "--json");
    const [, folder] = await session.says(/session (\/.*)/);
    await firstTrial(folder);
    session.signal("SIGINT");
    const { code, stdout } = await session.finished;
    expect(code).toBe(0);
    const summary = JSON.parse(stdout.trim()) as SessionSummary;
    expect(summary.trials).toBeGreaterThan(0);
    expect(summary.trials).toBeLessThan(300);
    const { records, end } = await readJournal(folder);
    expect(end.torn).toBeNull();
    expect(records.at(-1)).toMatchObject({ kind: "summary" });
    expect(records.filter((r) => r.kind === "trial")).toHaveLength(summary.trials);
  });

  test("Ctrl-C while the session is being opened ends it before its first trial", async () => {
    const session = start("run", experiment, ...headless, "--trials", "20", "--json");
    await session.says(/session \//);
    session.signal("SIGINT");
    const { code, stdout, stderr } = await session.finished;
    expect(code, stderr).toBe(0);
    expect((JSON.parse(stdout) as SessionSummary).trials).toBeLessThan(3);
  });

  test.skipIf(process.platform !== "linux")(
    "a simulated rig that dies ends the session: told, exit code 1, the journal whole",
    async () => {
      const session = start("run", experiment, ...headless);
      const [, folder] = await session.says(/session (\/.*)/);
      await session.says(/spikes from/);
      const own = childrenOf(session.pid!).filter((pid) =>
        readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("sim/rig"),
      );
      expect(own).toHaveLength(1);
      await firstTrial(folder);
      process.kill(Number(own[0]), "SIGKILL");
      const { code, stderr } = await session.finished;
      expect(code).toBe(1);
      expect(stderr).toContain("the simulated rig ended");
      const { records, end } = await readJournal(folder);
      expect(end.torn).toBeNull();
      expect(records.some((r) => r.kind === "trial")).toBe(true);
    },
  );

  test("O2: an operator pauses, resumes and aborts it from another process", async () => {
    const session = start("run", experiment, ...headless, "--json");
    const [, folder] = await session.says(/session (\/.*)/);
    const [, port] = await session.says(/display: headless, at http:\/\/127\.0\.0\.1:(\d+)/);
    const tell = (op: string) =>
      start("operator", op, "--url", `ws://127.0.0.1:${port}/operator`).finished.then(
        ({ stdout, stderr }) => stdout + stderr,
      );
    const trialsOnce = () => new Promise((resolve) => setTimeout(resolve, 2500));
    await firstTrial(folder);
    expect(await tell("resume")).toContain("expected a paused session to resume, but it is running");
    expect(await tell("pause")).toBe("pause: the session is paused\n");
    await trialsOnce();
    expect(await tell("resume")).toBe("resume: the session is running\n");
    await trialsOnce();
    expect(await tell("abort")).toBe("abort: the session is ended\n");
    const { code, stdout } = await session.finished;
    expect(code).toBe(0);
    const { records } = await readJournal((JSON.parse(stdout) as SessionSummary).sessionDir);
    const at = (op: string) => records.find((r) => r.kind === "command" && r.command === op)!.serverMs;
    const onsets = records.flatMap((r) =>
      r.kind === "presentation" ? (r.onsets as { onsetServerMs: number }[]).map((o) => o.onsetServerMs) : [],
    );
    // A face that was asked for before the pause may still come, a period of 250 ms later at most (and two frames).
    expect(onsets.filter((ms) => ms > at("pause") + 300 && ms < at("resume"))).toEqual([]);
    expect(onsets.some((ms) => ms > at("resume"))).toBe(true);
  });
});
