import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { Subscriber } from "zeromq";
import { decodeOpenEphys, type OpenEphysMessage } from "../../../protocols/wire/open-ephys.ts";
import { openAcquisition } from "../../../server/acquisition/acquisition.ts";
import { createRoster } from "../../../server/acquisition/roster.ts";
import type { AcquisitionEvent } from "../../../server/acquisition/spike-batch.ts";
import { ConfigurationError } from "../../../server/failure.ts";
import { blocksOf, countBlocks } from "../../../sim/rig/open-ephys/blocks.ts";
import { parseNpy } from "../../../sim/rig/open-ephys/npy.ts";
import { openPlayer, type PlayerOptions } from "../../../sim/rig/open-ephys/player.ts";
import { readRecording } from "../../../sim/rig/open-ephys/recording.ts";

const folder = join(import.meta.dirname, "../../fixtures/open-ephys");
const RATE = 40_000;

/** What NumPy reads from the same files (`expected.py`). */
interface Expected {
  spikes: Record<string, { sampleNum: number[]; sortedId: number[]; waveformSum: number[][] }>;
  ttl: { sampleNum: number[]; state: number[]; word: string[] };
}
const expected = JSON.parse(await readFile(join(folder, "expected.json"), "utf8")) as Expected;
const recording = await readRecording(folder, null);
const electrodes = Object.keys(expected.spikes);
const spikeTotal = Object.values(expected.spikes).reduce((sum, { sampleNum }) => sum + sampleNum.length, 0);

const disposers: (() => void)[] = [];
afterEach(() => {
  for (const dispose of disposers.splice(0).reverse()) dispose();
});

async function startPlayer(options: Partial<PlayerOptions>) {
  const player = await openPlayer({
    recording,
    bind: "tcp://127.0.0.1:*",
    speed: Number.POSITIVE_INFINITY,
    loop: false,
    waitS: 10,
    ...options,
  });
  disposers.push(() => player.dispose());
  return player;
}

/** Sample numbers by electrode and TTL edges, in order of arrival, with everything checked against the files. */
function expectWhole(messages: OpenEphysMessage[]): void {
  const spikes = new Map(
    electrodes.map((name) => [name, { sampleNum: [], sortedId: [], waveformSum: [] } as Expected["spikes"][string]]),
  );
  const ttl: Expected["ttl"] = { sampleNum: [], state: [], word: [] };
  for (const message of messages) {
    if (message.kind === "spike") {
      const own = spikes.get(message.electrode)!;
      own.sampleNum.push(message.sampleNum);
      own.sortedId.push(message.sortedId);
      own.waveformSum.push(channelSums(message.payload, message.numChannels, message.numSamples));
    } else if (message.kind === "event") {
      ttl.sampleNum.push(message.sampleNum);
      ttl.state.push((message.ttl!.line + 1) * (message.ttl!.state ? 1 : -1));
      ttl.word.push(`${message.ttl!.word}`);
    }
  }
  expect(ttl).toEqual(expected.ttl);
  for (const [name, own] of spikes) expect([name, own]).toEqual([name, expected.spikes[name]]);
  expect(messages.map(({ messageNum }) => messageNum)).toEqual(messages.map((_, i) => i + 1));
}

/** Sum of each channel in steps of the converter (the recording's 0.05 µV). */
function channelSums(payload: Uint8Array, channels: number, samples: number): number[] {
  const microvolts = new Float32Array(new Uint8Array(payload).buffer);
  return Array.from({ length: channels }, (_, c) =>
    microvolts.subarray(c * samples, (c + 1) * samples).reduce((sum, value) => sum + Math.round(value / 0.05), 0),
  );
}

