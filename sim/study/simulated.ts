import { type CellResult, gather, type SessionCell } from "./cell.ts";
import { simulatedMeasureTable } from "./measures.ts";
import { truthOf } from "./truth.ts";
import { openVirtualSession } from "./virtual.ts";

/** Runs a cell's session on simulated units in virtual time, and judges what is known at each checkpoint. */
export async function runSimulatedCell({ experiment, seed, checkpoints, measures }: SessionCell): Promise<CellResult> {
  let trials = 0;
  let next = 0;
  const judged: Promise<void>[] = [];
  const session = openVirtualSession(experiment, seed, ({ kind }) => {
    if (kind === "trial") trials++;
    // Between trials, when the last one has been learned from.
    if (kind === "refined" && trials === checkpoints[next]) judged.push(judge(next++));
  });
  const { units } = session;
  const gathered = gather(units.map((unit) => unit.kind));
  const judge = async (at: number) => {
    const truths = units.map((unit) => truthOf(experiment, unit, trials));
    // Units are examined at the last checkpoint only, and where it is asked for: it takes longer than the session.
    const examined = at === checkpoints.length - 1 && measures.includes("misfitWarned");
    const reports = examined ? await session.examine() : session.reports();
    truths.forEach((truth, u) => {
      gathered.add(
        at,
        u,
        measures.map((name) => [name, simulatedMeasureTable[name].of(truth, reports[u])] as const),
      );
    });
  };
  while (session.advance());
  if (next < checkpoints.length)
    throw new Error(`expected to be judged ${checkpoints.length} times, the session ended after ${next}`);
  await Promise.all(judged);
  return gathered.result;
}
