import type { RigFault, Transport } from "../../protocols/experiment.ts";
import { exponential, type Random } from "../../server/random.ts";
import { createFaultyWay, messageFaults } from "./faults.ts";

type Messages = Iterable<Uint8Array[]>;

/** The way of the simulated rig's blocks to the server. Pure: whoever sends says what time it is. */
export interface Way {
  /** Takes the messages of a block that ends now, and the faults that have come due. */
  take(messages: Messages, strikes: ReadonlySet<RigFault>, nowMs: number): void;
  /** When the next block leaves; infinite where none waits. */
  leavesMs(): number;
  /** The messages of the next block, in order of their making. */
  next(): Messages;
}

const STALL_MS = 2000;
/** Share of blocks that jitter makes late; the others tell software alignment of the way without it (SPEC.md, T6). */
const LATE_SHARE = 0.5;

export function createWay({ delayMs, jitterMs, faultsPerMinute }: Transport, random: Random): Way {
  const isFaulty = Object.keys(faultsPerMinute).length > 0;
  const draws = random.split("jitter");
  let jitter = createJitter(jitterMs, draws);
  const place = random.split("place");
  let faulty = createFaultyWay();
  const waiting: { leavesMs: number; messages: Messages }[] = [];
  let stalledUntilMs = Number.NEGATIVE_INFINITY;

  /** Each fault strikes one of the messages, which are not made before they leave: their numbers go by their order. */
  function* struck(messages: Messages, strikes: ReadonlySet<RigFault>): Messages {
    const all = [...messages];
    const at = new Map(messageFaults.map((fault) => [fault, strikes.has(fault) ? place.int(all.length) : -1]));
    for (const [i, frames] of all.entries()) yield* faulty(frames, (fault) => at.get(fault) === i);
  }

  return {
    take(messages, strikes, nowMs) {
      if (strikes.has("restart")) {
        waiting.length = 0;
        faulty = createFaultyWay();
        jitter = createJitter(jitterMs, draws);
      }
      if (strikes.has("stall")) stalledUntilMs = nowMs + STALL_MS;
      const leavesMs = Math.max(nowMs + delayMs + jitter(nowMs), stalledUntilMs);
      waiting.push({ leavesMs, messages: isFaulty ? struck(messages, strikes) : messages });
    },
    leavesMs: () => waiting[0]?.leavesMs ?? Number.POSITIVE_INFINITY,
    next: () => waiting.shift()!.messages,
  };
}

/**
 * By how much a block is late, blocks in order: as in a queue that empties as time passes, and is empty before the first block. What comes
 * into it now and then is such that in the long run LATE_SHARE of blocks are late, by an exponential time, and all by `meanMs` on average,
 * however far apart they are.
 */
function createJitter(meanMs: number, random: Random): (nowMs: number) => number {
  const ratePerMs = LATE_SHARE / meanMs;
  let lateMs = 0;
  let lastMs: number | null = null;
  return (nowMs) => {
    const passedMs = nowMs - (lastMs ?? nowMs);
    lastMs = nowMs;
    const still = Math.exp(-ratePerMs * passedMs);
    const comes = (LATE_SHARE * (1 - still)) / (1 - LATE_SHARE * still);
    lateMs = Math.max(0, lateMs - passedMs);
    if (random.uniform() < comes) lateMs += ((1 - LATE_SHARE * still) / ratePerMs) * exponential(random);
    return lateMs;
  };
}
