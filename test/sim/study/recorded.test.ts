import { describe, expect, test } from "vitest";
import { random } from "../../../server/random.ts";
import { readExperiment } from "../../../server/session/experiment-file.ts";
import { expectedCount, type Observation } from "../../../server/tuning/observation.ts";
import { curveGrid, type UnitReport } from "../../../server/tuning/report.ts";
import type { SessionCell } from "../../../sim/study/cell.ts";
import { recordedLatents, recordedUnits } from "../../../sim/study/recorded/data.ts";
import { judgeRecorded } from "../../../sim/study/recorded/judge.ts";
import { drawable, runRecordedCell, splitStimuli } from "../../../sim/study/recorded/replay.ts";

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);

describe("recordings that ship", () => {
  test("disparity: 159 units as Python reads them, without the codes of stimuli that have no disparity", () => {
    const units = recordedUnits("disparity");
    expect(units).toHaveLength(159);
    expect(recordedLatents("disparity")).toBe(1);
    // Counted in Python with the csv module, disparity_deg > −1000.
    expect(sum(units.flatMap(({ stimuli }) => stimuli.map(({ counts }) => counts.length)))).toBe(75_883);
    const [first] = units;
    expect([first.name, first.area, first.windowMs, first.stimuli.length]).toEqual(["14", "V1", 415, 23]);
    const sorted = [...first.stimuli].sort((a, b) => a.latents[0] - b.latents[0]);
    expect([sorted[0].latents[0], sorted[sorted.length - 1].latents[0]]).toEqual([-3, 3]);
    expect([sorted[0].counts.length, sum(sorted[0].counts), sum(sorted[3].counts)]).toEqual([16, 51, 86]);
  });

  test("rgc: 7 cells, 22 stimuli of two contrasts inside ±3", () => {
    const units = recordedUnits("rgc");
    expect(units.map(({ stimuli }) => stimuli.length)).toEqual([22, 22, 22, 22, 22, 22, 22]);
    expect(units[0].stimuli.every(({ counts }) => counts.length === 49)).toBe(true);
    const latents = units[0].stimuli.map(({ latents }) => [...latents]);
    expect(latents).toContainEqual([-3, 0]);
    expect(latents.every(([g, u]) => Math.abs(Math.abs(g) + Math.abs(u) - 3) < 1e-12)).toBe(true);
  });

  test("V5 a split keeps back a third of each stimulus, uses every trial once, and is the seed's own", () => {
    const [{ stimuli }] = recordedUnits("disparity");
    const split = splitStimuli(stimuli, 1 / 3, random(1));
    split.forEach(({ pool, heldOut }, s) => {
      expect(heldOut.length).toBe(Math.ceil(stimuli[s].counts.length / 3));
      const sorted = (values: number[]) => [...values].sort((a, b) => a - b);
      expect(sorted([...pool, ...heldOut])).toEqual(sorted(stimuli[s].counts));
    });
    expect(splitStimuli(stimuli, 1 / 3, random(1))).toEqual(split);
    expect(splitStimuli(stimuli, 1 / 3, random(2))).not.toEqual(split);
  });
});

describe("V5 a replay", () => {
  const stimuli = [3, 1, 2].map((n) => ({ latents: Float64Array.of(n), pool: new Array(n).fill(1), heldOut: [1] }));

  test("offers stimuli with trials left, and in rounds those of them that were shown least", () => {
    expect(drawable(stimuli, [0, 0, 0], true)).toEqual([0, 1, 2]);
    expect(drawable(stimuli, [1, 0, 0], false)).toEqual([0, 1, 2]);
    expect(drawable(stimuli, [1, 0, 0], true)).toEqual([1, 2]);
    expect(drawable(stimuli, [1, 1, 1], true)).toEqual([0, 2]);
    expect(drawable(stimuli, [2, 1, 1], true)).toEqual([2]);
    expect(drawable(stimuli, [3, 1, 2], false)).toEqual([]);
  });

  test("gives the same figures each time, other ones to another design, and judges at every checkpoint", async () => {
    const base = await readExperiment("protocols/experiments/one-to-one.yaml");
    const cell = (objective: "variance" | "random", rounds = false): SessionCell => ({
      design: objective,
      population: "rgc",
      seed: 3,
      experiment: {
        ...base,
        latents: 2,
        response: { latencyMs: 0, windowMs: 200 },
        choice: { ...base.choice, objective },
      },
      checkpoints: [5, 30],
      recording: { dataSet: "rgc", unit: "4", heldOutShare: 1 / 3, rounds },
      measures: [],
    });
    const first = runRecordedCell(cell("variance"));
    expect(runRecordedCell(cell("variance"))).toEqual(first);
    expect(runRecordedCell(cell("random"))).not.toEqual(first);
    expect(runRecordedCell(cell("random", true))).not.toEqual(runRecordedCell(cell("random")));
    expect(first.kinds).toEqual(["retina"]);
    for (const rows of Object.values(first.values)) {
      expect(rows.map((row) => row.length)).toEqual([1, 1]);
      expect(rows.flat().every((value) => Number.isFinite(value))).toBe(true);
    }
    expect(first.values.heldOutError![1][0]).toBeLessThan(first.values.heldOutError![0][0]!);
  });
});

