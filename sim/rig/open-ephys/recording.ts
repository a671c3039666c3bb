import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { describeIssues } from "../../../protocols/wire/message.ts";
import { type OpenEphysEvent, type OpenEphysSpike, TTL_EVENT } from "../../../protocols/wire/open-ephys.ts";
import { ConfigurationError } from "../../../server/failure.ts";
import { type NpyArray, numbersOf, parseNpy } from "./npy.ts";

type Unnumbered<T> = Omit<T, "messageNum">;
export type RecordedEvent = Unnumbered<OpenEphysSpike> | Unnumbered<OpenEphysEvent>;

/** One stream's spikes and TTL events of a recording in Open Ephys' Binary format. */
export interface Recording {
  folder: string;
  stream: string;
  /** Hz. */
  sampleRate: number;
  channelName: string;
  /** In the order of their samples; TTL events before spikes of the same sample. */
  events: RecordedEvent[];
  electrodes: string[];
  /** Streams of the recording that are left out. */
  otherStreams: string[];
}

const STRUCTURE = "structure.oebin";

const structureSchema = z.object({
  continuous: z
    .array(z.object({ stream_name: z.string(), channels: z.array(z.object({ channel_name: z.string() })) }))
    .default([]),
  events: z
    .array(z.object({ folder_name: z.string(), type: z.string().optional(), stream_name: z.string().optional() }))
    .default([]),
  spikes: z
    .array(
      z.object({
        name: z.string(),
        folder: z.string(),
        stream_name: z.string(),
        source_processor_id: z.number(),
        sample_rate: z.number().positive(),
        num_channels: z.number().int().positive(),
        source_channels: z.array(z.object({ bit_volts: z.number() })),
      }),
    )
    .default([]),
});
type Structure = z.infer<typeof structureSchema>;
type Electrode = Structure["spikes"][number];

/**
 * Reads the recording in `folder` or in the one folder below it that holds a structure.oebin.
 * @param stream the stream to read; null: the first one with spikes.
 * @throws ConfigurationError naming the folder or file that is missing, unreadable or not as expected.
 */
export async function readRecording(folder: string, stream: string | null): Promise<Recording> {
  const root = dirname(await findStructure(folder));
  const structure = await readStructure(join(root, STRUCTURE));
  const streams = [...new Set(structure.spikes.map((electrode) => electrode.stream_name))];
  if (streams.length === 0)
    throw new ConfigurationError(`${root}: expected a recording with spikes, found no electrode in its ${STRUCTURE}`);
  const chosen = stream ?? streams[0];
  const electrodes = structure.spikes.filter((electrode) => electrode.stream_name === chosen);
  if (electrodes.length === 0)
    throw new ConfigurationError(`${root}: expected a stream with spikes (${streams.join(", ")}), got "${chosen}"`);
  const ttl = structure.events.filter((one) => one.stream_name === chosen && one.folder_name.includes("TTL"));
  const events = [
    ...(await Promise.all(ttl.map((one) => readTtl(join(root, "events", one.folder_name), chosen)))).flat(),
    ...(await Promise.all(electrodes.map((one) => readSpikes(join(root, "spikes", one.folder), one)))).flat(),
  ];
  if (!events.some(({ kind }) => kind === "spike"))
    throw new ConfigurationError(
      `${root}: expected a recording with spikes, found none on its ${electrodes.length} electrodes`,
    );
  const continuous = structure.continuous.find((one) => one.stream_name === chosen);
  return {
    folder: root,
    stream: chosen,
    sampleRate: electrodes[0].sample_rate,
    channelName: continuous?.channels[0]?.channel_name ?? "CH1",
    events: events.sort((a, b) => a.sampleNum - b.sampleNum),
    electrodes: electrodes.map(({ name }) => name),
    otherStreams: streams.filter((one) => one !== chosen),
  };
}

async function findStructure(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true }).catch((error: NodeJS.ErrnoException) => {
    throw new ConfigurationError(`expected a folder with an Open Ephys recording, got ${folder}: ${reasonOf(error)}`);
  });
  const found = entries.filter((entry) => entry === STRUCTURE || entry.endsWith(`/${STRUCTURE}`)).sort();
  if (found.length === 0)
    throw new ConfigurationError(`${folder}: expected an Open Ephys recording in Binary format, found no ${STRUCTURE}`);
  if (found.length > 1)
    throw new ConfigurationError(
      `${folder}: expected one recording, found ${found.length}; give one of ${found.map((entry) => dirname(entry)).join(", ")}`,
    );
  return join(folder, found[0]);
}

