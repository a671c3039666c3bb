import { readFile } from "node:fs/promises";
import { join } from "node:path";
import Papa from "papaparse";
import { type NpyArray, numbersOf, parseNpy } from "../../sim/rig/open-ephys/npy.ts";
import { ConfigurationError } from "../failure.ts";
import { type Recording, recordedUnit } from "./recording.ts";

/**
 * A folder of Kilosort, curated in Phy or not: `spike_times.npy` (samples), `spike_clusters.npy` (or `spike_templates.npy` before any
 * curation), `params.py` for the sample rate, and what `cluster_info.tsv`, `cluster_group.tsv` and `cluster_KSLabel.tsv` say of clusters.
 * A user's group counts before Kilosort's label; noise is left out.
 */
export async function readPhy(folder: string): Promise<Recording> {
  const sampleRate = await readSampleRate(join(folder, "params.py"));
  const samples = await readColumn(join(folder, "spike_times.npy"));
  const clusters = await readColumn(join(folder, "spike_clusters.npy")).catch(() =>
    readColumn(join(folder, "spike_templates.npy")),
  );
  if (clusters.length !== samples.length)
    throw new ConfigurationError(
      `${folder}: expected a cluster for each of ${samples.length} spikes in spike_times.npy, found ${clusters.length}`,
    );
  const times = new Map<number, number[]>();
  samples.forEach((sample, i) => {
    const of = times.get(clusters[i]);
    if (of) of.push(sample / sampleRate);
    else times.set(clusters[i], [sample / sampleRate]);
  });
  const info = await readLabels(folder);
  const all = [...times].sort(([a], [b]) => a - b);
  const isNoise = (cluster: number) => info.get(cluster)?.quality === "noise";
  return {
    source: { format: "phy", path: folder },
    units: all
      .filter(([cluster]) => !isNoise(cluster))
      .map(([cluster, seconds]) => recordedUnit(`cluster-${cluster}`, Float64Array.from(seconds), info.get(cluster))),
    presentations: null,
    leftOut: all.filter(([cluster]) => isNoise(cluster)).map(([cluster]) => `cluster-${cluster} (noise)`),
  };
}

async function readSampleRate(path: string): Promise<number> {
  const text = await readText(path);
  if (text === null) throw new ConfigurationError(`${path}: expected params.py with sample_rate, found none`);
  // Python's own writing of a number, as 30000., 25_000 or 3e4.
  const written = /^\s*sample_rate\s*=\s*([\d._]+(?:[eE][+-]?\d+)?)/m.exec(text)?.[1];
  const rate = Number(written?.replaceAll("_", ""));
  if (!(rate > 0))
    throw new ConfigurationError(`${path}: sample_rate: expected a number, found ${written ?? "nothing"}`);
  return rate;
}

async function readColumn(path: string): Promise<number[]> {
  let array: NpyArray;
  try {
    array = parseNpy(await readFile(path));
  } catch (error) {
    throw new ConfigurationError(
      `${path}: ${(error as NodeJS.ErrnoException).code === "ENOENT" ? "expected the file, found none" : (error as Error).message}`,
    );
  }
  if (array.shape.filter((size) => size !== 1).length > 1)
    throw new ConfigurationError(`${path}: expected one column, found ${array.shape.join(" × ")}`);
  return numbersOf(array);
}

interface Label {
  quality?: string | undefined;
  area?: string | undefined;
}

/** Later files say more than earlier ones. */
const LABEL_FILES = ["cluster_KSLabel.tsv", "cluster_info.tsv", "cluster_group.tsv"];

async function readLabels(folder: string): Promise<Map<number, Label>> {
  const labels = new Map<number, Label>();
  for (const file of LABEL_FILES) {
    const text = await readText(join(folder, file));
    if (text === null) continue;
    const { data } = Papa.parse<Record<string, string>>(text, { header: true, delimiter: "\t", skipEmptyLines: true });
    for (const row of data) {
      const cluster = Number(row.cluster_id ?? row.id ?? Number.NaN);
      const before = labels.get(cluster) ?? {};
      const quality = row.group || before.quality || row.KSLabel || undefined;
      labels.set(cluster, {
        quality: quality === "unsorted" ? before.quality : quality,
        area: row.area || before.area,
      });
    }
  }
  return labels;
}

const readText = (path: string): Promise<string | null> => readFile(path, "utf8").catch(() => null);
