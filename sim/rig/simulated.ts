import { setTimeout as sleep } from "node:timers/promises";
import { Publisher, Subscriber } from "zeromq";
import type { Simulation, Transport } from "../../protocols/experiment.ts";
import { decodePublicEvent } from "../../protocols/wire/events.ts";
import { encodeOpenEphys, TTL_EVENT } from "../../protocols/wire/open-ephys.ts";
import { encodeSpikeMessage, SPIKES_VERSION } from "../../protocols/wire/spikes.ts";
import { serverNow } from "../../server/clock.ts";
import type { Random } from "../../server/random.ts";
import { bindingWith, connectingWith, type Keys } from "../../server/security/curve.ts";
import type { Edge } from "../../server/trials/edges.ts";
import { createBrain, type Spikes } from "../neurons/brain.ts";
import type { SimulatedUnit } from "../neurons/unit.ts";
import { createStrikes } from "./faults.ts";
import { PANEL_MS } from "./photodiode.ts";
import { createWay } from "./transport.ts";

export interface SimulatedRigOptions {
  units: readonly SimulatedUnit[];
  adaptation?: Simulation["adaptation"];
  /** The server's public events: all that this rig knows of the session. */
  events: string;
  /** Where spikes are published; port * for any. */
  bind: string;
  format: "latentloop" | "open-ephys";
  random: Random;
  /** How late its messages leave, and what goes wrong with them; left out: at once, and nothing. */
  transport?: Transport | undefined;
  /** A photodiode on the display's patch, on this digital line; null where the rig has none. */
  photodiode: { line: number } | null;
  /** Left out: nothing is encrypted. */
  keys?: Keys | null;
}

export interface SimulatedRig {
  address: string;
  /** Server time at the stream's time 0, as it first runs. */
  originMs: number;
  dispose(): void;
  /** Settles when the session that was followed has ended, or after `dispose`. */
  ended: Promise<void>;
}

const STREAM = "sim";
const SAMPLE_RATE = 30_000;
/** A recording system's clock starts anywhere. */
const CLOCK_STARTS_AT_S = 1000;
/** Spikes are sent every 5 ms, as a recording system sends its blocks. */
const BLOCK_MS = 5;
const UNHINDERED: Transport = { delayMs: 0, jitterMs: 0, faultsPerMinute: {} };
/** One sample of one channel, which nobody looks at. */
const WAVEFORM = new Uint8Array(4);

/**
 * A process that looks like the recording system: it subscribes to the public events to see what is on the screen, and
 * publishes what its neurons fire. Streams from the first event that it hears, so that it misses no presentation.
 */
export async function runSimulatedRig(options: SimulatedRigOptions): Promise<SimulatedRig> {
  const { keys = null } = options;
  const publisher = new Publisher({ sendHighWaterMark: 0, ...bindingWith(keys) });
  await publisher.bind(options.bind);
  const subscriber = new Subscriber(connectingWith(keys));
  subscriber.subscribe("");
  subscriber.connect(options.events);
  const originMs = serverNow() - 1000 * CLOCK_STARTS_AT_S;
  const neuralS = (serverMs: number) => (serverMs - originMs) / 1000;
  const brain = createBrain(options.units, CLOCK_STARTS_AT_S, options.random, options.adaptation);
  const panelMs = options.photodiode ? PANEL_MS : 0;
  /** Changes of the patch that are still to come on the screen, or have just been learned of. */
  let edges: Edge[] = [];
  let over = false;
  let started: () => void;
  const heard = new Promise<void>((resolve) => {
    started = resolve;
  });

  const follow = async () => {
    for await (const frames of subscriber) {
      const event = decodePublicEvent(frames);
      if (!event.ok) continue;
      started();
      if (event.value.type === "presentation") {
        const { onset, onMs, latents, realised, presentation, patch } = event.value;
        const lightMs = onset.serverMs + panelMs;
        // A neuron answers what is on the screen.
        brain.see(presentation, realised ?? latents, neuralS(lightMs), neuralS(lightMs + onMs));
        edges.push({ timeS: neuralS(lightMs), level: patch });
      }
      if (event.value.type === "state" && event.value.state === "ended") break;
    }
    over = true;
  };
  const fire = async () => {
    await heard;
    const { transport = UNHINDERED, random } = options;
    const strikes = createStrikes(transport.faultsPerMinute, random.split("faults"));
    const way = createWay(transport, random.split("way"));
    // What the neurons fired before anyone listened is not recorded: it would be one block of seconds.
    let blockEndS = neuralS(serverNow());
    brain.fire(blockEndS);
    let encode = createEncoder(options, blockEndS, 0);
    let nextBlockMs = serverNow();
    while (!over) {
      const nowMs = serverNow();
      if (nowMs >= nextBlockMs) {
        nextBlockMs = nowMs + BLOCK_MS;
        const struck = strikes(nowMs);
        if (struck.has("restart")) encode = createEncoder(options, blockEndS, blockEndS);
        blockEndS = neuralS(nowMs);
        const passed = options.photodiode ? edges.filter(({ timeS }) => timeS < blockEndS) : [];
        edges = edges.filter(({ timeS }) => timeS >= blockEndS);
        way.take(encode(brain.fire(blockEndS), passed, blockEndS), struck, nowMs);
      }
      while (way.leavesMs() <= serverNow()) for (const frames of way.next()) await publisher.send(frames as Buffer[]);
      await sleep(Math.max(0, Math.min(nextBlockMs, way.leavesMs()) - serverNow()));
    }
  };
  const ended = Promise.all([follow(), fire()]).then(() => publisher.close());
  return {
    address: publisher.lastEndpoint!,
    originMs,
    dispose() {
      started();
      subscriber.close();
    },
    ended,
  };
}

