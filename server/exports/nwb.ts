/**
 * A session as an NWB 2 file (schema 2.8, hdmf-common 1.8), written with h5wasm: what the format needs of HDF5, object references and links,
 * it can do, so that no Python is needed. Layout after the schema's own description; pynwb and nwbinspector are its judges (test/peers).
 */
import { randomUUID } from "node:crypto";
import type { File, Group } from "h5wasm";
import { stringify } from "yaml";
import type { Findings } from "../choice/decider.ts";
import { loadHdf5 } from "../recordings/hdf5.ts";
import { curveGrid } from "../tuning/report.ts";
import type { SessionTables } from "./gather.ts";

/** Faces' pixels, RGB, by face. */
export interface FacePictures {
  width: number;
  height: number;
  pixels: ReadonlyMap<number, Uint8Array>;
}

export interface NwbContent {
  tables: SessionTables;
  /** Null for a session that was not summed up. */
  findings: Findings | null;
  pictures: FacePictures | null;
  latentNames: readonly string[];
}

/** @param path of the file to be made; what is there is written over */
export async function writeNwb(path: string, content: NwbContent): Promise<void> {
  const h5wasm = await loadHdf5();
  const file = new h5wasm.File(path, "w");
  try {
    writeFile(file, content);
  } finally {
    file.close();
  }
}

function writeFile(file: File, { tables, findings, pictures, latentNames }: NwbContent): void {
  const { experiment, versions, folder, startedMs, clockAtStartS, leftOut } = tables;
  const started = new Date(startedMs).toISOString();
  typed(file, "NWBFile", "core", { nwb_version: "2.8.0" });
  scalar(file, "identifier", `${folder.split("/").at(-1)}-${randomUUID()}`);
  scalar(file, "session_description", experiment.description || `latentloop session ${experiment.name}`);
  scalar(file, "session_start_time", started);
  scalar(file, "timestamps_reference_time", started);
  strings(file, "file_create_date", [new Date().toISOString()]);
  for (const name of ["acquisition", "analysis", "intervals", "processing", "scratch"]) file.create_group(name);
  const stimulus = file.create_group("stimulus");
  stimulus.create_group("presentation");
  stimulus.create_group("templates");

  const general = file.create_group("general");
  const { about, subject } = experiment;
  if (about.experimenters.length > 0) strings(general, "experimenter", about.experimenters);
  if (about.lab) scalar(general, "lab", about.lab);
  if (about.institution) scalar(general, "institution", about.institution);
  strings(general, "keywords", ["closed loop", "face patch", "latent tuning", ...about.keywords]);
  scalar(
    general,
    "experiment_description",
    `Faces chosen in closed loop (objective ${experiment.choice.objective}) from the latents of ${experiment.model}, by what they would teach about each unit's tuning.`,
  );
  scalar(general, "session_id", folder.split("/").at(-1)!);
  scalar(
    general,
    "notes",
    [
      `Made by latentloop ${versions.latentloop}. Second 0 is ${clockAtStartS} s of the recording system's own clock.`,
      ...leftOut,
      "The experiment as it was run:",
      stringify(experiment),
    ].join("\n"),
  );
  if (subject) {
    const group = typed(general.create_group("subject"), "Subject", "core");
    scalar(group, "subject_id", subject.id);
    scalar(group, "species", subject.species);
    scalar(group, "sex", subject.sex);
    if (subject.age) scalar(group, "age", subject.age);
    if (subject.description) scalar(group, "description", subject.description);
  }

  writeUnits(file, tables);
  writeTrials(file, tables, latentNames);
  if (pictures && pictures.pixels.size > 0) writeStimuli(stimulus, tables, pictures);
  if (findings) writeTuning(file, findings, latentNames);
}

