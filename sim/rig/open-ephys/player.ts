import { setTimeout as sleep } from "node:timers/promises";
import { XPublisher } from "zeromq";
import { ConfigurationError } from "../../../server/failure.ts";
import { blocksOf } from "./blocks.ts";
import { createFaults, type Fault } from "./faults.ts";
import { answerHeartbeats } from "./heartbeats.ts";
import type { Recording } from "./recording.ts";

export interface PlayerOptions {
  recording: Recording;
  /** ZeroMQ endpoint to bind, as "tcp://127.0.0.1:5556"; port `*` takes a free one. */
  bind: string;
  /** Times real time; infinite: as fast as the subscriber takes it. */
  speed: number;
  loop: boolean;
  /** Seconds to wait for the first subscriber. */
  waitS: number;
  /** What goes wrong on the way. */
  faults?: readonly Fault[];
}

export interface Played {
  blocks: number;
  spikes: number;
  ttlEvents: number;
  /** Of these, sent while no subscriber was there any more. */
  unheard: number;
}

export interface Player {
  /** The endpoint in use. */
  readonly address: string;
  /**
   * Waits for a subscriber and plays; gives what was played, at the end or when disposed of.
   * @throws ConfigurationError where no subscriber came in time.
   */
  play(onBlock: (played: Played) => void): Promise<Played>;
  /** Stops after the block that is being sent. */
  dispose(): void;
}

/** Where `restart` and `sample-reset` happen. */
const HALFWAY_MESSAGE = 500;
/** A client that subscribes to DATA and to EVENT does so in two messages: the second one is let in too. */
const SETTLE_MS = 200;
const SUBSCRIBED = 1;

/**
 * Plays a recording as the Open Ephys GUI's ZMQ Interface sends it, but waits for the subscriber and drops nothing.
 * @throws ConfigurationError where the address cannot be bound.
 */
export async function openPlayer(options: PlayerOptions): Promise<Player> {
  // XPUB sees subscriptions arrive; with noDrop a full queue makes `send` fail, where PUB would drop.
  const socket = new XPublisher({ noDrop: true });
  await socket.bind(options.bind).catch((error: Error) => {
    socket.close();
    throw new ConfigurationError(
      `expected a free address to bind, as tcp://127.0.0.1:5556, got ${options.bind}: ${error.message}`,
    );
  });
  const stop = new AbortController();
  const heartbeats = await answerHeartbeats(socket.lastEndpoint ?? options.bind);
  const audience = watchAudience(socket);
  return {
    address: socket.lastEndpoint ?? options.bind,
    async play(onBlock) {
      try {
        await waitFor(audience.arrived, options.waitS, stop.signal);
        return await playBlocks(socket, audience, options, stop.signal, onBlock);
      } finally {
        heartbeats?.dispose();
        socket.close();
      }
    },
    dispose: () => stop.abort(),
  };
}

interface Audience {
  /** Resolves at the first subscription. */
  arrived: Promise<void>;
  isPresent(): boolean;
}

function watchAudience(socket: XPublisher): Audience {
  // ZeroMQ tells of the first subscriber to a topic and of the last one's leaving.
  const topics = new Set<string>();
  const arrived = new Promise<void>((resolve) => {
    void (async () => {
      for await (const [message] of socket) {
        const topic = message.subarray(1).toString("latin1");
        if (message[0] === SUBSCRIBED) topics.add(topic);
        else topics.delete(topic);
        resolve();
      }
    })();
  });
  return { arrived, isPresent: () => topics.size > 0 };
}

async function waitFor(arrived: Promise<void>, waitS: number, signal: AbortSignal): Promise<void> {
  const timer = new AbortController();
  const waiting = AbortSignal.any([signal, timer.signal]);
  const timeUp = pause(1000 * waitS, waiting).then(() => "time is up" as const);
  const first = await Promise.race([arrived, timeUp]);
  timer.abort();
  if (first === "time is up" && !signal.aborted)
    throw new ConfigurationError(
      `expected a subscriber within ${waitS} s, none came: start the session, or wait longer`,
    );
  await pause(SETTLE_MS, signal);
}

/** Sleeps, but wakes where the signal says so. */
const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  sleep(ms, undefined, { signal }).catch((error: Error) => {
    if (error.name !== "AbortError") throw error;
  });

async function playBlocks(
  socket: XPublisher,
  audience: Audience,
  { recording, loop, speed, faults = [] }: PlayerOptions,
  signal: AbortSignal,
  onBlock: (played: Played) => void,
): Promise<Played> {
  const startMs = performance.now();
  const faulty = createFaults(faults, HALFWAY_MESSAGE);
  let played: Played = { blocks: 0, spikes: 0, ttlEvents: 0, unheard: 0 };
  for (const { endS, messages } of blocksOf(recording, loop)) {
    const aheadMs = startMs + (1000 * endS) / speed - performance.now();
    if (aheadMs > 0) await pause(aheadMs, signal);
    if (signal.aborted) return played;
    for (const message of messages)
      for (const frames of faulty.send(message, Date.now())) await sendWhole(socket, frames, signal);
    const spikes = messages.filter(({ kind }) => kind === "spike").length;
    const ttlEvents = messages.length - spikes - 1;
    played = {
      blocks: played.blocks + 1,
      spikes: played.spikes + spikes,
      ttlEvents: played.ttlEvents + ttlEvents,
      unheard: played.unheard + (audience.isPresent() ? 0 : spikes + ttlEvents),
    };
    onBlock(played);
  }
  return played;
}

/** Sends all frames; waits while the subscriber's queue is full. */
async function sendWhole(socket: XPublisher, frames: Uint8Array[], signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      return await socket.send(frames);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      await pause(1, signal);
    }
  }
}
