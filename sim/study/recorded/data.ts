import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import type { SessionStudy } from "../../../protocols/study.ts";
import { packageRoot } from "../../../server/package-root.ts";

export type DataSet = NonNullable<SessionStudy["recordings"]>[number];

/** A recorded unit: what it fired at each stimulus. */
export interface RecordedUnit {
  name: string;
  /** Where it was recorded. */
  area: string;
  windowMs: number;
  stimuli: { latents: Float64Array; counts: number[] }[];
}

/** Latents of a recorded stimulus: its coordinates, those of the data set's units scaled to ±LATENT_RANGE. */
const LATENT_RANGE = 3;

interface Format {
  file: string;
  unit: string;
  area: (row: Row) => string;
  windowMs: (row: Row) => number;
  coordinates: readonly string[];
  count: string;
}
type Row = Record<string, string>;

const formats: Record<DataSet, Format> = {
  disparity: {
    file: "disparity_v1v2.csv.gz",
    unit: "unit",
    area: ({ area }) => area,
    windowMs: ({ window_s }) => 1000 * Number(window_s),
    coordinates: ["disparity_deg"],
    count: "count",
  },
  rgc: {
    file: "rgc.csv.gz",
    unit: "cell",
    area: () => "retina",
    windowMs: () => 200,
    coordinates: ["green_pct", "uv_pct"],
    count: "count_50_250ms",
  },
};

/** Codes of stimuli that have no place on the axis (without a disparity): left out. */
const NO_COORDINATE = -1000;

const kept = new Map<DataSet, RecordedUnit[]>();

/** The units of a data set that ships, in the order of their names in the file; their latents in each unit's own range. */
export function recordedUnits(dataSet: DataSet): RecordedUnit[] {
  let units = kept.get(dataSet);
  if (!units) kept.set(dataSet, (units = readUnits(formats[dataSet])));
  return units;
}

/** D of a data set. */
export const recordedLatents = (dataSet: DataSet): number => formats[dataSet].coordinates.length;

function readUnits({ file, unit, area, windowMs, coordinates, count }: Format): RecordedUnit[] {
  const text = gunzipSync(readFileSync(join(packageRoot, "sim", "study", "recorded", file))).toString("utf8");
  const [head, ...lines] = text.trimEnd().split("\n");
  const names = head.split(",");
  const byUnit = new Map<string, Row[]>();
  for (const line of lines) {
    const row: Row = Object.fromEntries(line.split(",").map((value, i) => [names[i], value]));
    if (coordinates.some((name) => Number(row[name]) <= NO_COORDINATE)) continue;
    const rows = byUnit.get(row[unit]);
    if (rows) rows.push(row);
    else byUnit.set(row[unit], [row]);
  }
  return [...byUnit].map(([name, rows]) => {
    const scales = coordinates.map((coordinate) => {
      const values = rows.map((row) => Number(row[coordinate]));
      return { coordinate, low: Math.min(...values), high: Math.max(...values) };
    });
    const stimuli = new Map<string, RecordedUnit["stimuli"][number]>();
    for (const row of rows) {
      const key = coordinates.map((coordinate) => row[coordinate]).join();
      let stimulus = stimuli.get(key);
      if (!stimulus) {
        const latents = Float64Array.from(
          scales,
          ({ coordinate, low, high }) => LATENT_RANGE * ((2 * (Number(row[coordinate]) - low)) / (high - low) - 1),
        );
        stimuli.set(key, (stimulus = { latents, counts: [] }));
      }
      stimulus.counts.push(Number(row[count]));
    }
    return { name, area: area(rows[0]), windowMs: windowMs(rows[0]), stimuli: [...stimuli.values()] };
  });
}
