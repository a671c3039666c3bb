import { reject } from "../../protocols/wire/message.ts";
import {
  type CountsMessage,
  decodeSpikeMessage,
  messageReachedS,
  messageUntilS,
  type SpikeMessage,
  type SpikesMessage,
} from "../../protocols/wire/spikes.ts";
import { type FrameReader, type ReaderOptions, strangerWords } from "./frame-reader.ts";
import { Ledger } from "./ledger.ts";
import type { Roster } from "./roster.ts";
import { initSequence, type Sequence, stepSequence } from "./sequence.ts";
import type { AcquisitionEvent } from "./spike-batch.ts";

/** Messages of several threads of a sender may overlap by less than this. */
const CLOCK_TOLERANCE_S = 1;

/** Reads this project's own messages (SPEC.md, W1 to W8). */
export function createLatentloopReader(options: ReaderOptions): FrameReader {
  const ledger = new Ledger();
  const followed = new Map(options.streams.map(({ name }) => [name, notHeard()]));

  function read(frames: readonly Uint8Array[], arrivedServerMs: number): AcquisitionEvent[] {
    ledger.counts.messages++;
    if (frames.length !== 1) {
      const detail = `expected one frame of MessagePack, got ${frames.length} frames`;
      return [ledger.rejected(reject("malformed", detail), arrivedServerMs)];
    }
    const decoded = decodeSpikeMessage(frames[0]);
    if (!decoded.ok) return [ledger.rejected(decoded, arrivedServerMs)];
    const message = decoded.value;
    if (followed.size === 0) followed.set(message.stream, notHeard());
    const stream = followed.get(message.stream);
    return stream
      ? inSequence(stream, message, arrivedServerMs)
      : [ledger.rejected(reject("stream", strangerWords([...followed.keys()], message.stream)), arrivedServerMs)];
  }

  function inSequence(stream: Stream, message: SpikeMessage, arrivedServerMs: number): AcquisitionEvent[] {
    const position = message.type === "ttl" ? message.timeS : messageUntilS(message);
    const numbered = { number: message.seq, position };
    const [next, verdict] = stepSequence(stream.sequence, numbered, CLOCK_TOLERANCE_S);
    stream.sequence = next;
    switch (verdict.kind) {
      case "next":
        return deliver(stream, message, arrivedServerMs);
      case "gap":
        return [
          ledger.gap(message.stream, verdict.missing, arrivedServerMs),
          ...deliver(stream, message, arrivedServerMs),
        ];
      case "reordered":
        return [ledger.reordered(message.stream, arrivedServerMs), ...deliver(stream, message, arrivedServerMs)];
      case "duplicate":
        return [ledger.rejected(reject("duplicate", `message ${message.seq} came again`), arrivedServerMs)];
      case "restart":
        stream.watermarkS = Number.NEGATIVE_INFINITY;
        return [ledger.restart(message.stream, arrivedServerMs), ...deliver(stream, message, arrivedServerMs)];
    }
  }

  function deliver(stream: Stream, message: SpikeMessage, arrivedServerMs: number): AcquisitionEvent[] {
    if (message.type !== "ttl") return batch(stream, message, arrivedServerMs);
    const { stream: name, line, state, timeS } = message;
    return [{ type: "ttl", stream: name, line, state, timeS, arrivedServerMs }];
  }

  function batch(stream: Stream, message: CountsMessage | SpikesMessage, arrivedServerMs: number): AcquisitionEvent[] {
    const entries =
      message.type === "counts" ? countEntries(message, options.roster) : spikeEntries(message, options.roster);
    const told: AcquisitionEvent[] = [];
    for (const [unit, spikes] of entries.unknown) {
      const event = ledger.unknownUnit(unit, spikes, arrivedServerMs);
      if (event !== null) told.push(event);
    }
    const { unit, timeS, count } = entries;
    for (let i = 0; i < unit.length; i++) {
      const spikes = count === null ? 1 : count[i];
      ledger.counts.spikes += spikes;
      if (timeS[i] < stream.watermarkS) ledger.counts.lateSpikes += spikes;
    }
    stream.watermarkS = Math.max(stream.watermarkS, messageUntilS(message));
    told.push({
      type: "batch",
      stream: message.stream,
      untilS: stream.watermarkS,
      reachedS: messageReachedS(message),
      unit,
      timeS,
      count,
      arrivedServerMs,
    });
    return told;
  }

  return { counts: ledger.counts, read, flush: () => [] };
}

/** What is kept of each stream that is followed: senders number each by itself. */
interface Stream {
  sequence: Sequence;
  /** No spike before it is still to come. */
  watermarkS: number;
}
const notHeard = (): Stream => ({ sequence: initSequence(0), watermarkS: Number.NEGATIVE_INFINITY });

interface Entries {
  unit: Uint16Array;
  timeS: Float64Array;
  count: Uint32Array | null;
  /** Spikes by name of a unit that the roster does not have. */
  unknown: Map<string, number>;
}

const STRANGER = -1;
const indicesOf = (stream: string, names: readonly string[], roster: Roster): Int32Array =>
  Int32Array.from(names, (name) => roster.byName(stream, name) ?? STRANGER);

function addTo(tally: Map<string, number>, name: string, spikes: number): void {
  tally.set(name, (tally.get(name) ?? 0) + spikes);
}

/** Entries of the bins that are not empty, each at its bin's centre. */
function countEntries({ stream, units, counts, t0S, binS }: CountsMessage, roster: Roster): Entries {
  const index = indicesOf(stream, units, roster);
  const unknown = new Map<string, number>();
  const kept = countKept(counts, index);
  const entries = { unit: new Uint16Array(kept), timeS: new Float64Array(kept), count: new Uint32Array(kept), unknown };
  let entry = 0;
  for (let bin = 0, i = 0; i < counts.length; bin++) {
    const centreS = t0S + (bin + 0.5) * binS;
    for (let column = 0; column < index.length; column++, i++) {
      if (counts[i] === 0) continue;
      if (index[column] === STRANGER) {
        addTo(unknown, units[column], counts[i]);
        continue;
      }
      entries.unit[entry] = index[column];
      entries.timeS[entry] = centreS;
      entries.count[entry++] = counts[i];
    }
  }
  return entries;
}

function countKept(counts: Uint16Array | Uint32Array, index: Int32Array): number {
  let kept = 0;
  for (let i = 0; i < counts.length; )
    for (let column = 0; column < index.length; column++, i++)
      if (counts[i] !== 0 && index[column] !== STRANGER) kept++;
  return kept;
}

function spikeEntries({ stream, units, unit, timeS }: SpikesMessage, roster: Roster): Entries {
  const index = indicesOf(stream, units, roster);
  const unknown = new Map<string, number>();
  const keptUnit = new Uint16Array(unit.length);
  const keptS = new Float64Array(unit.length);
  let kept = 0;
  for (let i = 0; i < unit.length; i++) {
    if (index[unit[i]] === STRANGER) {
      addTo(unknown, units[unit[i]], 1);
      continue;
    }
    keptUnit[kept] = index[unit[i]];
    keptS[kept++] = timeS[i];
  }
  return { unit: keptUnit.subarray(0, kept), timeS: keptS.subarray(0, kept), count: null, unknown };
}
