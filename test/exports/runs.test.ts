import { expect, test } from "vitest";
import { createRuns } from "../../server/exports/runs.ts";

const at = (reachedS: number, serverS: number) => ({ reachedS, arrivedServerMs: 1000 * serverS });

test("F1 a run begins with the first message after a restart: trials that the restart ended are on the clock before", () => {
  const runs = createRuns();
  runs.message("a", at(10, 0), 0);
  runs.message("b", at(50, 0), 0);
  runs.restart("a");
  expect(runs.now()).toEqual(
    new Map([
      ["a", 0],
      ["b", 0],
    ]),
  );
  runs.message("a", at(0.1, 0.1), 0);
  runs.message("b", at(50.1, 0.1), 0);
  expect(runs.now()).toEqual(
    new Map([
      ["a", 1],
      ["b", 0],
    ]),
  );
  runs.restart(null);
  runs.message("a", at(0, 0.2), 0);
  runs.message("b", at(0, 0.2), 0);
  expect(runs.now()).toEqual(
    new Map([
      ["a", 2],
      ["b", 1],
    ]),
  );
});

test("F1 after the server was away a clock that went on is the same, and one that did not is another", () => {
  const runs = createRuns();
  runs.message("goes on", at(10, 0), 0);
  runs.message("begins anew", at(10, 0), 0);
  runs.message("goes on", at(40.2, 30), 1);
  runs.message("begins anew", at(11, 30), 1);
  expect(runs.now()).toEqual(
    new Map([
      ["goes on", 0],
      ["begins anew", 1],
    ]),
  );
  // Messages that stall while the server is there are no other clock.
  runs.message("goes on", at(40.3, 35), 1);
  expect(runs.of("goes on")).toBe(0);
});
