import { appendFile, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parse } from "yaml";
import type { SessionStudy } from "../../../protocols/study.ts";
import { type CellResult, cellKey } from "../../../sim/study/cell.ts";
import { planSessions } from "../../../sim/study/plan.ts";
import { openStore } from "../../../sim/study/store.ts";
import { start } from "../../cli.ts";
import { PROCESSES_MS, runInto, studyOf } from "./study.ts";

const experimentFile = resolve("protocols/experiments/one-to-one.yaml");
const base = parse(await readFile(experimentFile, "utf8"));

const text = `
name: small
experiment: ${experimentFile}
trials: 12
seeds: 2
populations: { two: { ramp: 1, overdispersed: 1, sharedGain: { logSd: 0.3, timescaleTrials: 20 } }, one: { bump: 1 } }
pooled: { all: [two, one] }
designs:
  variance: { choice: { objective: variance } }
  grid: { choice: { objective: traversal-grid } }
reference: grid
checkpoints: [4, 12]
measures: [curveError, latentFound, peak, baselineCovered]
levels: [{ measure: curveError, referenceAtTrial: 12 }]
`;
const study = (changed = text) => studyOf<SessionStudy>(changed);

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "latentloop-study-"));
});
afterEach(() => rm(folder, { recursive: true }));

/** Runs the study's sessions in a folder; stops after so many were done. */
const run = (name: string, workers: number, stopAfter = Number.POSITIVE_INFINITY) =>
  runInto(join(folder, name), planSessions(study(), base), workers, stopAfter);

describe("sessions of a study", () => {
  test(
    "V2 any number of workers gives the same results; a study that is stopped goes on, and loses nothing but a torn line",
    async () => {
      const straight = await run("straight", 1);
      expect(straight.failed).toEqual([]);
      expect(straight.results.filter((result) => result !== null)).toHaveLength(8);

      const stopped = await run("stopped", 2, 3);
      const done = stopped.results.filter((result) => result !== null).length;
      expect(done).toBeGreaterThanOrEqual(3);
      expect(done).toBeLessThan(8);
      const file = join(folder, "stopped", "results.jsonl");
      await truncate(file, (await readFile(file)).length - 10);
      const again = await run("stopped", 3);
      expect(again.kept).toBe(done - 1);
      expect(again.results).toEqual(straight.results);
    },
    PROCESSES_MS,
  );

  test("V1 V2 designs meet the same units and seeds; a result is kept by what it depends on, not by its name", () => {
    const cells = planSessions(study(), base);
    expect(cells.map(({ design, population, seed }) => `${design} ${population} ${seed}`)).toEqual([
      "variance two 1",
      "grid two 1",
      "variance one 1",
      "grid one 1",
      "variance two 2",
      "grid two 2",
      "variance one 2",
      "grid one 2",
    ]);
    expect(new Set(cells.map((cell) => cellKey(cell, "v"))).size).toBe(8);
    expect(cellKey(cells[0], "v")).not.toBe(cellKey(cells[0], "w"));
    // What a cell is called does not matter, what it does matters.
    expect(cellKey({ ...cells[0], design: "other", population: "other" }, "v")).toBe(cellKey(cells[0], "v"));
    expect(cells[0].experiment.simulation).toBe(cells[1].experiment.simulation);
  });

  test("a design that makes no experiment is refused by name", () => {
    const changed = study(text.replace("objective: variance", "objective: varianz"));
    expect(() => planSessions(changed, base)).toThrow(/design variance: choice.objective: .* found "varianz"/);
  });

  test("lines of a store that are no results are passed over", async () => {
    const store = await openStore(join(folder, "kept"));
    const result: CellResult = { kinds: ["ramp"], values: { peak: [[0.5]] } };
    await store.keep("a", result);
    await store.close();
    await appendFile(join(folder, "kept", "results.jsonl"), '{"key":"b","res');
    const again = await openStore(join(folder, "kept"));
    await again.keep("c", result);
    await again.close();
    const last = await openStore(join(folder, "kept"));
    await last.close();
    expect([...last.results]).toEqual([
      ["a", result],
      ["c", result],
    ]);
  });
});

describe("npx latentloop study", () => {
  test(
    "writes a report that needs nothing else, and all figures; prints them with --json; the second time all is there",
    async () => {
      const file = join(folder, "small.yaml");
      await writeFile(file, text.replace("seeds: 2", "seeds: 1"));
      const out = join(folder, "out");
      const first = await start("study", file, "--out", out, "--workers", "2", "--json").finished;
      expect(first.stderr).toContain("4 sessions (0 were there)");
      expect(first.code).toBe(0);
      const figures = JSON.parse(first.stdout);
      expect(JSON.parse(await readFile(join(out, "study.json"), "utf8"))).toEqual(figures);
      const other = join(folder, "other.yaml");
      await writeFile(other, text.replace(/name: .*/, "name: another"));
      expect(await start("study", other, "--out", out).finished).toMatchObject({
        code: 2,
        stderr: `latentloop: --out ${out}: expected a new folder or one of the study another, found ${figures.study}\n`,
      });
      expect(figures.sessions).toEqual({ planned: 4, done: 4, failed: [] });
      expect(figures.groups.map(({ group, kind }: { group: string; kind: string }) => [group, kind])).toEqual([
        ["all", null],
        ["all", "ramp"],
        ["all", "overdispersed"],
        ["all", "bump"],
        ["two", null],
        ["two", "ramp"],
        ["two", "overdispersed"],
        ["one", null],
      ]);
      const page = await readFile(join(out, "report.html"), "utf8");
      expect(page).toContain("<svg");
      expect(page).toContain("Trials needed");
      expect(page).not.toMatch(/NaN|undefined|Infinity|<script|<link|src=|https?:/);
      const second = await start("study", file, "--out", out, "--json").finished;
      expect(second.stderr).toContain("4 sessions (4 were there)");
      expect(second.stdout).toBe(first.stdout);
    },
    PROCESSES_MS,
  );

  test(
    "a mistake in the file is told, exit code 2",
    async () => {
      const file = join(folder, "wrong.yaml");
      await writeFile(file, text.replace("reference: grid", "reference: gird"));
      const { code, stderr } = await start("study", file, "--out", folder).finished;
      expect(code).toBe(2);
      expect(stderr).toContain('reference: expected one of the designs (variance, grid), found "gird"');
    },
    PROCESSES_MS,
  );
});
