/** What goes wrong between a recording system and the server, in whatever format: pure. */
import type { RigFault, Transport } from "../../protocols/experiment.ts";
import { exponential, type Random } from "../../server/random.ts";

/** Faults of single messages. */
export const messageFaults = ["lose", "duplicate", "reorder", "garbage", "half", "flood"] as const satisfies RigFault[];
export type MessageFault = (typeof messageFaults)[number];

/** How often a message comes in a flood. */
const FLOOD = 5000;

/** What is sent in place of a message, given which faults strike it: none, one or several. */
export type FaultyWay = (frames: Uint8Array[], strikes: (fault: MessageFault) => boolean) => Uint8Array[][];

export function createFaultyWay(): FaultyWay {
  let held: Uint8Array[] | null = null;
  return (frames, strikes) => {
    const out: Uint8Array[][] = [];
    if (strikes("garbage")) out.push([Uint8Array.of(0, 255, 7)], [new Uint8Array(3), new Uint8Array(9)]);
    if (strikes("lose")) return out;
    if (strikes("reorder") && held === null) {
      held = frames;
      return out;
    }
    const sent = strikes("half") ? halved(frames) : frames;
    out.push(sent);
    if (held !== null) {
      out.push(held);
      held = null;
    }
    const more = strikes("flood") ? FLOOD - 1 : strikes("duplicate") ? 1 : 0;
    for (let i = 0; i < more; i++) out.push(sent);
    return out;
  };
}

function halved(frames: Uint8Array[]): Uint8Array[] {
  const last = frames[frames.length - 1];
  return [...frames.slice(0, -1), last.subarray(0, last.length >> 1)];
}

/** The faults that have come due since it was last asked. */
export type Strikes = (nowMs: number) => ReadonlySet<RigFault>;

/** Faults at random times, each a Poisson process of its own that begins when it is first asked. */
export function createStrikes(perMinute: Transport["faultsPerMinute"], random: Random): Strikes {
  const all = (Object.entries(perMinute) as [RigFault, number][]).map(([fault, rate]) => {
    const own = random.split(fault);
    return { fault, nextMs: null as number | null, waitMs: () => (60_000 / rate) * exponential(own) };
  });
  return (nowMs) => {
    const due = new Set<RigFault>();
    for (const one of all) {
      one.nextMs ??= nowMs + one.waitMs();
      for (; one.nextMs <= nowMs; one.nextMs += one.waitMs()) due.add(one.fault);
    }
    return due;
  };
}
