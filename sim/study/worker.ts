/** A worker of a study's pool: one session at a time. */
import type { Cell, CellResult } from "./cell.ts";
import { runRecordedCell } from "./recorded/replay.ts";
import { runSimulatedCell } from "./simulated.ts";

export default async (cell: Cell): Promise<CellResult> =>
  cell.recording ? runRecordedCell(cell) : runSimulatedCell(cell);
