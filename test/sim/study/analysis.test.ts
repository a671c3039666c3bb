import { describe, expect, test } from "vitest";
import { parseStudy, type SessionStudy } from "../../../protocols/study.ts";
import { random } from "../../../server/random.ts";
import { quantile } from "../../../server/session/quantile.ts";
import { centreOf } from "../../../sim/study/analysis/centre.ts";
import { studyFigures } from "../../../sim/study/analysis/figures.ts";
import { bootstrap, drawResamples, mean, pairedT, trialsToReach } from "../../../sim/study/analysis/statistics.ts";
import type { Cell, CellResult } from "../../../sim/study/cell.ts";

describe("statistics", () => {
  test("paired t as SciPy has it", () => {
    // scipy.stats.ttest_1samp([.3, -.1, .5, .2, .05], 0)
    expect(pairedT([0.3, -0.1, 0.5, 0.2, 0.05])).toBeCloseTo(1.8454431384788017, 12);
  });

  test("trials to reach a level are linear in log trials; at the first checkpoint, and never", () => {
    expect(trialsToReach([10, 20, 40], [1, 0.5, 0.25], 0.75, true)).toBeCloseTo(10 * Math.SQRT2, 12);
    expect(trialsToReach([10, 20, 40], [0.1, 0.5, 0.9], 0.9, false)).toBe(40);
    expect(trialsToReach([10, 20, 40], [1, 0.5, 0.25], 2, true)).toBe(10);
    expect(trialsToReach([10, 20, 40], [1, 0.5, 0.25], 0.2, true)).toBeNull();
  });

  test("the bootstrap interval of a mean covers it about 95 % of the time", () => {
    let covered = 0;
    const studies = 200;
    for (let i = 0; i < studies; i++) {
      const r = random("bootstrap").split(i);
      const values = Array.from({ length: 40 }, () => 3 + r.normal());
      const { low, high } = bootstrap(40, drawResamples(40, 200, r), (at) => mean(Array.from(at, (k) => values[k])));
      covered += Number(low! <= 3 && 3 <= high!);
    }
    // A percentile interval of 40 is a little narrow: 0.93; its standard error is 0.018.
    expect(covered / studies).toBeGreaterThan(0.87);
    expect(covered / studies).toBeLessThan(0.99);
  });

  test("the middle of a resample as by sorting it", () => {
    const r = random(3);
    for (let n = 1; n <= 9; n++) {
      const values = Array.from({ length: n }, () => Math.round(5 * r.uniform()));
      const median = centreOf.median(values);
      for (const indices of drawResamples(n, 50, r)) {
        const resample = Array.from(indices, (i) => values[i]);
        expect(median(indices)).toBe(quantile(resample, 0.5));
        expect(centreOf.mean(values)(indices)).toBeCloseTo(mean(resample), 12);
      }
    }
  });

  test("what lies beyond in too many resamples leaves the bound open", () => {
    const values = [1, 2, null, null];
    const result = bootstrap(4, drawResamples(4, 500, random(1)), (at) => values[at[0]]);
    expect(result).toEqual({ estimate: 1, low: 1, high: null });
  });
});

const file = (text: string): SessionStudy => {
  const parsed = parseStudy(text);
  if (!parsed.ok) throw new Error(parsed.errors);
  return parsed.study as SessionStudy;
};

/** Sessions whose curve error is c/trials with a factor per seed: everything is known in closed form. */
function made(study: SessionStudy, factor: Record<string, number>) {
  const cells: Cell[] = [];
  const results: (CellResult | null)[] = [];
  for (let seed = 1; seed <= study.seeds; seed++)
    for (const population of Object.keys(study.populations!))
      for (const design of Object.keys(study.designs)) {
        cells.push({
          design,
          population,
          seed,
          experiment: {} as never,
          checkpoints: study.checkpoints,
          recording: null,
          measures: [],
        });
        results.push({
          kinds: ["ramp", "bump"],
          values: {
            curveError: study.checkpoints.map((n) => [(factor[design] * seed) / n, (3 * factor[design] * seed) / n]),
          },
        });
      }
  return { cells, results };
}