describe("W26: a recording is played whole", () => {
  it("each spike and TTL edge is in one block, by electrode and sample, as NumPy reads it", () => {
    const blocks = [...blocksOf(recording, false)];
    expect(blocks).toHaveLength(countBlocks(recording));
    expectWhole(blocks.flatMap((block) => block.messages));
    // Events lie within the block that their data message closes.
    for (const { messages } of blocks) {
      const data = messages[messages.length - 1];
      if (data.kind !== "data") throw new Error("expected a block to end with its data");
      for (const { sampleNum } of messages.slice(0, -1)) {
        expect(sampleNum).toBeGreaterThanOrEqual(data.sampleNum);
        expect(sampleNum).toBeLessThan(data.sampleNum + data.numSamples);
      }
    }
  });

  it("a loop goes on with message and sample numbers", () => {
    const blocks = blocksOf(recording, true);
    const count = countBlocks(recording);
    const messages: OpenEphysMessage[] = [];
    for (let i = 0; i < 2 * count; i++) messages.push(...blocks.next().value!.messages);
    const data = messages.filter((message) => message.kind === "data");
    for (let i = 1; i < data.length; i++)
      expect(data[i].sampleNum).toBe(data[i - 1].sampleNum + data[i - 1].numSamples);
    expect(messages.filter(({ kind }) => kind === "spike")).toHaveLength(2 * spikeTotal);
    expect(messages.map(({ messageNum }) => messageNum)).toEqual(messages.map((_, i) => i + 1));
  });

  it("through a socket at full speed nothing is lost, though the subscriber reads late and with a short queue", async () => {
    const player = await startPlayer({});
    const subscriber = new Subscriber({ receiveHighWaterMark: 10 });
    disposers.push(() => subscriber.close());
    subscriber.connect(player.address);
    subscriber.subscribe();
    const playing = player.play(() => {});
    await sleep(400);
    const messages: OpenEphysMessage[] = [];
    const total = [...blocksOf(recording, false)].flatMap((block) => block.messages).length;
    while (messages.length < total) {
      const decoded = decodeOpenEphys(await subscriber.receive());
      if (!decoded.ok) throw new Error(decoded.detail);
      messages.push(decoded.value);
      if (messages.length % 200 === 0) await sleep(5);
    }
    expectWhole(messages);
    const played = { spikes: spikeTotal, ttlEvents: expected.ttl.sampleNum.length, unheard: 0 };
    expect(await playing).toMatchObject(played);
  });

  it("acquisition takes each spike of it, none late, with the stream's time past the last of them", async () => {
    const player = await startPlayer({});
    const acquisition = await openAcquisition({
      streams: [],
      address: player.address,
      socket: "sub",
      format: "open-ephys",
      roster: createRoster(electrodes.map((name) => ({ name }))),
    });
    disposers.push(() => acquisition.dispose());
    const events: AcquisitionEvent[] = [];
    acquisition.events$.subscribe((event) => events.push(event));
    await player.play(() => {});
    const deadline = performance.now() + 10_000;
    while (acquisition.counts().spikes < spikeTotal && performance.now() < deadline) await sleep(10);
    await sleep(50);
    const times = new Map<number, number[]>(electrodes.map((_, i) => [i, []]));
    let untilS = 0;
    for (const event of events) {
      if (event.type !== "batch") continue;
      for (const [i, unit] of event.unit.entries()) times.get(unit)!.push(event.timeS[i]);
      untilS = event.untilS;
    }
    for (const [i, name] of electrodes.entries())
      expect(times.get(i)).toEqual(expected.spikes[name].sampleNum.map((sample) => sample / RATE));
    expect(untilS).toBeGreaterThan(Math.max(...[...times.values()].flat()));
    expect(acquisition.counts()).toMatchObject({ spikes: spikeTotal, lostMessages: 0, lateSpikes: 0, restarts: 0 });
    expect(events.filter(({ type }) => type === "ttl")).toHaveLength(expected.ttl.sampleNum.length);
  });
});

describe("W27: pace and waiting", () => {
  it("at 10 × real time the recording lasts a tenth of its time", async () => {
    const player = await startPlayer({ speed: 10 });
    const subscriber = new Subscriber({ receiveHighWaterMark: 0 });
    disposers.push(() => subscriber.close());
    subscriber.connect(player.address);
    subscriber.subscribe();
    let startMs = 0;
    await player.play(() => (startMs ||= performance.now()));
    const tookS = (performance.now() - startMs) / 1000;
    const wholeS = (countBlocks(recording) * 0.02) / 10;
    expect(tookS).toBeGreaterThan(wholeS - 0.02);
    expect(tookS).toBeLessThan(wholeS + 2);
  });

  it("says so where no subscriber comes", async () => {
    const player = await startPlayer({ waitS: 0.1 });
    await expect(player.play(() => {})).rejects.toThrow(/expected a subscriber within 0.1 s, none came/);
  });

  it("ends when disposed of", async () => {
    const player = await startPlayer({ waitS: 60 });
    const playing = player.play(() => {});
    player.dispose();
    expect(await playing).toEqual({ blocks: 0, spikes: 0, ttlEvents: 0, unheard: 0 });
  });
});

describe("what a user can get wrong", () => {
  const refusal = async (promise: Promise<unknown>): Promise<string> => {
    const error = await promise.then(
      () => null,
      (error: unknown) => error,
    );
    expect(error).toBeInstanceOf(ConfigurationError);
    return (error as Error).message;
  };

  it("names a missing folder, one without a recording, and a stream that is not there", async () => {
    expect(await refusal(readRecording("/no/such", null))).toMatch(
      /Open Ephys recording, got \/no\/such: it does not exist/,
    );
    expect(await refusal(readRecording(join(folder, "../../acquisition"), null))).toMatch(/found no structure.oebin/);
    expect(await refusal(readRecording(folder, "LFP"))).toMatch(/a stream with spikes \(example_data\), got "LFP"/);
  });

  it("names a recording without spikes and a broken structure", async () => {
    const scratch = await mkdtemp(join(tmpdir(), "recording-"));
    disposers.push(() => void rm(scratch, { recursive: true }));
    await writeFile(join(scratch, "structure.oebin"), `{"continuous": [], "events": [], "spikes": []}`);
    expect(await refusal(readRecording(scratch, null))).toMatch(/expected a recording with spikes/);
    await writeFile(join(scratch, "structure.oebin"), `{"spikes": [{"name": 1}]}`);
    expect(await refusal(readRecording(scratch, null))).toMatch(/spikes.0.name: expected string, found 1/);
    await writeFile(join(scratch, "structure.oebin"), "{");
    expect(await refusal(readRecording(scratch, null))).toMatch(/structure.oebin: expected JSON/);
  });

  it("names a port in use", async () => {
    const player = await startPlayer({});
    expect(await refusal(startPlayer({ bind: player.address }))).toMatch(/expected a free address to bind.*in use/);
  });

  it("a .npy file of another kind is refused", () => {
    expect(() => parseNpy(new Uint8Array(20))).toThrow(/expected a .npy file/);
    const header = "{'descr': '|S5', 'fortran_order': False, 'shape': (1,), }\n";
    const bytes = new Uint8Array([0x93, ...Buffer.from("NUMPY"), 1, 0, header.length, 0, ...Buffer.from(header)]);
    expect(() => parseNpy(bytes)).toThrow(/expected a C-ordered array of <i2/);
  });
});
