import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import Papa from "papaparse";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { SessionTables } from "../../server/exports/gather.ts";
import { readRecording } from "../../server/recordings/read-recording.ts";
import type { SessionSummary } from "../../server/session/summary.ts";
import { anyPorts, start, temporaryFolder } from "../cli.ts";

const out = temporaryFolder();
afterAll(() => rm(out, { recursive: true }));
const file = (name: string) => join(out, name);
let session = "";

/** A live session with everything in it that an export knows, once. */
beforeAll(async () => {
  const experiment = file("told.yaml");
  writeFileSync(
    experiment,
    `${readFileSync("protocols/experiments/one-to-one.yaml", "utf8")}
subject: { id: M1, sex: F, age: P7Y, description: trained to fixate }
about: { experimenters: ["Doe, Jane"], lab: Face lab, institution: Somewhere }
validity: { regressor: realised }
`,
  );
  const { code, stdout, stderr } = await start(
    ...["run", experiment, ...anyPorts, "--display", "headless", "--out", out, "--trials", "12", "--json"],
  ).finished;
  expect(code, stderr).toBe(0);
  session = (JSON.parse(stdout) as SessionSummary).sessionDir;
  const exported = await start(
    "export",
    session,
    "--nwb",
    file("s.nwb"),
    "--csv",
    file("csv"),
    "--parquet",
    file("parquet"),
    "--json",
    file("s.json"),
  ).finished;
  expect(exported.code, exported.stderr).toBe(0);
}, 60_000);

const rowsOf = (name: string) =>
  Papa.parse<Record<string, string>>(readFileSync(join(file("csv"), name), "utf8"), {
    header: true,
    skipEmptyLines: true,
  }).data;

test("F2: the counts of every trial are the exported spikes in its exported window", () => {
  const tables = JSON.parse(readFileSync(file("s.json"), "utf8")) as SessionTables;
  expect(tables.trials).toHaveLength(12);
  for (const { windowStartS, windowEndS, counts, flags } of tables.trials) {
    if (!flags.includes("complete")) continue;
    const counted = tables.units.map(
      ({ spikeTimesS }) => [...spikeTimesS].filter((time) => time >= windowStartS && time < windowEndS).length,
    );
    expect(counted).toEqual(counts);
  }
});

test("F2: CSV files have a row for each trial, count and spike, with the same numbers", () => {
  const tables = JSON.parse(readFileSync(file("s.json"), "utf8")) as SessionTables;
  const trials = rowsOf("trials.csv");
  expect(trials.map(({ onset_s }) => Number(onset_s))).toEqual(tables.trials.map(({ onsetS }) => onsetS));
  expect(Number(trials[3]["z1 yaw"])).toBe(tables.trials[3].latents[0]);
  expect(Number(trials[3]["realised z1 yaw"])).toBe(tables.trials[3].realised![0]);
  expect(rowsOf("counts.csv")).toHaveLength(12 * 20);
  expect(rowsOf("spikes.csv")).toHaveLength(tables.units.reduce((sum, unit) => sum + [...unit.spikeTimesS].length, 0));
});

const TYPES = { trial: "INT32", placed_by: "BYTE_ARRAY", used: "BOOLEAN", onset_s: "DOUBLE", "z1 yaw": "DOUBLE" };

test.each(["trials", "counts", "spikes"])("F2: %s.parquet has what %s.csv has, with types", async (name) => {
  const buffer = await asyncBufferFromFile(join(file("parquet"), `${name}.parquet`));
  const read = (await parquetReadObjects({ file: buffer })) as Record<string, unknown>[];
  const cells = read.map((row) =>
    Object.fromEntries(Object.entries(row).map(([key, value]) => [key, value === null ? "" : String(value)])),
  );
  expect(cells).toEqual(rowsOf(`${name}.csv`));
  const { schema, created_by } = await parquetMetadataAsync(buffer);
  expect(created_by).toMatch(/^latentloop \d/);
  for (const { name: column, type } of schema)
    if (column in TYPES) expect([column, type]).toEqual([column, TYPES[column as keyof typeof TYPES]]);
});

test("F3: the NWB file is read back by our own reader with the same spikes and onsets", async () => {
  const tables = JSON.parse(readFileSync(file("s.json"), "utf8")) as SessionTables;
  const { units, presentations } = await readRecording(file("s.nwb"));
  expect(units.map(({ name }) => name)).toEqual(tables.units.map(({ name }) => name));
  for (const [u, { spikeTimesS }] of units.entries())
    expect([...spikeTimesS]).toEqual([...tables.units[u].spikeTimesS]);
  expect([...presentations!.onsetS]).toEqual(tables.trials.map(({ onsetS }) => onsetS));
  expect(presentations!.columns.latents).toEqual(tables.trials.map(({ latents }) => latents));
});

test("J8: what another objective would have chosen, given the same answers; its own would have chosen what it did", async () => {
  const chosen = async (objective: string) => {
    const { code, stdout, stderr } = await start("replay", session, "--objective", objective, "--json").finished;
    expect(code, stderr).toBe(0);
    return (JSON.parse(stdout) as { choices: { face: number; distance: number }[] }).choices;
  };
  const other = await chosen("random-range");
  expect(other.map(({ face }) => face)).toEqual(Array.from({ length: 12 }, (_, i) => i));
  expect(other.every(({ distance }) => distance > 0)).toBe(true);
  expect((await chosen("variance")).every(({ distance }) => distance === 0)).toBe(true);
});