describe("V4 figures of a study", () => {
  const study = file(`
name: made
experiment: x.yaml
trials: 160
seeds: 5
populations: { two: { ramp: 1, bump: 1 } }
designs: { good: { choice: { objective: variance } }, plain: { choice: { objective: random } } }
reference: plain
checkpoints: [10, 20, 40, 80, 160]
measures: [curveError]
levels: [{ measure: curveError, referenceAtTrial: 160 }, { measure: curveError, value: 0.001 }]
`);
  const { cells, results } = made(study, { good: 1, plain: 2 });

  test("pooled over a session's units, then over seeds, by the median; by kind too; paired differences", () => {
    const { groups } = studyFigures(study, cells, results, []);
    expect(groups.map(({ group, kind }) => [group, kind])).toEqual([
      ["two", null],
      ["two", "ramp"],
      ["two", "bump"],
    ]);
    const [good, plain] = groups[0].measures[0].designs;
    // Units have c·seed/n and 3c·seed/n: median 2c·seed/n; median over seeds 1 to 5: seed 3.
    [0.6, 0.3, 0.15, 0.075, 0.0375].forEach((error, t) => {
      expect(good.centre[t].estimate).toBeCloseTo(error, 12);
    });
    expect(plain.centre[0].estimate).toBeCloseTo(1.2, 12);
    expect(good.difference[0].estimate).toBeCloseTo(-0.6, 12);
    // Differences −0.2·seed: mean −0.6, s = 0.2·√2.5, t = −0.6/(s/√5).
    expect(good.difference[0].t).toBeCloseTo(-0.6 / ((0.2 * Math.sqrt(2.5)) / Math.sqrt(5)), 9);
    expect(good.won).toEqual([1, 1, 1, 1, 1]);
    expect(groups[1].measures[0].designs[0].centre[0].estimate).toBeCloseTo(0.3, 12);
  });

  test("a design whose error is half needs half the trials, in every resample; a level out of reach is said to be", () => {
    const [{ levels }] = studyFigures(study, cells, results, []).groups;
    expect(levels[0].level.estimate).toBeCloseTo(0.075, 12);
    expect(levels[0].designs[0].trials.estimate).toBeCloseTo(80, 9);
    expect(levels[0].designs[0].times).toEqual([{ estimate: 0.5, low: 0.5, high: 0.5 }]);
    expect(levels[1].designs[0].trials).toEqual({ estimate: null, low: null, high: null });
  });

  test("a measure taken at some checkpoints only is given for those", () => {
    const late = results.map((result) => ({
      kinds: result!.kinds,
      values: {
        ...result!.values,
        misfitWarned: study.checkpoints.map((n) => [n === 160 ? 1 : null, n === 160 ? 0 : null]),
      },
    }));
    const wanted: SessionStudy = { ...study, measures: ["curveError", "misfitWarned"] };
    const [{ measures }] = studyFigures(wanted, cells, late, []).groups;
    expect(measures.map(({ trials }) => trials)).toEqual([study.checkpoints, [160]]);
    expect(measures[1].designs[0].centre.map(({ estimate }) => estimate)).toEqual([0.5]);
  });

  test("a seed that one design lacks is left out of all of them", () => {
    const holed = results.map((result, i) => (cells[i].seed === 5 && cells[i].design === "good" ? null : result));
    const [{ measures }] = studyFigures(study, cells, holed, []).groups;
    expect(measures[0].replicates).toBe(4);
    expect(measures[0].designs[1].centre[0].estimate).toBeCloseTo(1, 12);
  });
});

describe("the study file", () => {
  const wrong = (text: string) => {
    const parsed = parseStudy(text);
    return parsed.ok ? "" : parsed.errors;
  };
  const good = `
name: made
experiment: x.yaml
trials: 100
seeds: 2
populations: { one: { ramp: 1 } }
designs: { a: { choice: { objective: random } } }
reference: a
checkpoints: [50, 100]
`;
  test.each([
    [good.replace("seeds: 2", "seds: 2"), 'Unrecognized key: "seds"'],
    [good.replace("ramp: 1", "rampp: 1"), 'populations.one: Unrecognized key: "rampp" (known: ramp, '],
    [good.replace("reference: a", "reference: b"), 'reference: expected one of the designs (a), found "b"'],
    [good.replace("[50, 100]", "[50, 200]"), "checkpoints.1: expected at most 100 trials, found 200"],
    [good.replace("[50, 100]", "[50, 50]"), "checkpoints.1: expected more than the one before, found 50"],
    [
      good.replace(/populations.*\n/, "recordings: [rgc]\nmodels: [faces-64]\n"),
      'models: expected only with populations, found ["faces-64"]',
    ],
    [good.replace(/populations.*\n/, ""), "the file: expected either populations or recordings"],
    [`${good}measures: [heldOutError]`, "measures.0: expected one of curveError"],
    [`${good}pooled: { all: [two] }`, 'pooled.all.0: expected the name of a population, found "two"'],
    [`${good}levels: [{ measure: peak }]`, "levels.0: expected either value or referenceAtTrial"],
    [`${good}levels: [{ measure: peak, referenceAtTrial: 60 }]`, "expected one of the checkpoints, found 60"],
  ])("says what is wrong: %#", (text, message) => expect(wrong(text)).toContain(message));

  test("is right otherwise", () => expect(wrong(good)).toBe(""));
});