describe("what is judged by held-out trials", () => {
  /** What a report says of rates that are λ(η₀ + Σ_d curve(z_d)) in windows of 0.5 s. */
  const report = (
    observation: Observation,
    origin: number,
    curve: (z: number) => number,
    latents = 1,
    dispersion = 0,
  ) => {
    const hz = (eta: number) => expectedCount(observation, eta) / 0.5;
    return {
      unit: "u",
      link: observation.link,
      baselineHz: { estimate: hz(origin), low: 0, high: 0 },
      curves: Array.from({ length: latents }, () => ({ rateHz: curveGrid.map((z) => hz(origin + curve(z))) })),
      dispersion,
    } as unknown as UnitReport;
  };
  const exponential: Observation = { link: "exponential", counts: "negative-binomial", priorCount: 5 };
  const softplus: Observation = { ...exponential, link: "softplus" };
  const figures = (judged: UnitReport, stimuli: { latents: Float64Array; heldOut: number[] }[]) =>
    Object.fromEntries(
      judgeRecorded(
        judged,
        stimuli.map((stimulus) => ({ ...stimulus, pool: [] })),
        exponential,
        0.5,
      ),
    );

  test("log likelihood a trial as SciPy has it: Poisson, and negative binomial with the reported dispersion", () => {
    const stimuli = [{ latents: Float64Array.of(0), heldOut: [0, 3, 9] }];
    // scipy.stats.poisson.logpmf([0, 3, 9], 4).sum(), nbinom.logpmf([0, 3, 9], 1/.4, 1/(1 + .4*4)).sum()
    for (const [dispersion, sum] of [
      [0, -9.958054615870838],
      [0.4, -7.9055678731555865],
    ]) {
      const judged = report(exponential, Math.log(4), () => 0, 1, dispersion);
      expect(figures(judged, stimuli).heldOutLogLikelihood).toBeCloseTo(sum / 3, 9);
    }
  });

  test.each([exponential, softplus])(
    "error of √rate between the grid's values and where latents add up, and the best stimulus: $link",
    (observation) => {
      const curve = (z: number) => 0.05 * z ** 3 - 0.2 * z;
      const at = [
        [-2.9, 1.1],
        [-0.6, -0.6],
        [0.1, 2.99],
        [1.77, -2],
        [2.99, 2.2],
      ];
      const count = (sign: number, z: number[]) => expectedCount(observation, 0.5 + sign * (curve(z[0]) + curve(z[1])));
      // Held-out means are the curves' own: no error. Only then the mean need not be whole.
      const stimuli = at.map((z) => ({ latents: Float64Array.from(z), heldOut: [count(1, z)] }));
      const exact = figures(report(observation, 0.5, curve, 2), stimuli);
      expect(exact.heldOutError).toBeLessThan(1e-20);
      expect(exact.heldOutPeak).toBe(1);
      const wrong = figures(
        report(observation, 0.5, (z) => -curve(z), 2),
        stimuli,
      );
      const root = (sign: number, z: number[]) => Math.sqrt(2 * count(sign, z));
      expect(wrong.heldOutError).toBeCloseTo(
        at.reduce((sum, z) => sum + (root(1, z) - root(-1, z)) ** 2, 0) / at.length,
        9,
      );
      expect(wrong.heldOutPeak).toBeLessThan(1);
    },
  );
});
