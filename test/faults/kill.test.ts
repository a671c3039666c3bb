import { readFileSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { random } from "../../server/random.ts";
import { readJournal } from "../../server/session/journal-reader.ts";
import { eventOf } from "../../server/session/recorded.ts";
import { snapshotNames } from "../../server/session/snapshot.ts";
import { isBroken } from "../../server/trials/trial.ts";
import { anyPorts, start, temporaryFolder } from "../cli.ts";
import { isLong } from "./long.ts";

const out = temporaryFolder();
afterAll(() => rm(out, { recursive: true }));

/** A quick session of real processes: seven faces a second, eight units, faces read back. */
const experiment = (trials: number) => `
name: killed
trials: ${trials}
model: faces-64
latents: 12
stimulus: { onMs: 100, gapMs: 40 }
response: { latencyMs: 40, windowMs: 120 }
choice: { objective: variance, lookahead: 3, bases: 1, refinements: 1 }
session: { rotateMiB: 0.05, snapshotTrials: 3 }
simulation: { ramp: 4, axis: 4 }
`;

/** More than are shown between two kills. */
const TRIALS = 9;

/** Kills a session's server so many times, each time at a moment drawn anew, and lets it end at last. */
async function killed(kills: number, seed: number) {
  const draw = random("kill").split(seed);
  const file = join(out, `killed-${seed}.yaml`);
  writeFileSync(file, experiment(TRIALS * (kills + 1)));
  let running = start("run", file, ...anyPorts, "--display", "headless", "--out", out, "--seed", `${seed}`);
  const [, folder] = await running.says(/session (\/.*)/);
  for (let i = 0; i < kills; i++) {
    const [before] = snapshotNames(folder);
    // While it is opened or the journal is read, or while faces are shown.
    if (draw.uniform() < 0.7) await running.says(/display connected/);
    // The last one at least goes on from a snapshot that was written since it went on before, however slow the machine.
    if (i === kills - 1) await expect.poll(() => snapshotNames(folder)[0], { timeout: 60_000 }).not.toBe(before);
    await new Promise((resolve) => setTimeout(resolve, 1500 * draw.uniform()));
    running.signal("SIGKILL");
    await running.finished;
    running = start("run", "--resume", folder, "--port", "0");
  }
  const { code, stderr } = await running.finished;
  expect(code, stderr).toBe(0);
  expect(stderr).toContain("since the session last went on 0 messages lost");
  return folder;
}

/** What must hold of any journal, however often its server died. */
async function check(folder: string, planned: number) {
  const { records, end } = await readJournal(folder);
  expect(end.torn).toBeNull();
  expect(records.map(({ n }) => n)).toEqual(records.map((_, i) => i));
  const events = records.map(eventOf).filter((event) => event !== null);
  const resumed = records.filter(({ kind }) => kind === "resumed");
  expect(resumed.length).toBeGreaterThan(0);
  expect(JSON.parse(readFileSync(join(folder, "summary.json"), "utf8"))).toMatchObject({
    resumptions: resumed.length,
  });
  expect(resumed.flatMap(({ passedOver }) => passedOver)).toEqual([]);
  expect(resumed.map(({ difference }) => difference)).toEqual(resumed.map(() => null));
  const trials = events.flatMap((event) => (event.kind === "trial" ? [event.trial] : []));
  const plans = events.flatMap((event) => (event.kind === "plan" ? [event.output] : []));
  const onsets = plans.flatMap((output) => output.onsets);
  const aborted = plans.flatMap((output) => output.aborted).map(({ presentation }) => presentation);
  const shows = plans.flatMap(({ messages }) => messages.flatMap((m) => (m.op === "show" ? [m.presentation] : [])));
  // No trial is counted twice or lost, and each face is answered once.
  expect(trials.map(({ trial }) => trial)).toEqual(trials.map((_, i) => i));
  const counted = trials.filter((trial) => !isBroken(trial));
  expect(counted.map(({ face }) => face)).toEqual(Array.from({ length: planned }, (_, i) => i));
  // Every onset is one trial.
  expect(trials.map(({ presentation }) => presentation).toSorted((a, b) => a - b)).toEqual(
    onsets.map(({ presentation }) => presentation).slice(0, trials.length),
  );
  // What was shown before, or may have been, is marked before its face comes again.
  const marked = new Set([...aborted, ...trials.filter(isBroken).map(({ presentation }) => presentation)]);
  const faces = new Map<number, number[]>();
  for (const { face, presentation } of onsets) faces.set(face, [...(faces.get(face) ?? []), presentation]);
  for (const all of faces.values()) for (const earlier of all.slice(0, -1)) expect(marked).toContain(earlier);
  expect(new Set(shows).size).toBe(shows.length);
  const told = new Set([...aborted, ...onsets.map(({ presentation }) => presentation)]);
  expect(shows.filter((presentation) => !told.has(presentation)).length).toBeLessThanOrEqual(1);
  // Choices once each, and the decider never went another way than one that was never killed.
  const choices = events.flatMap((event) => (event.kind === "choice" ? [event.face] : []));
  expect(choices).toEqual(Array.from({ length: planned }, (_, i) => i));
  const { code, stdout } = await start("replay", folder, "--verify").finished;
  expect(stdout).toContain(
    `identical: ${planned} choices with their reasons, and the posterior after each of ${planned}`,
  );
  const recounted = await start("replay", folder, "--rig", "recorded", "--speed", "max").finished;
  expect(recounted.stdout).toContain("trials: all counts as recorded, and windows, flags and closing times with them");
  expect(stdout.match(/snapshot-\d+\.lls: as the journal comes to it/g)).toHaveLength(2);
  expect(code, stdout).toBe(0);
  return resumed.filter(({ snapshot }) => snapshot !== null).length;
}

describe("J5, J11, J16 a server that is killed at any instant", () => {
  const kills = isLong ? 300 : 5;
  test(`${kills} times: the session goes on with the same posterior, no trial twice or lost, no face shown twice unmarked`, {
    timeout: isLong ? 3_600_000 : 180_000,
  }, async () => {
    // A session of 300 kills would be long: several, of 20 each.
    const each = Math.min(kills, 20);
    let fromSnapshots = 0;
    for (let seed = 1; seed <= kills / each; seed++)
      fromSnapshots += await check(await killed(each, seed), TRIALS * (each + 1));
    expect(fromSnapshots).toBeGreaterThan(0);
  });
});
