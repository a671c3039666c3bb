import { spawn, spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { SessionSummary } from "../../server/session/summary.ts";
import { anyPorts, start, temporaryFolder } from "../cli.ts";

const python = process.env.LATENTLOOP_PYTHON ?? "python3";
const peer = spawnSync(python, ["-c", "import zmq, msgpack"]);
const folder = temporaryFolder();
afterAll(() => rm(folder, { recursive: true }));

/** The README's script, as a stranger would copy it. */
const script = readFileSync("README.md", "utf8").match(/```python\n([\s\S]*?)```/)![1];

test("the README's Python script is about ten lines", () => {
  expect(script.trim().split("\n").length).toBeLessThanOrEqual(14);
});

test.skipIf(peer.status !== 0)(
  "W28: a stranger's Python script sends counts and follows the session (needs python3 with pyzmq and msgpack)",
  async () => {
    const experiment = join(folder, "two-cells.yaml");
    writeFileSync(
      experiment,
      readFileSync("protocols/experiments/one-to-one.yaml", "utf8").replace(
        /recording:[\s\S]*?units: \[\]/,
        "recording:\n  socket: pull\n  units: [{ name: cell-1 }, { name: cell-2 }]",
      ),
    );
    const session = start(
      "run",
      experiment,
      ...anyPorts,
      ...["--rig", "tcp://127.0.0.1:*", "--display", "headless", "--trials", "8", "--out", folder, "--json", "--hold"],
    );
    const [, spikes, events] = await session.says(/spikes from (\S+); public events on (\S+)/);
    const own = script.replace("tcp://127.0.0.1:5556", spikes).replace("tcp://127.0.0.1:5570", events);
    const child = spawn(python, ["-u", "-c", own], { stdio: ["ignore", "pipe", "inherit"] });
    let said = "";
    child.stdout.on("data", (chunk) => {
      said += chunk;
    });
    // Faces wait until the script sends: a trial before it does can't be placed on its clock.
    const [, display] = await session.says(/display: headless, at http(\S+)/);
    await session.says(/recording system connected/);
    await start("operator", "resume", "--url", `ws${display}operator`).finished;
    const { code, stdout, stderr } = await session.finished;
    await new Promise((resolve) => setTimeout(resolve, 300));
    child.kill();

    expect(code, stderr).toBe(0);
    const summary = JSON.parse(stdout) as SessionSummary;
    expect(summary).toMatchObject({
      trials: 8,
      usableTrials: 8,
      spikes: { lost: 0, rejected: 0 },
      tuningCorrelation: null,
    });
    expect(summary.units.map((u) => u.unit)).toEqual(["cell-1", "cell-2"]);
    // The script was told of every trial, and its own counts came back: cell-1 fires once a message, cell-2 never.
    const trials = said.trim().split("\n");
    expect(trials.length).toBe(8);
    for (const [i, line] of trials.entries()) {
      const [, trial, first, second] = line.match(/^(\d+) \[(\d+), (\d+)\]/)!;
      expect(Number(trial)).toBe(i);
      expect(Number(first)).toBeGreaterThan(0);
      expect(Number(second)).toBe(0);
    }
  },
);