function writeUnits(file: File, { units, experiment }: SessionTables): void {
  const mapping = units.map(({ name }) => experiment.recording.units.find((unit) => unit.name === name));
  const table = createTable(
    file,
    "units",
    "Units",
    "core",
    "Units that latentloop counted, with all of their spikes.",
    units.length,
  );
  table.column(
    "unit_name",
    "name of the unit in the session",
    units.map(({ name }) => name),
  );
  if (mapping.some((unit) => unit?.area))
    table.column(
      "brain_area",
      "where it was recorded",
      mapping.map((unit) => unit?.area ?? "unknown"),
    );
  if (mapping.some((unit) => unit?.electrode))
    table.column(
      "electrode_name",
      "the recording system's electrode",
      mapping.map((unit) => unit?.electrode ?? "unknown"),
    );
  table.ragged(
    "spike_times",
    "spike times in seconds",
    units.map(({ spikeTimesS }) => spikeTimesS),
  );
  table.done();
}

function writeTrials(file: File, { trials, units }: SessionTables, latentNames: readonly string[]): void {
  const table = createTable(
    file.get("intervals") as Group,
    "trials",
    "TimeIntervals",
    "core",
    `Presentations of faces with their responses. Latents in order: ${latentNames.join(", ")}. Counts in the order of units.`,
    trials.length,
  );
  const of = <K extends keyof (typeof trials)[number]>(key: K) => trials.map((row) => row[key]);
  table.column("start_time", "onset of the face, on the recording system's clock", Float64Array.from(of("onsetS")));
  table.column("stop_time", "end of the face, as planned", Float64Array.from(of("offsetS")));
  table.column(
    "onset_uncertainty",
    "the onset is right to within ± this, in seconds",
    Float64Array.from(of("onsetUncertaintyS")),
  );
  table.column(
    "placed_by",
    "what placed the onset: photodiode, software, or only the display's report",
    of("placedBy"),
  );
  table.column("response_start", "begin of the response window", Float64Array.from(of("windowStartS")));
  table.column("response_end", "end of the response window", Float64Array.from(of("windowEndS")));
  table.column("presentation", "number of the presentation", Int32Array.from(of("presentation")));
  table.column("face", "number of the face, as in the stimulus templates", Int32Array.from(of("face")));
  table.matrix("latents", "latents that were asked for", of("latents"));
  if (trials.some(({ realised }) => realised))
    table.matrix(
      "realised_latents",
      "latents as the model's encoder read them back from the face; NaN where it was not",
      trials.map(({ realised, latents }) => realised ?? latents.map(() => Number.NaN)),
    );
  table.matrix("spike_counts", `spikes in the response window, one a unit (${units.length})`, of("counts"), Int32Array);
  table.column(
    "used",
    "whether the trial taught the estimates",
    Uint8Array.from(trials, ({ flags }) => Number(flags.includes("complete"))),
    true,
  );
  table.column(
    "flags",
    "complete, late, gap, droppedFrame, aborted, unaligned, gateBroken, interrupted, skipped",
    trials.map(({ flags }) => flags.join(" ")),
  );
  if (trials.some(({ unaligned }) => unaligned))
    table.column(
      "unaligned",
      "why a trial is unaligned: missing (no edge of the photodiode), ambiguous (more than one), no-lock (too few to tell where), uncertain",
      trials.map(({ unaligned }) => unaligned ?? ""),
    );
  table.column("why", "why the face was chosen", of("why"));
  table.done();
}

