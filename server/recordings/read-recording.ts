import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { ConfigurationError } from "../failure.ts";
import { readPresentationsCsv, readSpikesCsv } from "./csv.ts";
import { readNwb } from "./nwb.ts";
import { readOpenEphys } from "./open-ephys.ts";
import { readPhy } from "./phy.ts";
import type { Recording } from "./recording.ts";

export interface RecordingOptions {
  /** A CSV file with what was shown when, instead of what the recording says. */
  presentations?: string | undefined;
  /** NWB: the table of intervals that lists presentations; left out: trials, or the only one. */
  intervals?: string | undefined;
  /** Open Ephys: the stream; left out: the first with spikes. */
  stream?: string | undefined;
}

/**
 * Reads a recording by what lies at `path`: an NWB file, a folder of Kilosort or Phy, of an Open Ephys recording (Binary format),
 * or a CSV file of spike times.
 *
 * @throws ConfigurationError naming the file or field that is missing or not as expected
 */
export async function readRecording(path: string, options: RecordingOptions = {}): Promise<Recording> {
  const recording = await readByKind(path, options);
  if (recording.units.length === 0) throw new ConfigurationError(`${path}: expected units with spikes, found none`);
  if (options.presentations === undefined) return recording;
  return { ...recording, presentations: await readPresentationsCsv(options.presentations) };
}

async function readByKind(path: string, { intervals, stream }: RecordingOptions): Promise<Recording> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw new ConfigurationError(`recording ${path}: expected a file or folder, ${error.code}`);
  });
  if (found.isFile()) {
    if (/\.(csv|tsv|txt)$/i.test(path)) return readSpikesCsv(path);
    if (basename(path) === "params.py") return readPhy(dirname(path));
    return readNwb(path, intervals ?? null);
  }
  if (existsSync(join(path, "spike_times.npy"))) return readPhy(path);
  return readOpenEphys(path, stream ?? null);
}
