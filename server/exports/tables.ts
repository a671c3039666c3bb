/** A session's tables as CSV or Parquet files and as one JSON object. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parquetWriteBuffer } from "hyparquet-writer";
import Papa from "papaparse";
import type { SessionTables } from "./gather.ts";

interface Table {
  name: string;
  columns: Column[];
}
/** Of one type throughout; null where a row has no value. */
interface Column {
  name: string;
  type: "INT32" | "DOUBLE" | "BOOLEAN" | "STRING";
  data: (number | boolean | string | null)[];
}

/** `trials` (one presentation a row), `counts` (trial, unit, count) and `spikes` (one spike a row). */
function tablesOf({ units, trials }: SessionTables, latentNames: readonly string[]): Table[] {
  const counted = trials.flatMap(({ trial, counts }) =>
    units.map(({ name }, u) => ({ trial, name, count: counts[u] })),
  );
  const spikes = units.flatMap(({ name, spikeTimesS }) => Array.from(spikeTimesS, (time) => ({ name, time })));
  return [
    { name: "trials", columns: trialColumns(trials, latentNames) },
    {
      name: "counts",
      columns: [
        column(counted, "trial", "INT32", ({ trial }) => trial),
        column(counted, "unit", "STRING", ({ name }) => name),
        column(counted, "count", "INT32", ({ count }) => count),
      ],
    },
    {
      name: "spikes",
      columns: [
        column(spikes, "unit", "STRING", ({ name }) => name),
        column(spikes, "time_s", "DOUBLE", ({ time }) => time),
      ],
    },
  ];
}

const column = <Row>(
  rows: readonly Row[],
  name: string,
  type: Column["type"],
  value: (row: Row) => Column["data"][number],
): Column => ({ name, type, data: rows.map(value) });

function trialColumns(trials: SessionTables["trials"], latentNames: readonly string[]): Column[] {
  const of = (name: string, type: Column["type"], value: (row: (typeof trials)[number]) => Column["data"][number]) =>
    column(trials, name, type, value);
  return [
    of("trial", "INT32", (row) => row.trial),
    of("presentation", "INT32", (row) => row.presentation),
    of("face", "INT32", (row) => row.face),
    of("onset_s", "DOUBLE", (row) => row.onsetS),
    of("offset_s", "DOUBLE", (row) => row.offsetS),
    of("onset_uncertainty_s", "DOUBLE", (row) => row.onsetUncertaintyS),
    of("placed_by", "STRING", (row) => row.placedBy),
    of("response_start_s", "DOUBLE", (row) => row.windowStartS),
    of("response_end_s", "DOUBLE", (row) => row.windowEndS),
    of("used", "BOOLEAN", (row) => row.flags.includes("complete")),
    of("flags", "STRING", (row) => row.flags.join(" ")),
    of("unaligned", "STRING", (row) => row.unaligned),
    of("why", "STRING", (row) => row.why),
    ...latentNames.map((name, d) => of(name, "DOUBLE", (row) => row.latents[d])),
    ...(trials.some((row) => row.realised)
      ? latentNames.map((name, d) => of(`realised ${name}`, "DOUBLE", (row) => row.realised?.[d] ?? null))
      : []),
  ];
}

/** Writes the tables into a folder that is there, as `trials.csv`, `counts.csv` and `spikes.csv`. Gives their paths. */
export const writeCsv = (folder: string, tables: SessionTables, latentNames: readonly string[]): Promise<string[]> =>
  writeAll(folder, "csv", tablesOf(tables, latentNames), ({ columns }) => {
    const rows = columns[0].data.map((_, i) => columns.map(({ data }) => data[i]));
    return `${Papa.unparse({ fields: columns.map(({ name }) => name), data: rows }, { newline: "\n" })}\n`;
  });

/** The same as `trials.parquet`, `counts.parquet` and `spikes.parquet`, with the columns' types. */
export const writeParquet = (
  folder: string,
  tables: SessionTables,
  latentNames: readonly string[],
): Promise<string[]> =>
  writeAll(folder, "parquet", tablesOf(tables, latentNames), ({ columns }) =>
    Buffer.from(parquetWriteBuffer({ columnData: columns, createdBy: `latentloop ${tables.versions.latentloop}` })),
  );

async function writeAll(folder: string, ending: string, tables: Table[], encode: (table: Table) => string | Buffer) {
  const paths = tables.map(({ name }) => join(folder, `${name}.${ending}`));
  await Promise.all(tables.map((table, i) => writeFile(paths[i], encode(table))));
  return paths;
}

export const asJson = ({ faces: _, units, ...tables }: SessionTables, latentNames: readonly string[]) => ({
  format: "latentloop-session/1",
  ...tables,
  latents: latentNames,
  units: units.map(({ name, spikeTimesS }) => ({ name, spikeTimesS: [...spikeTimesS] })),
});
