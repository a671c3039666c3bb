/** A worker of a study's pool: one session or training at a time. */
import type { MessagePort } from "node:worker_threads";
import type { CellResult, SessionCell, TrainingCell } from "./cell.ts";
import type { Heads } from "./training/heads.ts";

/** What a cell gave, or why it broke: it would break again, for nothing in it is left to chance. */
export type Outcome = { result: CellResult } | { broke: string };

/** A session, or a training under its key, with the pictures that it needs, in memory shared by all workers, and who is told what share of it is done. */
export type Task = { cell: SessionCell } | { cell: TrainingCell; key: string; heads: Heads; progress: MessagePort };

export default async (task: Task): Promise<Outcome> => {
  try {
    return { result: await run(task) };
  } catch (error) {
    return { broke: (error as Error).message };
  }
};

/** What only one kind of cell needs is loaded where one comes. */
async function run(task: Task): Promise<CellResult> {
  if ("heads" in task) {
    const { cell, key, heads, progress } = task;
    const { runTrainingCell } = await import("./training/train.ts");
    return runTrainingCell(cell, key, heads, (share) => progress.postMessage(share));
  }
  const { cell } = task;
  return cell.recording
    ? (await import("./recorded/replay.ts")).runRecordedCell(cell)
    : (await import("./simulated.ts")).runSimulatedCell(cell);
}
