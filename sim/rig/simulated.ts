import { Publisher, Subscriber } from "zeromq";
import type { Simulation } from "../../protocols/experiment.ts";
import { decodePublicEvent } from "../../protocols/wire/events.ts";
import { encodeOpenEphys, TTL_EVENT } from "../../protocols/wire/open-ephys.ts";
import { encodeSpikeMessage, SPIKES_VERSION } from "../../protocols/wire/spikes.ts";
import { serverNow } from "../../server/clock.ts";
import type { Random } from "../../server/random.ts";
import { bindingWith, connectingWith, type Keys } from "../../server/security/curve.ts";
import type { Edge } from "../../server/trials/edges.ts";
import { createBrain, type Spikes } from "../neurons/brain.ts";
import type { SimulatedUnit } from "../neurons/unit.ts";

export interface SimulatedRigOptions {
  units: readonly SimulatedUnit[];
  adaptation?: Simulation["adaptation"];
  /** The server's public events: all that this rig knows of the session. */
  events: string;
  /** Where spikes are published; port * for any. */
  bind: string;
  format: "latentloop" | "open-ephys";
  random: Random;
  /** A photodiode on the display's patch, on this digital line; null where the rig has none. */
  photodiode: { line: number } | null;
  /** Left out: nothing is encrypted. */
  keys?: Keys | null;
}

export interface SimulatedRig {
  address: string;
  /** Server time at the stream's time 0. */
  originMs: number;
  dispose(): void;
  /** Settles when the session that was followed has ended, or after `dispose`. */
  ended: Promise<void>;
}

const STREAM = "sim";
const SAMPLE_RATE = 30_000;
/** A recording system's clock starts anywhere. */
const CLOCK_STARTS_AT_S = 1000;
/** From a frame's callback to light on the simulated screen, where a photodiode sees it; 0 where none does. */
export const PANEL_MS = 30;
/** Spikes are sent every 5 ms, as a recording system sends its blocks. */
const BLOCK_MS = 5;
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
    const encode = createEncoder(options);
    while (!over) {
      const untilS = neuralS(serverNow());
      const passed = options.photodiode ? edges.filter(({ timeS }) => timeS < untilS) : [];
      edges = edges.filter(({ timeS }) => timeS >= untilS);
      for (const frames of encode(brain.fire(untilS), passed, untilS)) await publisher.send(frames as Buffer[]);
      await new Promise((resolve) => setTimeout(resolve, BLOCK_MS));
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

/** A block as the frames of each message to send, edges first; made one by one, since a block may be thousands of messages. */
function createEncoder({ units, format, photodiode }: SimulatedRigOptions): Encode {
  const line = photodiode?.line ?? 0;
  const names = units.map((unit) => unit.name);
  if (format === "latentloop") {
    let seq = 0;
    const head = () => ({ v: SPIKES_VERSION, stream: STREAM, seq: seq++, clock: "sim" }) as const;
    return function* ({ unit, timeS }, edges, untilS) {
      for (const edge of edges)
        yield [encodeSpikeMessage({ ...head(), type: "ttl", line, state: edge.level, timeS: edge.timeS })];
      yield [encodeSpikeMessage({ ...head(), type: "spikes", untilS, units: names, unit, timeS })];
    };
  }
  let messageNum = 0;
  let nextSample = Math.round(CLOCK_STARTS_AT_S * SAMPLE_RATE);
  return function* ({ unit, timeS }, edges, untilS) {
    const timestamp = Date.now();
    for (const edge of edges)
      yield encodeOpenEphys(
        {
          kind: "event",
          messageNum: ++messageNum,
          stream: STREAM,
          sourceNode: 100,
          eventType: TTL_EVENT,
          sampleNum: Math.floor(edge.timeS * SAMPLE_RATE),
          ttl: { line, state: edge.level, word: edge.level ? 1n << BigInt(line) : 0n },
        },
        timestamp,
      );
    for (let i = 0; i < unit.length; i++)
      yield encodeOpenEphys(
        {
          kind: "spike",
          messageNum: ++messageNum,
          stream: STREAM,
          sourceNode: 103,
          electrode: names[unit[i]],
          sampleNum: Math.floor(timeS[i] * SAMPLE_RATE),
          sortedId: 0,
          numChannels: 1,
          numSamples: 1,
          threshold: [-50],
          payload: WAVEFORM,
        },
        timestamp,
      );
    const sampleNum = nextSample;
    nextSample = Math.floor(untilS * SAMPLE_RATE);
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
