import { Publisher, Subscriber } from "zeromq";
import { decodePublicEvent, type PublicEvent } from "../../protocols/wire/events.ts";
import { encodeOpenEphys } from "../../protocols/wire/open-ephys.ts";
import { encodeSpikeMessage, SPIKES_VERSION } from "../../protocols/wire/spikes.ts";
import { serverNow } from "../../server/clock.ts";
import type { Random } from "../../server/random.ts";
import { type Brain, createBrain, type Spikes } from "../neurons/brain.ts";
import type { SimulatedUnit } from "../neurons/unit.ts";

export interface SimulatedRigOptions {
  units: readonly SimulatedUnit[];
  /** The server's public events: all that this rig knows of the session. */
  events: string;
  /** Where spikes are published; port * for any. */
  bind: string;
  format: "latentloop" | "open-ephys";
  random: Random;
}

export interface SimulatedRig {
  address: string;
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

/**
 * A process that looks like the recording system: it subscribes to the public events to see what is on the screen, and
 * publishes what its neurons fire. Streams from the first event that it hears, so that it misses no presentation.
 */
export async function runSimulatedRig(options: SimulatedRigOptions): Promise<SimulatedRig> {
  const publisher = new Publisher({ sendHighWaterMark: 0 });
  await publisher.bind(options.bind);
  const subscriber = new Subscriber();
  subscriber.subscribe("");
  subscriber.connect(options.events);
  const originMs = serverNow() - 1000 * CLOCK_STARTS_AT_S;
  const neuralS = (serverMs: number) => (serverMs - originMs) / 1000;
  const brain = createBrain(options.units, CLOCK_STARTS_AT_S, options.random);
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
      see(brain, event.value, neuralS);
      if (event.value.type === "state" && event.value.state === "ended") break;
    }
    over = true;
  };
  const fire = async () => {
    await heard;
    const encode = createEncoder(options);
    while (!over) {
      const untilS = neuralS(serverNow());
      for (const frames of encode(brain.fire(untilS), untilS)) await publisher.send(frames as Buffer[]);
      await new Promise((resolve) => setTimeout(resolve, BLOCK_MS));
    }
  };
  const ended = Promise.all([follow(), fire()]).then(() => publisher.close());
  return {
    address: publisher.lastEndpoint!,
    dispose() {
      started();
      subscriber.close();
    },
    ended,
  };
}

function see(brain: Brain, event: PublicEvent, neuralS: (serverMs: number) => number): void {
  if (event.type !== "presentation") return;
  const { onset, onMs, latents, realised, presentation } = event;
  // A neuron answers what is on the screen.
  brain.see(presentation, realised ?? latents, neuralS(onset.serverMs), neuralS(onset.serverMs + onMs));
}

/** Spikes of a block as the frames of each message to send. */
function createEncoder({ units, format }: SimulatedRigOptions): (spikes: Spikes, untilS: number) => Uint8Array[][] {
  const names = units.map((unit) => unit.name);
  if (format === "latentloop") {
    let seq = 0;
    return ({ unit, timeS }, untilS) => [
      [
        encodeSpikeMessage({
          v: SPIKES_VERSION,
          type: "spikes",
          stream: STREAM,
          seq: seq++,
          clock: "sim",
          untilS,
          units: names,
          unit,
          timeS,
        }),
      ],
    ];
  }
  let messageNum = 0;
  let nextSample = Math.round(CLOCK_STARTS_AT_S * SAMPLE_RATE);
  return ({ unit, timeS }, untilS) => {
    const timestamp = Date.now();
    const messages = Array.from(unit, (u, i) =>
      encodeOpenEphys(
        {
          kind: "spike",
          messageNum: ++messageNum,
          stream: STREAM,
          sourceNode: 103,
          electrode: names[u],
          sampleNum: Math.floor(timeS[i] * SAMPLE_RATE),
          sortedId: 0,
          numChannels: 1,
          numSamples: 1,
          threshold: [-50],
          payload: new Uint8Array(4),
        },
        timestamp,
      ),
    );
    const sampleNum = nextSample;
    nextSample = Math.floor(untilS * SAMPLE_RATE);
    const numSamples = nextSample - sampleNum;
    messages.push(
      encodeOpenEphys(
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
      ),
    );
    return messages;
  };
}