test("F2: what can't be exported is said", async () => {
  const none = await start("export", session).finished;
  expect([none.code, none.stderr]).toEqual([2, expect.stringContaining("expected --nwb, --csv, --parquet or --json")]);
  const nowhere = await start("export", out, "--json", file("x.json")).finished;
  expect([nowhere.code, nowhere.stderr]).toEqual([2, expect.stringContaining("expected a session's journal")]);
});

const python = process.env.LATENTLOOP_PYTHON ?? "python3";
const arrow = spawnSync(python, ["-c", "import pyarrow.parquet"]);
const parquetReader = `
import json, sys, pyarrow.parquet as pq
folder, tables = sys.argv[1], json.load(open(sys.argv[2]))
trials = pq.read_table(f"{folder}/trials.parquet")
types = {name: str(trials.schema.field(name).type) for name in ["trial", "onset_s", "used", "flags", "unaligned", "z1 yaw"]}
assert types == {"trial": "int32", "onset_s": "double", "used": "bool", "flags": "string", "unaligned": "string", "z1 yaw": "double"}, types
assert trials["onset_s"].to_pylist() == [t["onsetS"] for t in tables["trials"]]
assert trials["realised z1 yaw"].to_pylist() == [t["realised"][0] for t in tables["trials"]]
assert trials["unaligned"].to_pylist() == [t["unaligned"] for t in tables["trials"]]
counts = pq.read_table(f"{folder}/counts.parquet").to_pydict()
assert counts["count"] == [n for t in tables["trials"] for n in t["counts"]]
spikes = pq.read_table(f"{folder}/spikes.parquet").to_pydict()
assert list(zip(spikes["unit"], spikes["time_s"])) == [(u["name"], s) for u in tables["units"] for s in u["spikeTimesS"]]
print("as written")
`;

test.skipIf(arrow.status !== 0)("F2: pyarrow reads every value back, and its type (needs python3 with pyarrow)", () => {
  const { status, stdout, stderr } = spawnSync(python, ["-c", parquetReader, file("parquet"), file("s.json")], {
    encoding: "utf8",
  });
  expect(status, stderr).toBe(0);
  expect(stdout.trim()).toBe("as written");
});

const peer = spawnSync(python, ["-c", "import pynwb, nwbinspector"]);
const reader = `
import json, sys, numpy as np
from pynwb import NWBHDF5IO, validate
from nwbinspector import inspect_nwbfile, Importance
path, tables = sys.argv[1], json.load(open(sys.argv[2]))
assert validate(path=path) == [], validate(path=path)
bad = [m for m in inspect_nwbfile(nwbfile_path=path) if m.importance in (Importance.CRITICAL, Importance.PYNWB_VALIDATION, Importance.ERROR)]
assert bad == [], bad
with NWBHDF5IO(path, "r") as io:
    f = io.read()
    assert f.subject.subject_id == "M1" and f.subject.age == "P7Y" and f.lab == "Face lab" and list(f.experimenter) == ["Doe, Jane"]
    assert abs(f.session_start_time.timestamp() * 1000 - tables["startedMs"]) < 2
    assert list(f.units["unit_name"].data[:]) == [u["name"] for u in tables["units"]]
    for i, unit in enumerate(tables["units"]):
        np.testing.assert_array_equal(f.units["spike_times"][i], unit["spikeTimesS"])
    trials = f.trials.to_dataframe()
    assert list(trials.start_time) == [t["onsetS"] for t in tables["trials"]]
    np.testing.assert_array_equal(np.stack(trials.latents), [t["latents"] for t in tables["trials"]])
    np.testing.assert_array_equal(np.stack(trials.realised_latents), [t["realised"] for t in tables["trials"]])
    np.testing.assert_array_equal(np.stack(trials.spike_counts), [t["counts"] for t in tables["trials"]])
    assert list(trials["why"]) == [t["why"] for t in tables["trials"]] and list(trials["flags"]) == [" ".join(t["flags"]) for t in tables["trials"]]
    shown = f.stimulus["faces_shown"]
    images = shown.indexed_images.order_of_images
    for row, index, time in zip(tables["trials"], shown.data[:], shown.timestamps[:]):
        image = images[int(index)]
        assert image.description == f"face {row['face']}" and np.asarray(image.data).shape == (64, 64, 3) and time == row["onsetS"]
        assert np.asarray(image.data).std() > 10
    tuning = f.processing["ecephys"]["latent_tuning"].to_dataframe()
    assert list(tuning.unit_name) == [u["name"] for u in tables["units"]]
    assert np.stack(tuning.curve_rate).shape == (20, 12, 13) and np.isfinite(np.stack(tuning.curve_low)).all()
    assert "one-to-one" in f.notes
print("as written")
`;

test.skipIf(peer.status !== 0)(
  "F3: pynwb reads every value back, its validation and nwbinspector find no fault (needs python3 with pynwb and nwbinspector)",
  () => {
    const { status, stdout, stderr } = spawnSync(python, ["-c", reader, file("s.nwb"), file("s.json")], {
      encoding: "utf8",
    });
    expect(status, stderr).toBe(0);
    expect(stdout.trim().endsWith("as written")).toBe(true);
  },
  120_000,
);
