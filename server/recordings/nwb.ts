import type { Dataset, Group } from "h5wasm";
import { ConfigurationError } from "../failure.ts";
import { datasetAt, groupAt, openHdf5 } from "./hdf5.ts";
import { type Cell, orderedPresentations, type Presentations, type Recording, recordedUnit } from "./recording.ts";

/**
 * Units of an NWB file, and presentations from one of its tables of intervals: the one named `intervals`, or `trials`, or the only one.
 *
 * @throws ConfigurationError where the file is none, or has no units with spike times
 */
export async function readNwb(path: string, intervals: string | null): Promise<Recording> {
  const file = await openHdf5(path);
  try {
    const units = groupAt(file, "units");
    if (units === null) throw new ConfigurationError(`${path}: expected units with spike times, found no units`);
    return {
      source: { format: "nwb", path },
      units: readUnits(path, units),
      presentations: readPresentations(path, groupAt(file, "intervals"), intervals),
      leftOut: [],
    };
  } catch (error) {
    if (error instanceof ConfigurationError) throw error;
    throw new ConfigurationError(`${path}: expected a whole NWB file, ${(error as Error).message}`);
  } finally {
    file.close();
  }
}

function readUnits(path: string, units: Group) {
  const columns = readTable(path, units, ["spike_times"]);
  const times = datasetAt(units, "spike_times");
  const index = datasetAt(units, "spike_times_index");
  if (times === null || index === null)
    throw new ConfigurationError(
      `${path}: units: expected spike_times with their index, found ${units.keys().join(", ")}`,
    );
  const all = Float64Array.from(numeric(path, "units/spike_times", times.value));
  const ends = numeric(path, "units/spike_times_index", index.value);
  const ids = columns.id ?? ends.map((_, i) => i);
  const names = UNIT_NAMES.map((name) => columns[name]).find((cells) => cells && new Set(cells).size === ends.length);
  const text = (of: readonly string[], i: number): string | undefined => {
    const cells = of.map((name) => columns[name]).find((found) => typeof found?.[i] === "string" && found[i] !== "");
    return cells?.[i] as string | undefined;
  };
  return ends.map((end, i) =>
    recordedUnit(names ? String(names[i]) : `unit-${ids[i]}`, all.slice(i === 0 ? 0 : ends[i - 1], end), {
      quality: text(QUALITIES, i),
      area: text(AREAS, i),
    }),
  );
}

/** Columns that NWB files of labs use for one thing; the first that is there counts. */
const UNIT_NAMES = ["unit_name", "name", "label", "unit_id", "cluster_id"];
const QUALITIES = ["quality", "group", "KSLabel", "ks_label"];
const AREAS = ["brain_area", "area", "location", "region"];

function readPresentations(path: string, intervals: Group | null, asked: string | null): Presentations | null {
  const names = intervals?.keys() ?? [];
  const name = asked ?? (names.includes("trials") ? "trials" : names.length === 1 ? names[0] : null);
  if (name === null) return null;
  const table = intervals && groupAt(intervals, name);
  if (!table)
    throw new ConfigurationError(
      `${path}: expected one of the tables of intervals (${names.join(", ") || "none"}), got "${name}"`,
    );
  const { start_time, stop_time, ...columns } = readTable(path, table, []);
  if (start_time === undefined)
    throw new ConfigurationError(`${path}: intervals/${name}: expected start_time, found ${table.keys().join(", ")}`);
  return orderedPresentations({
    onsetS: Float64Array.from(start_time as number[]),
    offsetS: Float64Array.from(start_time, (_, i) => Number(stop_time?.[i] ?? Number.NaN)),
    columns,
  });
}

/** A table's columns as cells, one a row; references to other objects and the columns in `without` are passed over. */
function readTable(path: string, table: Group, without: readonly string[]): Record<string, Cell[]> {
  const columns: Record<string, Cell[]> = {};
  for (const name of table.keys()) {
    const dataset = datasetAt(table, name);
    const base = name.replace(/_index$/, "");
    if (dataset === null || without.includes(base) || (base !== name && table.keys().includes(base))) continue;
    if (!isPlain(dataset)) continue;
    const raw = rowsOf(dataset.value, dataset.shape ?? []);
    const cells = isBoolean(dataset) ? raw.map((value) => value === 1) : raw;
    const index = datasetAt(table, `${name}_index`);
    if (index === null) columns[name] = cells;
    else {
      const ends = numeric(path, `${name}_index`, index.value);
      columns[name] = ends.map((end, i) => cells.slice(i === 0 ? 0 : ends[i - 1], end) as (number | string)[]);
    }
  }
  return columns;
}

/** Numbers and text, and enumerations: h5wasm calls their type unknown. */
const isPlain = ({ dtype, metadata }: Dataset): boolean =>
  metadata.enum_type !== undefined || (typeof dtype === "string" && !/Reference|unknown/.test(dtype));

/** h5py's way of writing booleans. */
const isBoolean = ({ metadata }: Dataset): boolean =>
  metadata.enum_type !== undefined && Object.keys(metadata.enum_type.members).sort().join() === "FALSE,TRUE";

/** A value of [rows, …] as its rows; each a number, text or boolean, or a list of such. */
function rowsOf(value: unknown, shape: readonly number[]): Cell[] {
  if (typeof value !== "object" || value === null) return [plain(value)];
  const flat = Array.from(value as ArrayLike<unknown>, plain);
  const width = shape.slice(1).reduce((product, size) => product * size, 1);
  if (shape.length <= 1) return flat;
  return Array.from({ length: shape[0] }, (_, i) => flat.slice(i * width, (i + 1) * width) as (number | string)[]);
}

type Plain = number | string | boolean | null;
const plain = (value: unknown): Plain => (typeof value === "bigint" ? Number(value) : (value as Plain));

function numeric(path: string, what: string, value: unknown): number[] {
  const numbers = ArrayBuffer.isView(value) ? Array.from(value as unknown as ArrayLike<number | bigint>, Number) : null;
  if (numbers === null) throw new ConfigurationError(`${path}: ${what}: expected numbers, found ${typeof value}`);
  return numbers;
}
