/** A session's tables as CSV files and as one JSON object. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import Papa from "papaparse";
import type { SessionTables } from "./gather.ts";

/** Writes `spikes.csv` (one spike a row), `trials.csv` (one presentation a row) and `counts.csv` (trial, unit, count). Gives their paths. */
export async function writeCsv(
  folder: string,
  tables: SessionTables,
  latentNames: readonly string[],
): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const { units, trials } = tables;
  const files: [string, object[]][] = [
    ["trials.csv", trials.map((row) => trialRow(row, latentNames))],
    [
      "counts.csv",
      trials.flatMap(({ trial, counts }) => units.map(({ name }, u) => ({ trial, unit: name, count: counts[u] }))),
    ],
    [
      "spikes.csv",
      units.flatMap(({ name, spikeTimesS }) => Array.from(spikeTimesS, (time) => ({ unit: name, time_s: time }))),
    ],
  ];
  const paths = files.map(([name]) => join(folder, name));
  await Promise.all(files.map(([, rows], i) => writeFile(paths[i], `${Papa.unparse(rows, { newline: "\n" })}\n`)));
  return paths;
}

function trialRow(row: SessionTables["trials"][number], latentNames: readonly string[]) {
  const latents = (values: readonly number[], prefix: string) =>
    Object.fromEntries(values.map((value, d) => [`${prefix}${latentNames[d]}`, value]));
  return {
    trial: row.trial,
    presentation: row.presentation,
    face: row.face,
    onset_s: row.onsetS,
    offset_s: row.offsetS,
    onset_uncertainty_s: row.onsetUncertaintyS,
    placed_by: row.placedBy,
    response_start_s: row.windowStartS,
    response_end_s: row.windowEndS,
    used: row.flags.includes("complete"),
    flags: row.flags.join(" "),
    unaligned: row.unaligned ?? "",
    why: row.why,
    ...latents(row.latents, ""),
    ...(row.realised && latents(row.realised, "realised ")),
  };
}

export const asJson = ({ faces: _, units, ...tables }: SessionTables, latentNames: readonly string[]) => ({
  format: "latentloop-session/1",
  ...tables,
  latents: latentNames,
  units: units.map(({ name, spikeTimesS }) => ({ name, spikeTimesS: [...spikeTimesS] })),
});