const reasonOf = (error: NodeJS.ErrnoException): string =>
  error.code === "ENOENT" ? "it does not exist" : error.code === "ENOTDIR" ? "it is a file" : error.message;

async function readStructure(path: string): Promise<Structure> {
  let json: unknown;
  try {
    json = JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    throw new ConfigurationError(`${path}: expected JSON, ${(error as Error).message}`);
  }
  const parsed = structureSchema.safeParse(json);
  if (!parsed.success) throw new ConfigurationError(`${path}: ${describeIssues(parsed.error, json)}`);
  return parsed.data;
}

async function readSpikes(folder: string, electrode: Electrode): Promise<RecordedEvent[]> {
  const sampleNums = await readColumn(folder, "sample_numbers", null);
  const clusters = await readColumn(folder, "clusters", sampleNums.length);
  const waveforms = await readNpy(folder, "waveforms");
  const [, numChannels, numSamples] = waveforms.shape;
  if (waveforms.shape[0] !== sampleNums.length || numChannels !== electrode.num_channels || !(numSamples > 0))
    throw new ConfigurationError(
      `${join(folder, "waveforms.npy")}: expected ${sampleNums.length} × ${electrode.num_channels} × samples, found ${waveforms.shape.join(" × ")}`,
    );
  const microvolts = electrode.source_channels.map((channel) => channel.bit_volts);
  return sampleNums.map((sampleNum, i) => ({
    kind: "spike",
    stream: electrode.stream_name,
    sourceNode: electrode.source_processor_id,
    electrode: electrode.name,
    sampleNum,
    sortedId: clusters[i],
    numChannels,
    numSamples,
    // A recording does not keep its thresholds.
    threshold: microvolts.map(() => 0),
    payload: scaledWaveform(waveforms, i, microvolts),
  }));
}

/** Spike `i` in microvolts: float32[numChannels][numSamples]. */
function scaledWaveform({ shape: [, channels, samples], data }: NpyArray, i: number, microvolts: number[]): Uint8Array {
  const scaled = new Float32Array(channels * samples);
  for (let j = 0; j < scaled.length; j++)
    scaled[j] = Number(data[i * scaled.length + j]) * (microvolts[Math.floor(j / samples)] ?? 1);
  return new Uint8Array(scaled.buffer);
}

async function readTtl(folder: string, stream: string): Promise<RecordedEvent[]> {
  const sampleNums = await readColumn(folder, "sample_numbers", null);
  const states = await readColumn(folder, "states", sampleNums.length);
  const words = await readNpy(folder, "full_words");
  // Folders are named "Network_Events-108.stream/TTL": the number is the node's.
  const sourceNode = Number(/-(\d+)\.[^/]*\/TTL/.exec(folder)?.[1] ?? 0);
  return sampleNums.map((sampleNum, i) => ({
    kind: "event",
    stream,
    sourceNode,
    eventType: TTL_EVENT,
    sampleNum,
    // ±(line + 1): positive where the line rises.
    ttl: { line: Math.abs(states[i]) - 1, state: states[i] > 0, word: BigInt(words.data[i]) },
  }));
}

async function readColumn(folder: string, name: string, length: number | null): Promise<number[]> {
  const column = numbersOf(await readNpy(folder, name));
  if (length !== null && column.length !== length)
    throw new ConfigurationError(`${join(folder, `${name}.npy`)}: expected ${length} values, found ${column.length}`);
  return column;
}

async function readNpy(folder: string, name: string): Promise<NpyArray> {
  const path = join(folder, `${name}.npy`);
  try {
    return parseNpy(await readFile(path));
  } catch (error) {
    throw new ConfigurationError(
      `${path}: ${(error as NodeJS.ErrnoException).code === "ENOENT" ? "missing (recordings by Open Ephys GUI 0.6 or newer have it)" : (error as Error).message}`,
    );
  }
}
