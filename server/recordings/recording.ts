/** A recording that was made elsewhere, as replay needs it: units with spike times, and what was shown when, where that is known. */
export interface Recording {
  /** What it was read from. */
  source: { format: RecordingFormat; path: string };
  units: RecordedUnit[];
  presentations: Presentations | null;
  /** Units that the sorter's user called noise, by name, and other parts that were not taken, in words. */
  leftOut: string[];
}

export type RecordingFormat = "nwb" | "phy" | "open-ephys" | "csv";

export interface RecordedUnit {
  name: string;
  /** Seconds on the recording's own clock, ascending. */
  spikeTimesS: Float64Array;
  /** What its sorter says of it, as "good" or "mua"; left out where nothing is said. */
  quality?: string;
  /** Where it was recorded, as "AM"; left out where nothing is said. */
  area?: string;
}

/** One row a presentation, in the order of their onsets. */
export interface Presentations {
  /** Seconds on the recording's own clock. */
  onsetS: Float64Array;
  /** NaN where it is not known. */
  offsetS: Float64Array;
  /** All other columns by name, each as long as `onsetS`. */
  columns: Record<string, Cell[]>;
}

export type Cell = number | string | boolean | null | readonly (number | string)[];

/** A unit with its spikes in order. */
export function recordedUnit(
  name: string,
  spikeTimesS: Float64Array,
  { quality, area }: { quality?: string | undefined; area?: string | undefined } = {},
): RecordedUnit {
  const ordered = spikeTimesS.every((time, i) => i === 0 || time >= spikeTimesS[i - 1]);
  return {
    name,
    spikeTimesS: ordered ? spikeTimesS : spikeTimesS.slice().sort(),
    ...(quality && { quality }),
    ...(area && { area }),
  };
}

/** Presentations in the order of their onsets. */
export function orderedPresentations(presentations: Presentations): Presentations {
  const { onsetS } = presentations;
  return pick(
    presentations,
    Array.from(onsetS.keys()).sort((a, b) => onsetS[a] - onsetS[b]),
  );
}

/** Without those that a column `used` says not to use, as a session's export does of trials that it did not learn from. */
export function usedPresentations(presentations: Presentations): Presentations {
  const { onsetS, columns } = presentations;
  const { used } = columns;
  if (!used) return presentations;
  const isUsed = (cell: Cell) => cell === true || cell === 1 || cell === "true" || cell === "1";
  return pick(
    presentations,
    Array.from(onsetS.keys()).filter((i) => isUsed(used[i])),
  );
}

const pick = ({ onsetS, offsetS, columns }: Presentations, rows: readonly number[]): Presentations => ({
  onsetS: Float64Array.from(rows, (i) => onsetS[i]),
  offsetS: Float64Array.from(rows, (i) => offsetS[i]),
  columns: Object.fromEntries(Object.entries(columns).map(([name, cells]) => [name, rows.map((i) => cells[i])])),
});
