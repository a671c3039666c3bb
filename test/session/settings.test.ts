import { expect, test } from "vitest";
import { simulatedUnits } from "../../server/live-edges.ts";
import { deciderSettings } from "../../server/session/settings.ts";
import { runVirtualSession } from "../../sim/study/virtual.ts";
import { smallExperiment } from "../cli.ts";
import { experimentOf } from "../experiment.ts";

const rehearsal = (simulation: string, population: string) =>
  experimentOf(
    smallExperiment(
      "rehearsal",
      12,
      simulation,
      `recording:
  units:
    - { name: AM-1, area: AM, isolation: 0.9 }
    - { name: ML-1, area: ML, isolation: 0.8 }
    - { name: ML-2, area: ML, isolation: 0.4 }
    - { name: x }`,
    ).replace("range: 3 }", `range: 3, population: ${population} }`),
  );
const weightsOf = (simulation: string, population: string) => {
  const experiment = rehearsal(simulation, population);
  return deciderSettings(
    experiment,
    simulatedUnits(experiment).map(({ name }) => name),
  ).weights;
};

test("C8, C9 simulated units that stand in for recorded ones count by their names, areas and isolation", () => {
  const stands = "{ ramp: 2, AM: 2, standsIn: true }";
  expect(weightsOf(stands, "{ areaWeights: { ML: 0.5 }, weights: { ML-2: 3 } }")).toEqual([1, 0.5, 3, 1]);
  expect(weightsOf(stands, "{ isolationAtLeast: 0.7, areaWeights: { AM: 2 } }")).toEqual([2, 1, 0, 0]);
  // Without them nothing is known of simulated units, and what would be passed over in silence is refused.
  expect(() => weightsOf("{ ramp: 4 }", "{ areaWeights: { ML: 0.5 } }")).toThrow(
    /areaWeights: expected names among none \(.* with simulation.standsIn\), found ML/,
  );
});

test("C9 standing in changes names and nothing else: with the same seed the same neurons fire the same", () => {
  const [own, stood] = ["{ ramp: 4 }", "{ ramp: 4, standsIn: true }"].map((simulation) =>
    runVirtualSession(rehearsal(simulation, "{}"), 7),
  );
  expect(stood.units.map(({ name }) => name)).toEqual(["AM-1", "ML-1", "ML-2", "x"]);
  expect(own.units.map(({ name }) => name)).toEqual(["sim-01", "sim-02", "sim-03", "sim-04"]);
  expect(stood.view.spikesInWindows).toEqual(own.view.spikesInWindows);
});
