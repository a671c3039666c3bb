/** A publisher in a process of its own: tells its address, sends when asked to, and tells how many messages it sent. */
import { Publisher } from "zeromq";
import { encodeOpenEphys, type OpenEphysData, type OpenEphysSpike } from "../../protocols/wire/open-ephys.ts";
import { encodeSpikeMessage } from "../../protocols/wire/spikes.ts";
import type { BenchStream } from "./acquisition.ts";

const { format, units, spikes, countMessages, bins } = JSON.parse(process.argv[2]) as BenchStream;
const SPIKES_PER_BLOCK = 1_000;
const BLOCK_SAMPLES = 640;
const RATE_HZ = 30_000;

// No high-water mark: the bench measures acquisition, and a publisher that drops would flatter it.
const publisher = new Publisher({ sendHighWaterMark: 0 });
await publisher.bind("tcp://127.0.0.1:*");
const messages = format === "open-ephys" ? [...openEphysMessages()] : [...countsMessages()];
process.send?.({ address: publisher.lastEndpoint, messages: messages.length });
process.once("message", async () => {
  for (const frames of messages) await publisher.send(frames);
});
process.once("disconnect", () => process.exit());

/** Spikes of 40 samples, block by block, each block closed by one channel. */
function* openEphysMessages(): Generator<Uint8Array[]> {
  let messageNum = 1;
  for (let i = 0; i < spikes; i++) {
    const start = Math.floor(i / SPIKES_PER_BLOCK) * BLOCK_SAMPLES;
    const spike: OpenEphysSpike = {
      kind: "spike",
      messageNum: messageNum++,
      stream: "bench",
      sourceNode: 103,
      electrode: units[i % units.length],
      sampleNum: start + (i % BLOCK_SAMPLES),
      sortedId: 0,
      numChannels: 1,
      numSamples: 40,
      threshold: [-50],
      payload: new Uint8Array(160),
    };
    yield encodeOpenEphys(spike, Date.now());
    if ((i + 1) % SPIKES_PER_BLOCK !== 0) continue;
    const data: OpenEphysData = {
      kind: "data",
      messageNum: messageNum++,
      stream: "bench",
      channelNum: 0,
      channelName: "CH1",
      sampleNum: start,
      numSamples: BLOCK_SAMPLES,
      sampleRate: RATE_HZ,
      payload: new Uint8Array(4 * BLOCK_SAMPLES),
    };
    yield encodeOpenEphys(data, Date.now());
  }
}

function* countsMessages(): Generator<Uint8Array[]> {
  const counts = Uint16Array.from({ length: units.length * bins }, (_, i) => i % 3);
  const binS = 0.001;
  for (let seq = 0; seq < countMessages; seq++) {
    const t0S = seq * bins * binS;
    const message = { v: 1, type: "counts", stream: "bench", seq, clock: "bench", t0S, binS, units, counts } as const;
    yield [encodeSpikeMessage({ ...message, units: [...units] })];
  }
}