type Encode = (spikes: Spikes, edges: readonly Edge[], untilS: number) => Iterable<Uint8Array[]>;

/**
 * A block as the frames of each message to send, edges first; made one by one, since a block may be thousands of messages. Message numbers
 * begin with it, at `fromS` of the neurons' time; what was before is not sent.
 *
 * @param zeroS the neurons' time at which the stream's clock reads 0
 */
function createEncoder({ units, format, photodiode }: SimulatedRigOptions, fromS: number, zeroS: number): Encode {
  const line = photodiode?.line ?? 0;
  const names = units.map((unit) => unit.name);
  if (format === "latentloop") {
    let seq = 0;
    const head = () => ({ v: SPIKES_VERSION, stream: STREAM, seq: seq++, clock: "sim" }) as const;
    return function* ({ unit, timeS }, edges, untilS) {
      for (const edge of edges)
        if (edge.timeS >= fromS)
          yield [encodeSpikeMessage({ ...head(), type: "ttl", line, state: edge.level, timeS: edge.timeS - zeroS })];
      const spikes = { unit, timeS: timeS.map((t) => t - zeroS) };
      yield [encodeSpikeMessage({ ...head(), type: "spikes", untilS: untilS - zeroS, units: names, ...spikes })];
    };
  }
  let messageNum = 0;
  const sampleAt = (s: number) => Math.floor((s - zeroS) * SAMPLE_RATE);
  let nextSample = sampleAt(fromS);
  return function* ({ unit, timeS }, edges, untilS) {
    const timestamp = Date.now();
    for (const edge of edges) {
      if (edge.timeS < fromS) continue;
      yield encodeOpenEphys(
        {
          kind: "event",
          messageNum: ++messageNum,
          stream: STREAM,
          sourceNode: 100,
          eventType: TTL_EVENT,
          sampleNum: sampleAt(edge.timeS),
          ttl: { line, state: edge.level, word: edge.level ? 1n << BigInt(line) : 0n },
        },
        timestamp,
      );
    }
    for (let i = 0; i < unit.length; i++)
      yield encodeOpenEphys(
        {
          kind: "spike",
          messageNum: ++messageNum,
          stream: STREAM,
          sourceNode: 103,
          electrode: names[unit[i]],
          sampleNum: sampleAt(timeS[i]),
          sortedId: 0,
          numChannels: 1,
          numSamples: 1,
          threshold: [-50],
          payload: WAVEFORM,
        },
        timestamp,
      );
    const sampleNum = nextSample;
    nextSample = sampleAt(untilS);
    const numSamples = nextSample - sampleNum;
    yield encodeOpenEphys(
      {
        kind: "data",
        messageNum: ++messageNum,
        stream: STREAM,
        channelNum: 0,
        channelName: "CH1",
        sampleNum,
        numSamples,
        sampleRate: SAMPLE_RATE,
        payload: new Uint8Array(4 * numSamples),
      },
      timestamp,
    );
  };
}
