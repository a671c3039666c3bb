import { readFile } from "node:fs/promises";
import Papa from "papaparse";
import { ConfigurationError } from "../failure.ts";
import { type Cell, orderedPresentations, type Presentations, type Recording, recordedUnit } from "./recording.ts";

/** Spike times from a CSV file with the columns `unit` and `time_s`, one spike a row, in any order. */
export async function readSpikesCsv(path: string): Promise<Recording> {
  const rows = await readTable(path, ["unit", "time_s"]);
  const times = new Map<string, number[]>();
  for (const [i, row] of rows.entries()) {
    const of = times.get(row.unit);
    const time = numberIn(path, i, "time_s", row.time_s);
    if (of) of.push(time);
    else times.set(row.unit, [time]);
  }
  return {
    source: { format: "csv", path },
    units: [...times].map(([name, all]) => recordedUnit(name, Float64Array.from(all))),
    presentations: null,
    leftOut: [],
  };
}

/** What was shown when, from a CSV file with a column `onset_s`; `offset_s` and any others may be there too. */
export async function readPresentationsCsv(path: string): Promise<Presentations> {
  const rows = await readTable(path, ["onset_s"]);
  const names = Object.keys(rows[0] ?? {}).filter((name) => name !== "onset_s" && name !== "offset_s");
  return orderedPresentations({
    onsetS: Float64Array.from(rows, (row, i) => numberIn(path, i, "onset_s", row.onset_s)),
    offsetS: Float64Array.from(rows, ({ offset_s: text = "" }, i) =>
      text === "" ? Number.NaN : numberIn(path, i, "offset_s", text),
    ),
    columns: Object.fromEntries(names.map((name) => [name, cells(rows.map((row) => row[name]))])),
  });
}

type Row = Record<string, string>;

async function readTable(path: string, needed: readonly string[]): Promise<Row[]> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new ConfigurationError(`${path}: expected a readable CSV file, ${error.code}`);
  });
  const { data, errors, meta } = Papa.parse<Row>(text.replace(/^\uFEFF/, ""), { header: true, skipEmptyLines: true });
  const missing = needed.find((name) => !meta.fields?.includes(name));
  if (missing !== undefined)
    throw new ConfigurationError(
      `${path}: expected a column ${missing} in the first row, found ${meta.fields?.join(", ") || "nothing"}`,
    );
  // A file of one column has no delimiter to be found.
  const error = errors.find(({ code }) => code !== "UndetectableDelimiter");
  if (error) throw new ConfigurationError(`${path}: row ${(error.row ?? 0) + 1}: ${error.message}`);
  return data;
}

function numberIn(path: string, row: number, column: string, text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value))
    throw new ConfigurationError(`${path}: row ${row + 1}: ${column}: expected a number, found "${text}"`);
  return value;
}

/** A column of numbers where all of it is; empty is null. */
function cells(texts: readonly string[]): Cell[] {
  const isNumeric = texts.every((text) => text === "" || Number.isFinite(Number(text)));
  return texts.map((text) => (text === "" ? null : isNumeric ? Number(text) : text));
}
