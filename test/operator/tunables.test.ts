import { expect, test } from "vitest";
import { createTunables } from "../../server/operator/tunables.ts";
import { readExperiment } from "../../server/session/experiment-file.ts";

const experiment = await readExperiment("protocols/experiments/one-to-one.yaml");
const start = () => createTunables(experiment, ["a", "b"]);

test("O4: a change is what the experiment file would be with it, and undo is the way back", () => {
  const tunables = start();
  expect(tunables.undoable()).toBeNull();
  expect(tunables.change({ objective: "peak" })).toMatchObject({
    undone: false,
    words: "objective from variance to peak",
  });
  expect(tunables.change({ window: { latencyMs: 60, windowMs: 150 }, weights: { b: 2 } })).toMatchObject({
    words: "latency (ms) from 80 to 60, window (ms) from 200 to 150, weight of b from 1 to 2",
  });
  expect(tunables.experiment()).toMatchObject({
    response: { latencyMs: 60, windowMs: 150 },
    choice: { objective: "peak", population: { weights: { b: 2 } } },
  });
  expect(tunables.undo()).toMatchObject({ undone: true });
  expect(tunables.undo()).toMatchObject({ undone: true, words: "objective from peak to variance" });
  expect(tunables.experiment()).toEqual(experiment);
  expect(tunables.undo()).toEqual({ refused: "expected a change to undo, but nothing was changed" });
});

test.each([
  ["an unknown objective", { objective: "dance" }, /choice.objective: .*found "dance"/],
  ["a window of no length", { window: { latencyMs: 60, windowMs: 0 } }, /response.windowMs: .*found 0/],
  ["an unknown constraint", { constraints: { colour: 1 } }, /colour/],
  ["an unknown unit", { weights: { z: 1 } }, /choice.population.weights: expected names among a, b, found z/],
  ["the present value", { objective: "variance" }, /expected a value that is not the present one/],
])("O4: %s is refused, with what was expected, and changes nothing", (_, change, reason) => {
  const tunables = start();
  expect(tunables.change(change)).toEqual({ refused: expect.stringMatching(reason) });
  expect(tunables.experiment()).toEqual(experiment);
  expect(tunables.undoable()).toBeNull();
});
