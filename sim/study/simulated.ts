import { type SimulatedMeasure, simulatedMeasures } from "../../protocols/study.ts";
import type { Findings } from "../../server/choice/decider.ts";
import type { UnitReport } from "../../server/tuning/report.ts";
import { type Cell, type CellResult, gather } from "./cell.ts";
import { simulatedMeasureTable } from "./measures.ts";
import { truthOf } from "./truth.ts";
import { openVirtualSession } from "./virtual.ts";

/** Runs a cell's session on simulated units in virtual time, and judges what is known at each checkpoint. */
export async function runSimulatedCell({ experiment, seed, checkpoints }: Cell): Promise<CellResult> {
  let trials = 0;
  let next = 0;
  const session = openVirtualSession(experiment, seed, ({ kind }) => {
    if (kind === "trial") trials++;
    // Between trials, when the last one has been learned from.
    if (kind === "refined" && trials === checkpoints[next]) {
      next++;
      // Examined at the last one only: it takes longer than the session.
      if (next < checkpoints.length) judge(session.reports());
      else concluded = session.conclude();
    }
  });
  const { units } = session;
  const gathered = gather(units.map((unit) => unit.kind));
  let concluded: Promise<Findings> | null = null;
  const judge = (reports: readonly UnitReport[]) => {
    gathered.checkpoint();
    units.forEach((unit, u) => {
      const truth = truthOf(experiment, unit, trials);
      gathered.add(
        u,
        simulatedMeasures.map((name: SimulatedMeasure) => [name, simulatedMeasureTable[name].of(truth, reports[u])]),
      );
    });
  };
  while (session.advance());
  if (next < checkpoints.length)
    throw new Error(`expected to be judged ${checkpoints.length} times, the session ended after ${next}`);
  judge((await concluded!).units);
  return gathered.result;
}
