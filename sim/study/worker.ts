/** A worker of a study's pool: one session at a time. */
import type { Cell, CellResult } from "./cell.ts";
import { runRecordedCell } from "./recorded/replay.ts";
import { runSimulatedCell } from "./simulated.ts";

export default (cell: Cell): CellResult | Promise<CellResult> =>
  cell.recording ? runRecordedCell(cell) : runSimulatedCell(cell);
