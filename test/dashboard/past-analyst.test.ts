import { writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createPastAnalyst, type PastData, type Taught } from "../../server/dashboard/past-analyst.ts";
import { readSession } from "../../server/session/folder.ts";
import { isUsable } from "../../server/trials/trial.ts";
import { smallExperiment, start, temporaryFolder } from "../cli.ts";

const out = temporaryFolder();
let data: PastData;
beforeAll(async () => {
  const experiment = join(out, "small.yaml");
  writeFileSync(experiment, smallExperiment("small", 18, "{ ramp: 2, bump: 1 }"));
  const { code, stdout, stderr } = await start(
    "run",
    experiment,
    ...["--virtual", "--seed", "2", "--out", out, "--json"],
  ).finished;
  expect(code, stderr).toBe(0);
  const folder = JSON.parse(stdout).sessionDir;
  const taught: Taught[] = [];
  const { decider } = await readSession(folder, (event) => {
    if (event.kind !== "trial" || !isUsable(event.trial)) return;
    const { trial, latents, counts, window } = event.trial;
    taught.push({
      after: taught.length + 1,
      trial,
      seen: { latents, counts: Float64Array.from(counts), windowS: window!.endS - window!.startS },
    });
  });
  data = { ...decider!, folder, taught };
});
afterAll(() => rm(out, { recursive: true }));

/** Other programs may be at work. */
const slowly = { timeout: 60_000 };
const made = async (mostBytes?: number) => {
  const analyst = createPastAnalyst(data, mostBytes);
  await expect.poll(() => analyst.progress(0), slowly).toMatchObject({ failed: null, isRead: true });
  return analyst;
};

test("D6: a trial's figures are the same whichever way a page comes to it", async () => {
  const [one, other] = [await made(), await made()];
  for (const trials of [3, 18, 9]) one.estimates(trials, false);
  one.examine(9);
  for (const trials of [9, 3]) {
    const { at, estimates } = one.estimates(trials, true);
    expect(at).toBe(trials);
    expect(estimates.trials).toBe(trials);
    expect(estimates).toEqual(other.estimates(trials, true).estimates);
    expect(one.read(trials)).toEqual(other.read(trials));
    expect(one.look(trials, 1)).toEqual(other.look(trials, 1));
  }
  const { estimate, low, high } = one.estimates(18, true).estimates.population!;
  expect(low).toBeLessThan(estimate);
  expect(high).toBeGreaterThan(estimate);
  expect(one.estimates(18, true).estimates).not.toEqual(one.estimates(12, true).estimates);
});

test("D6: beliefs that take too much memory are kept for every so many-th trial and the last, each as it was", async () => {
  const [all, few] = [await made(), await made(6 * 70_000)];
  const { stride, known } = few.progress(0);
  expect(stride).toBeGreaterThan(1);
  expect(known).toBe(18);
  for (let trials = 0; trials <= 18; trials++) {
    const { at, estimates } = few.estimates(trials, false);
    expect(at).toBe(trials === 18 ? 18 : trials - (trials % stride));
    expect(estimates).toEqual(all.estimates(at, false).estimates);
  }
  await expect.poll(() => few.progress(0).isPlotted, slowly).toBe(true);
  const { points } = few.progress(0);
  // Faces are read back by what was kept last before them.
  expect(points.filter(({ kind }) => kind === "distance")).toHaveLength(18 - stride);
});

test("D6: before the first trial nothing is known and no face can be read", async () => {
  const analyst = await made();
  expect(analyst.estimates(0, false)).toMatchObject({ at: 0, estimates: { trials: 0, population: null } });
  expect(analyst.read(0)).toBeNull();
  expect(analyst.read(1)).toBeNull();
});
