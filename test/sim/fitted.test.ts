import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { FittedUnit } from "../../protocols/experiment.ts";
import { random } from "../../server/random.ts";
import { readExperiment } from "../../server/session/experiment-file.ts";
import { readJournal } from "../../server/session/journal-reader.ts";
import { float64s } from "../../server/session/recorded.ts";
import type { SessionSummary } from "../../server/session/summary.ts";
import { curveGrid, type UnitReport } from "../../server/tuning/report.ts";
import { createPopulation } from "../../sim/neurons/unit.ts";
import { smallExperiment, start, temporaryFolder } from "../cli.ts";

const out = temporaryFolder();
afterAll(() => rm(out, { recursive: true }));
const file = (name: string) => join(out, name);
const done = async (...args: string[]) => {
  const { code, stdout, stderr } = await start(...args).finished;
  expect(code, stderr).toBe(0);
  return stdout;
};
const simulating = (simulation: string) => {
  writeFileSync(file("next.yaml"), smallExperiment("next", 20, simulation));
  return readExperiment(file("next.yaml"));
};

test("V7 the units of an NWB file are simulated with their rates and their scatter", { timeout: 120_000 }, async () => {
  // A recording: neurons with the rates and the scatter of V1 and V2 units, as units and presentations in an NWB file.
  writeFileSync(file("recorded.yaml"), smallExperiment("recorded", 250, "{ recorded: 3 }"));
  const told = await done("run", file("recorded.yaml"), "--virtual", "--seed", "3", "--out", out, "--json");
  const { sessionDir } = JSON.parse(told) as SessionSummary;
  await done("export", sessionDir, "--nwb", file("recorded.nwb"));
  await done("analyse", file("recorded.nwb"), "--out", file("analysis"));
  const estimates = JSON.parse(readFileSync(file("analysis/estimates.json"), "utf8")) as {
    units: UnitReport[];
    shown: { low: number[]; high: number[] };
  };

  const { simulation, latents } = await simulating("{ recorded: 40, recordedFrom: analysis/estimates.json }");
  const given = simulation!.recordedFrom as FittedUnit[];
  expect(given).toHaveLength(3);
  const original = createPopulation({ recorded: 3 }, latents, random(3).split("population"));
  for (const [u, { at, meanHz, dispersion }] of given.entries()) {
    const { bestLatent, curves, dispersion: estimated } = estimates.units[u];
    expect(bestLatent).toBe(original[u].tunedTo[0]);
    // As far as faces were shown: to the ends of the range here.
    expect([at[0], at.at(-1)]).toEqual([estimates.shown.low[bestLatent], estimates.shown.high[bestLatent]]);
    at.forEach((z, i) => {
      const own = curveGrid.indexOf(z);
      if (own >= 0) expect(meanHz[i]).toBeCloseTo(curves[bestLatent].rateHz[own], 1);
    });
    expect(dispersion).toBeCloseTo(estimated, 3);
    // And they are those of the neurons that were recorded, as far as 250 trials tell.
    const z = new Float64Array(latents);
    const truth = at.map((x) => {
      z[bestLatent] = x;
      return original[u].rateHz(z, 0);
    });
    const inside = at.flatMap((x, i) => (Math.abs(x) <= 2 ? [i] : []));
    const error = inside.reduce((sum, i) => sum + (Math.sqrt(meanHz[i]) - Math.sqrt(truth[i])) ** 2, 0) / inside.length;
    expect(Math.sqrt(error)).toBeLessThan(0.6);
  }

  const units = createPopulation(simulation!, latents, random(1).split("population"));
  const z = new Float64Array(latents);
  const drawn = new Set<number>();
  for (const { tunedTo, rateHz, refractoryMs } of units) {
    expect(refractoryMs).toBe(0);
    const own = given.findIndex(({ at, meanHz }) => meanHz[at.indexOf(0)] === rateHz(z, 0));
    expect(own).toBeGreaterThanOrEqual(0);
    drawn.add(own);
    const [low, high] = [0, 0.5].map((place) => given[own].meanHz[given[own].at.indexOf(place)]);
    z[tunedTo[0]] = 0.25;
    expect(rateHz(z, 0)).toBeCloseTo((low + high) / 2, 9);
    z[tunedTo[0]] = 0;
  }
  expect(drawn.size).toBe(3);

  // What was read is part of the experiment, so that a session, its journal and a study need the file no more; the rig's process gets it too.
  await rm(file("analysis"), { recursive: true });
  writeFileSync(file("whole.yaml"), smallExperiment("whole", 3, JSON.stringify(simulation)));
  const live = ["--port", "0", "--events", "tcp://127.0.0.1:*", "--display", "headless"];
  await done("run", file("whole.yaml"), ...live, "--out", out);
});

test("V7 a curve is taken as far as faces were shown, and no further: what lies beyond is extrapolated", async () => {
  const rateHz = curveGrid.map((z) => Math.exp(2 * z * z));
  const units = [{ bestLatent: 0, curves: [{ rateHz }], dispersion: 0.2 }];
  writeFileSync(file("narrow.json"), JSON.stringify({ units, shown: { low: [-1], high: [1.25] } }));
  const { simulation } = await simulating("{ recorded: 1, recordedFrom: narrow.json }");
  const [{ at, meanHz, dispersion }] = simulation!.recordedFrom as FittedUnit[];
  expect(at).toEqual([-1, -0.5, 0, 0.5, 1, 1.25]);
  expect(meanHz[0]).toBeCloseTo(Math.exp(2), 2);
  expect(meanHz[5]).toBeCloseTo((Math.exp(2) + Math.exp(4.5)) / 2, 1);
  expect(dispersion).toBe(0.2);
});

test("V7 so is that of a session, whose file says how far its faces went", { timeout: 60_000 }, async () => {
  writeFileSync(file("near.yaml"), smallExperiment("near", 40, "{ ramp: 1 }").replace("range: 3", "range: 1"));
  const told = await done("run", file("near.yaml"), "--virtual", "--out", out, "--json");
  const { sessionDir } = JSON.parse(told) as SessionSummary;
  const { records } = await readJournal(sessionDir);
  const faces = records.filter(({ kind }) => kind === "trial").map(({ latentsF64 }) => float64s(latentsF64));
  const estimates = JSON.parse(readFileSync(join(sessionDir, "estimates.json"), "utf8"));
  const [{ bestLatent: d }] = estimates.units;
  const [low, high] = [Math.min(...faces.map((z) => z[d])), Math.max(...faces.map((z) => z[d]))];
  expect([estimates.shown.low[d], estimates.shown.high[d]]).toEqual([low, high]);
  const { simulation } = await simulating(`{ recorded: 1, recordedFrom: ${join(sessionDir, "estimates.json")} }`);
  const [{ at }] = simulation!.recordedFrom as FittedUnit[];
  expect([at[0], at.at(-1)]).toEqual([low, high]);
  expect(Math.max(-low, high)).toBeLessThanOrEqual(1);
});

test("V7 a file that is none is refused, with what was expected", async () => {
  writeFileSync(file("summary.json"), "{}");
  await expect(simulating("{ recorded: 1, recordedFrom: summary.json }")).rejects.toThrow(
    /recordedFrom .*summary.json: expected the estimates.json of an analysis or a session, units: expected array, found nothing/,
  );
  await expect(simulating("{ recorded: 1, recordedFrom: nowhere.json }")).rejects.toThrow(/found none: ENOENT/);
  copyFileSync("README.md", file("text.json"));
  await expect(simulating("{ recorded: 1, recordedFrom: text.json }")).rejects.toThrow(/text.json: expected the est/);
});