/** The faces as images, and a series that says which was shown when. */
function writeStimuli(stimulus: Group, { trials }: SessionTables, { width, height, pixels }: FacePictures): void {
  const images = typed((stimulus.get("templates") as Group).create_group("faces"), "Images", "core");
  images.create_attribute("description", "Faces that were shown, as they were synthesised.");
  const order = [...pixels.keys()].sort((a, b) => a - b);
  const references = order.map((face) => {
    const name = `face_${String(face).padStart(6, "0")}`;
    const image = images.create_dataset({ name, data: pixels.get(face)!, shape: [height, width, 3], dtype: "<B" });
    typed(image, "RGBImage", "core", { description: `face ${face}` });
    return image.create_reference();
  });
  const ordered = images.create_dataset({
    name: "order_of_images",
    data: references,
    shape: [references.length],
    dtype: "Reference",
  });
  typed(ordered, "ImageReferences", "core");

  const shown = trials.filter(({ face, onsetS }) => pixels.has(face) && Number.isFinite(onsetS));
  const series = typed((stimulus.get("presentation") as Group).create_group("faces_shown"), "IndexSeries", "core", {
    description: "Which face came on when.",
    comments: "Index into the images of stimulus/templates/faces.",
  });
  const data = series.create_dataset({
    name: "data",
    data: Uint32Array.from(shown, ({ face }) => order.indexOf(face)),
  });
  data.create_attribute("conversion", 1, [], "<f4");
  data.create_attribute("resolution", -1, [], "<f4");
  data.create_attribute("offset", 0, [], "<f4");
  data.create_attribute("unit", "N/A");
  timestamps(
    series,
    Float64Array.from(shown, ({ onsetS }) => onsetS),
  );
  series.create_soft_link("/stimulus/templates/faces", "indexed_images");
}

function writeTuning(file: File, { units, alignment }: Findings, latentNames: readonly string[]): void {
  const module = typed((file.get("processing") as Group).create_group("ecephys"), "ProcessingModule", "core");
  module.create_attribute(
    "description",
    `Each unit's tuning to the model's latents as estimated at the end of the session. Intervals are of 90 %.${
      alignment
        ? ` Alignment of the population: ${alignment.estimate.toFixed(3)} (${alignment.low.toFixed(3)} to ${alignment.high.toFixed(3)}).`
        : ""
    }`,
  );
  const table = createTable(
    module,
    "latent_tuning",
    "DynamicTable",
    "hdmf-common",
    `Curves: rate in spikes/s along each latent's traversal from the origin, at ${curveGrid.join(", ")}. Latents in order: ${latentNames.join(", ")}.`,
    units.length,
  );
  table.column(
    "unit_name",
    "name of the unit",
    units.map(({ unit }) => unit),
  );
  table.column(
    "best_latent",
    "latent with the largest share of its tuning, from 0",
    Int32Array.from(units, (unit) => unit.bestLatent),
  );
  table.column(
    "codes_best",
    "probability that this latent alone carries its tuning",
    Float64Array.from(units, ({ codes, bestLatent }) => (codes ? codes.one * codes.latents[bestLatent] : Number.NaN)),
  );
  table.column(
    "codes_several",
    "probability that several latents do",
    Float64Array.from(units, ({ codes }) => codes?.several ?? Number.NaN),
  );
  table.column(
    "not_tuned",
    "probability that none does",
    Float64Array.from(units, ({ codes }) => codes?.none ?? Number.NaN),
  );
  table.matrix(
    "alignment",
    "1 where one latent carries all, 0 where all carry as much: estimate, low, high",
    units.map(({ alignment: a }) => [a.estimate, a.low, a.high]),
  );
  table.matrix(
    "baseline_rate",
    "rate at the origin of latent space, spikes/s: estimate, low, high",
    units.map(({ baselineHz: a }) => [a.estimate, a.low, a.high]),
  );
  table.matrix(
    "shares",
    "share of its tuning that each latent carries",
    units.map(({ shares }) => shares),
  );
  table.matrix(
    "preferred_axis",
    "unit vector in latent space",
    units.map(({ axis }) => axis.direction),
  );
  table.column(
    "axis_cone",
    "angle about the preferred axis that holds 90 %, degrees",
    Float64Array.from(units, ({ axis }) => axis.coneDeg),
  );
  table.matrix(
    "peak_latents",
    "face of its highest expected rate",
    units.map(({ peak }) => peak.latents),
  );
  table.column(
    "dispersion",
    "counts have variance λ + φ λ²: φ",
    Float64Array.from(units, ({ dispersion }) => dispersion),
  );
  for (const [name, what] of [
    ["rateHz", "posterior median"],
    ["lowHz", "5th percentile"],
    ["highHz", "95th percentile"],
  ] as const)
    table.cube(
      `curve_${name.replace("Hz", "")}`,
      `rate along each latent, ${what}`,
      units.map(({ curves }) => curves.map((curve) => curve[name])),
    );
  table.column(
    "warning",
    "what its tuning is outside of",
    units.map(({ misfit }) => misfit?.warning ?? ""),
  );
  table.done();
}

