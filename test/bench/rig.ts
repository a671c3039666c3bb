/**
 * `node dist/test/bench/rig.js [units] [rateHz] [seconds]`: whether the simulated rig keeps up in real time, in both wire formats, five faces a
 * second, and what its neurons cost without sockets; as JSON on stdout.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { Publisher, Subscriber } from "zeromq";
import { EVENTS_VERSION, encodePublicEvent } from "../../protocols/wire/events.ts";
import { decodeOpenEphys } from "../../protocols/wire/open-ephys.ts";
import { decodeSpikeMessage } from "../../protocols/wire/spikes.ts";
import { serverNow } from "../../server/clock.ts";
import { compiledModule } from "../../server/package-root.ts";
import { random } from "../../server/random.ts";
import { createBrain } from "../../sim/neurons/brain.ts";
import { createPopulation, type Population } from "../../sim/neurons/unit.ts";
import type { RigBench } from "./rig-sender.ts";
import { spread } from "./spread.ts";

const [units, rateHz, seconds] = [1000, 50, 20].map((usual, i) => Number(process.argv[2 + i] ?? usual));
const PERIOD_MS = 200;
const ON_MS = 150;
const LATENTS = 12;

const cpuSeconds = ({ user, system }: NodeJS.CpuUsage): number => (user + system) / 1e6;

async function benchRig(format: RigBench["format"]) {
  const publisher = new Publisher();
  await publisher.bind("tcp://127.0.0.1:*");
  const options: RigBench = { units, rateHz, format, events: publisher.lastEndpoint! };
  const child = fork(compiledModule("test/bench/rig-sender.js"), [JSON.stringify(options)]);
  const [{ address, originMs }] = (await once(child, "message")) as [{ address: string; originMs: number }];
  const cpu = async () => {
    child.send("cpu");
    const [usage] = (await once(child, "message")) as [NodeJS.CpuUsage];
    return cpuSeconds(usage);
  };
  const behindMs: number[] = [];
  let spikes = 0;
  let over = false;
  const listener = new Subscriber({ receiveHighWaterMark: 0 });
  listener.subscribe();
  listener.connect(address);
  const listening = (async () => {
    for await (const frames of listener) {
      if (over) return;
      const block = format === "latentloop" ? ourBlock(frames[0]) : openEphysBlock(frames);
      spikes += block.spikes;
      if (block.untilS !== null) behindMs.push(serverNow() - originMs - 1000 * block.untilS);
    }
  })();
  // Subscriptions need a moment to reach their publishers.
  await sleep(300);
  const startMs = serverNow();
  const latents = new Array<number>(LATENTS).fill(0);
  let presentation = 0;
  const show = async () => {
    const onset = { serverMs: serverNow(), uncertaintyMs: 0 };
    const shown = {
      type: "presentation",
      v: EVENTS_VERSION,
      session: "bench",
      face: presentation,
      latents,
      onset,
    } as const;
    await publisher.send(
      encodePublicEvent({
        ...shown,
        presentation: presentation++,
        onMs: ON_MS,
        lateFrames: 0,
        dropped: 0,
        patch: false,
      }),
    );
    await sleep(startMs + presentation * PERIOD_MS - serverNow());
  };
  // The first second is the compiler's.
  while (serverNow() < startMs + 1000) await show();
  const before = { cpu: await cpu(), spikes, ms: serverNow() };
  behindMs.length = 0;
  while (serverNow() < before.ms + 1000 * seconds) await show();
  const wallS = (serverNow() - before.ms) / 1000;
  const spikesPerS = (spikes - before.spikes) / wallS;
  const cpuSPerS = ((await cpu()) - before.cpu) / wallS;
  over = true;
  await listening;
  child.disconnect();
  listener.close();
  publisher.close();
  /** Lag: from a block's end to its arrival. */
  return { cpuSPerS, spikesPerS, behindMs: spread(behindMs) };
}

interface Block {
  spikes: number;
  untilS: number | null;
}

function ourBlock(frame: Uint8Array): Block {
  const decoded = decodeSpikeMessage(frame);
  if (!decoded.ok || decoded.value.type !== "spikes") throw new Error("expected a message of spikes");
  return { spikes: decoded.value.unit.length, untilS: decoded.value.untilS };
}

/** The first frame says what a message is, data or an event; only data are read further, since a spike a message is a lot. */
function openEphysBlock(frames: readonly Uint8Array[]): Block {
  if (frames[0][0] !== "D".charCodeAt(0)) return { spikes: 1, untilS: null };
  const decoded = decodeOpenEphys(frames);
  if (!decoded.ok || decoded.value.kind !== "data") throw new Error("expected a data message");
  const { sampleNum, numSamples, sampleRate } = decoded.value;
  return { spikes: 0, untilS: (sampleNum + numSamples) / sampleRate! };
}

/** The neurons alone, in blocks of 20 ms of virtual time. */
function benchBrain(name: string, population: Population) {
  const brain = createBrain(createPopulation(population, LATENTS, random(1)), 0, random(2), population.adaptation);
  const faces = random(3);
  const start = process.cpuUsage();
  let spikes = 0;
  for (let n = 0; n < (1000 * seconds) / PERIOD_MS; n++) {
    const onsetS = (n * PERIOD_MS) / 1000;
    const face = Float64Array.from({ length: LATENTS }, () => faces.normal());
    brain.see(n, face, onsetS, onsetS + ON_MS / 1000);
    for (let block = 1; block <= 10; block++) spikes += brain.fire(onsetS + block * 0.02).unit.length;
  }
  return { name, cpuSPerS: cpuSeconds(process.cpuUsage(start)) / seconds, spikesPerS: spikes / seconds };
}

const result = {
  units,
  rateHz,
  latentloop: await benchRig("latentloop"),
  openEphys: await benchRig("open-ephys"),
  brains: [
    benchBrain("ramp", { ramp: units }),
    benchBrain("AM", { AM: units }),
    benchBrain("AM, all that may befall", {
      AM: units,
      adaptation: { suppression: 0.3, memoryFaces: 10, width: 1 },
      drift: { logGain: 0.4, shift: 0.5 },
      sortingErrors: { merged: 0.2, split: 0.1 },
    }),
  ],
};
process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
