import { appendFileSync, cpSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bundledModel } from "../../server/model/model-folder.ts";
import type { Played } from "../../server/playback/playback.ts";
import { anyPorts, smallExperiment, start, temporaryFolder } from "../cli.ts";

const TRIALS = 8;
const out = temporaryFolder();
const model = join(out, "model");
let live: string;
beforeAll(async () => {
  cpSync(bundledModel("faces-64"), model, { recursive: true });
  const experiment = join(out, "small.yaml");
  writeFileSync(experiment, smallExperiment("small", TRIALS, "{ ramp: 2 }").replace("faces-64", "./model"));
  live = await session("run", experiment, ...anyPorts, "--display", "headless");
}, 60_000);
afterAll(() => rm(out, { recursive: true }));

async function session(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await start(...args, "--out", out, "--json").finished;
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout).sessionDir;
}

const headless = ["--display", "headless", "--port", "0"];
const contents = (folder: string) =>
  readdirSync(folder).map((name) => [name, statSync(join(folder, name)).size, statSync(join(folder, name)).mtimeMs]);

describe("J15 replay --speed", { timeout: 60_000 }, () => {
  test("every face comes on the display again, in the session's time over the speed, and ends by itself", async () => {
    const before = contents(live);
    const { code, stdout, stderr } = await start("replay", live, "--speed", "2", ...headless, "--json").finished;
    expect(code, stderr).toBe(0);
    const played = JSON.parse(stdout) as Played;
    const all = { shown: TRIALS, all: TRIALS };
    expect(played).toMatchObject({ faces: all, trials: { closed: TRIALS, all: TRIALS } });
    expect(played.tookS).toBeGreaterThanOrEqual(played.recordedS / 2 - 0.01);
    expect(played.tookS).toBeLessThan(played.recordedS / 2 + 1);
    expect(stderr).not.toContain("note: model");
    expect(contents(live)).toEqual(before);
  });

  test("a session in virtual time plays the same; max does not wait", async () => {
    const virtual = await session("run", join(out, "small.yaml"), "--virtual");
    const { code, stdout, stderr } = await start("replay", virtual, "--speed", "max", ...headless).finished;
    expect(code, stderr).toBe(0);
    expect(stdout).toBe("");
    const [, tookS, recordedS] = stderr.match(/played 8 faces and 8 trials in ([\d.]+) s, recorded in ([\d.]+) s$/m)!;
    expect(Number(recordedS)).toBeGreaterThan(1.9);
    expect(Number(tookS)).toBeLessThan(Number(recordedS));
  });

  test("Ctrl-C ends it, with what was played by then", async () => {
    const playing = start("replay", live, "--speed", "0.1", ...headless);
    await playing.says(/display connected: 60.00 Hz/);
    playing.signal("SIGINT");
    const { code, stderr } = await playing.finished;
    expect(code).toBe(0);
    expect(stderr).toMatch(/played \d of 8 faces and \d of 8 trials in/);
  });

  test("what is not a speed is refused, and so is more than one thing to do, or none", async () => {
    for (const [args, words] of [
      [["--speed", "0"], '--speed (or max): expected a number from 0.01 to 1000, got "0"'],
      [["--speed", "fast"], '--speed (or max): expected a number from 0.01 to 1000, got "fast"'],
      [
        ["--speed", "1", "--verify"],
        "expected one of --verify, --objective, --rig and --speed to say what to do, found 2",
      ],
      [[], "expected one of --verify, --objective, --rig and --speed to say what to do, found none"],
    ] as const) {
      const { code, stderr } = await start("replay", live, ...args).finished;
      expect(stderr).toContain(words);
      expect(code).toBe(2);
    }
  });

  test("where the model is another one by now, that is said, and it plays", async () => {
    appendFileSync(join(model, "card.json"), "\n");
    const { code, stderr } = await start("replay", live, "--speed", "max", ...headless).finished;
    expect(stderr).toMatch(/note: model .*: it is not what the session ran with: faces may look otherwise/);
    expect(code).toBe(0);
  });
});