interface Attributed {
  create_attribute(name: string, data: unknown, shape?: number[] | null, dtype?: string | null): void;
}

function typed<T extends Attributed>(object: T, type: string, namespace: string, more: Record<string, string> = {}): T {
  object.create_attribute("neurodata_type", type);
  object.create_attribute("namespace", namespace);
  object.create_attribute("object_id", randomUUID());
  for (const [name, value] of Object.entries(more)) object.create_attribute(name, value);
  return object;
}

const scalar = (group: Group, name: string, text: string) => group.create_dataset({ name, data: text });
const strings = (group: Group, name: string, texts: readonly string[]) =>
  group.create_dataset({ name, data: [...texts] });

function timestamps(series: Group, timesS: Float64Array): void {
  const dataset = series.create_dataset({ name: "timestamps", data: timesS });
  dataset.create_attribute("interval", 1, [], "<i4");
  dataset.create_attribute("unit", "seconds");
}

type Numbers = Float64Array | Int32Array | Uint8Array;

/** A DynamicTable: columns of equal height beside one of ids. */
function createTable(parent: Group, name: string, type: string, namespace: string, description: string, rows: number) {
  const group = typed(parent.create_group(name), type, namespace, { description });
  const columns: string[] = [];
  const add = (column: string, says: string, options: Omit<Parameters<Group["create_dataset"]>[0], "name">) => {
    columns.push(column);
    const dataset = group.create_dataset({ name: column, ...options });
    typed(dataset, "VectorData", "hdmf-common", { description: says });
    return dataset;
  };
  return {
    column(column: string, says: string, values: Numbers | readonly string[], isBoolean = false) {
      if (ArrayBuffer.isView(values)) {
        const data = values as Numbers;
        add(column, says, { data, shape: [rows], ...(isBoolean && { dtype: "<B" }) });
      } else add(column, says, { data: [...values], shape: [rows] });
    },
    matrix(
      column: string,
      says: string,
      values: readonly (readonly number[])[],
      kind: typeof Float64Array | typeof Int32Array = Float64Array,
    ) {
      add(column, says, { data: kind.from(values.flat()), shape: [rows, values[0]?.length ?? 0] });
    },
    cube(column: string, says: string, values: readonly (readonly (readonly number[])[])[]) {
      const [first = []] = values;
      add(column, says, {
        data: Float64Array.from(values.flat(2)),
        shape: [rows, first.length, first[0]?.length ?? 0],
      });
    },
    ragged(column: string, says: string, values: readonly Float64Array[]) {
      const all = new Float64Array(values.reduce((sum, { length }) => sum + length, 0));
      let at = 0;
      const ends = values.map((own) => {
        all.set(own, at);
        at += own.length;
        return at;
      });
      const data = add(column, says, { data: all, shape: [all.length] });
      const index = group.create_dataset({ name: `${column}_index`, data: Uint32Array.from(ends), shape: [rows] });
      typed(index, "VectorIndex", "hdmf-common", { description: `ends of each row of ${column}` });
      index.create_attribute("target", data.create_reference(), null, "Reference");
    },
    done() {
      typed(
        group.create_dataset({ name: "id", data: Int32Array.from({ length: rows }, (_, i) => i), shape: [rows] }),
        "ElementIdentifiers",
        "hdmf-common",
      );
      group.create_attribute("colnames", columns);
    },
  };
}
