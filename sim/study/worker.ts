/** A worker of a study's pool: one session at a time. */
import type { Cell, CellResult } from "./cell.ts";
import { runRecordedCell } from "./recorded/replay.ts";
import { runSimulatedCell } from "./simulated.ts";

/** What a session gave, or why it broke: it would break again, for nothing in it is left to chance. */
export type Outcome = { result: CellResult } | { broke: string };

export default async (cell: Cell): Promise<Outcome> => {
  try {
    return { result: await (cell.recording ? runRecordedCell(cell) : runSimulatedCell(cell)) };
  } catch (error) {
    return { broke: (error as Error).message };
  }
};
