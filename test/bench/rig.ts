/**
 * `node dist/test/bench/rig.js [units] [rateHz] [seconds]`: whether the simulated rig keeps up in real time, in both wire formats, five faces a
 * second, and what its neurons cost without sockets; as JSON on stdout.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { Publisher } from "zeromq";
import { EVENTS_VERSION, encodePublicEvent } from "../../protocols/wire/events.ts";
import { openAcquisition } from "../../server/acquisition/acquisition.ts";
import { createRoster } from "../../server/acquisition/roster.ts";
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
  const roster = createRoster(Array.from({ length: units }, (_, u) => ({ name: `sim-${u + 1}` })));
  const acquisition = await openAcquisition({ address, socket: "sub", format, roster, streams: [] });
  const behindMs: number[] = [];
  acquisition.events$.subscribe((event) => {
    if (event.type === "batch") behindMs.push(event.arrivedServerMs - (originMs + 1000 * event.reachedS));
  });
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
  const before = { cpu: await cpu(), spikes: acquisition.counts().spikes, ms: serverNow() };
  behindMs.length = 0;
  while (serverNow() < before.ms + 1000 * seconds) await show();
  const [after, { spikes, lostMessages }, ms] = [await cpu(), acquisition.counts(), serverNow()];
  child.disconnect();
  await acquisition.dispose();
  publisher.close();
  const wallS = (ms - before.ms) / 1000;
  return {
    cpuSPerS: (after - before.cpu) / wallS,
    spikesPerS: (spikes - before.spikes) / wallS,
    lostMessages,
    /** From a block's end to its arrival. */
    behindMs: spread(behindMs),
  };
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
