import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ConfigurationError } from "../../server/failure.ts";
import { readRecording } from "../../server/recordings/read-recording.ts";
import { usedPresentations } from "../../server/recordings/recording.ts";
import { testFolder } from "../presentation/rig.ts";

const fixtures = "test/fixtures/recordings";
const expected = JSON.parse(readFileSync(join(fixtures, "expected.json"), "utf8"));
const sum = (values: Float64Array) => values.reduce((a, b) => a + b, 0);

test("F4: units of a real NWB file, as h5py reads them; its one table of intervals", async () => {
  const { units, presentations, source } = await readRecording(join(fixtures, "A8604-211122-piece.nwb"));
  const { names, counts, sums, first, epochs } = expected.piece;
  expect(source.format).toBe("nwb");
  expect(units.map(({ name }) => name)).toEqual(names);
  expect(units.map(({ spikeTimesS }) => spikeTimesS.length)).toEqual(counts);
  expect(units.map(({ spikeTimesS }) => [...spikeTimesS.slice(0, 3)])).toEqual(first);
  for (const [i, { spikeTimesS }] of units.entries()) expect(sum(spikeTimesS)).toBeCloseTo(sums[i], 6);
  expect([[...presentations!.onsetS], [...presentations!.offsetS]]).toEqual(epochs);
});

test("F4: every kind of column that pynwb writes in a table of trials, in the order of their onsets", async () => {
  const { units, presentations } = await readRecording(join(fixtures, "columns.nwb"));
  expect(units.map(({ name, quality, spikeTimesS }) => [name, quality, [...spikeTimesS]])).toEqual([
    ["unit-10", "good", [0.5, 1.5, 2.5]],
    ["unit-11", "mua", [0.25]],
    ["unit-12", "good", []],
  ]);
  expect([...presentations!.onsetS]).toEqual([1, 2, 3]);
  expect([...presentations!.offsetS]).toEqual([1.2, 2.2, 3.2]);
  expect(presentations!.columns).toEqual({
    id: [1, 2, 0],
    latents: [
      [0.5, 0.25],
      [0, 0],
      [1, -2],
    ],
    name: ["a ü", "c", "b"],
    shown: [false, true, true],
    tags: [["y", "z"], ["w"], ["x"]],
  });
});

test("F4: a folder of Kilosort and Phy: samples over the rate, the user's groups before Kilosort's, noise left out", async () => {
  const { units, leftOut } = await readRecording(join(fixtures, "phy"));
  expect(units.map(({ name, quality }) => [name, quality])).toEqual([
    ["cluster-0", "good"],
    ["cluster-1", "good"],
    ["cluster-3", "mua"],
  ]);
  expect(leftOut).toEqual(["cluster-2 (noise)"]);
  for (const { name, spikeTimesS } of units) {
    const of = expected.phy[name.slice("cluster-".length)];
    expect([...spikeTimesS.slice(0, 5), spikeTimesS.length]).toEqual(of);
  }
});

test("F4: an Open Ephys recording, as the GUI's own Python tools read it", async () => {
  const { units } = await readRecording("test/fixtures/open-ephys/Record Node 105");
  const timestamps = (name: string) =>
    new Float64Array(
      new Uint8Array(
        readFileSync(
          `test/fixtures/open-ephys/Record Node 105/experiment1/recording1/spikes/Spike_Detector-104.example_data/${name}/timestamps.npy`,
        ).subarray(128),
      ).buffer,
    );
  expect(units.length).toBeGreaterThan(0);
  const { spikeTimesS } = units.find(({ name }) => name === "Stereotrode 1")!;
  const own = timestamps("Stereotrode 1");
  expect(spikeTimesS.length).toBe(own.length);
  // Both count samples; their clocks may begin elsewhere.
  for (let i = 1; i < own.length; i++) expect(spikeTimesS[i] - spikeTimesS[0]).toBeCloseTo(own[i] - own[0], 9);
});

test("F4: spike times and presentations from CSV files, in whatever order", async () => {
  const folder = testFolder();
  const spikes = join(folder, "spikes.csv");
  const shown = join(folder, "shown.csv");
  writeFileSync(spikes, '\uFEFFunit,time_s\nML-1,2.5\n"AM,2",0.5\nML-1,1e-3\n');
  writeFileSync(shown, "onset_s,offset_s,face,z1\n2,2.2,b,-0.5\n1,,a,1\n");
  const { units, presentations } = await readRecording(spikes, { presentations: shown });
  expect(units).toEqual([
    { name: "ML-1", spikeTimesS: Float64Array.of(0.001, 2.5) },
    { name: "AM,2", spikeTimesS: Float64Array.of(0.5) },
  ]);
  expect(presentations).toEqual({
    onsetS: Float64Array.of(1, 2),
    offsetS: Float64Array.of(Number.NaN, 2.2),
    columns: { face: ["a", "b"], z1: [1, -0.5] },
  });
});

test("F5: what can't be read is named, with what was expected and what was found", async () => {
  const folder = testFolder();
  const file = (name: string, text: string | Uint8Array) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const phy = join(folder, "phy");
  cpSync(join(fixtures, "phy"), phy, { recursive: true });
  const broken: [string, RegExp][] = [
    [join(folder, "none.nwb"), /expected a file or folder, ENOENT/],
    [file("text.nwb", "hello"), /expected an NWB \(HDF5\) file.*found other content/],
    [file("cut.nwb", readFileSync(join(fixtures, "columns.nwb")).subarray(0, 3000)), /expected/],
    [file("a.csv", "cell,t\n1,2\n"), /expected a column unit in the first row, found cell, t/],
    [file("b.csv", "unit,time_s\na,soon\n"), /row 1: time_s: expected a number, found "soon"/],
    [file("c.csv", "unit,time_s\n"), /expected units with spikes, found none/],
    [folder, /expected an Open Ephys recording/],
  ];
  for (const [path, words] of broken) {
    const error = await readRecording(path).catch((caught: Error) => caught);
    expect(error, path).toBeInstanceOf(ConfigurationError);
    expect((error as Error).message).toMatch(words);
  }
  await expect(readRecording(join(fixtures, "columns.nwb"), { intervals: "epochs" })).rejects.toThrow(
    'expected one of the tables of intervals (trials), got "epochs"',
  );
  writeFileSync(join(phy, "params.py"), "sample_rate = fs\n");
  await expect(readRecording(phy)).rejects.toThrow("sample_rate: expected a number, found nothing");
  rmSync(join(phy, "params.py"));
  await expect(readRecording(phy)).rejects.toThrow("expected params.py with sample_rate, found none");
});

test("F6: presentations that a column `used` leaves out are left out, however it is written", () => {
  const presentations = {
    onsetS: Float64Array.of(1, 2, 3, 4, 5),
    offsetS: Float64Array.of(1.1, 2.1, 3.1, 4.1, 5.1),
    columns: { used: ["true", "false", true, 0, 1], z1: [1, 2, 3, 4, 5] },
  };
  const { onsetS, offsetS, columns } = usedPresentations(presentations);
  expect([[...onsetS], [...offsetS], columns.z1]).toEqual([
    [1, 3, 5],
    [1.1, 3.1, 5.1],
    [1, 3, 5],
  ]);
  const { used, ...others } = presentations.columns;
  expect(used).toHaveLength(5);
  expect(usedPresentations({ ...presentations, columns: others }).onsetS).toHaveLength(5);
});
