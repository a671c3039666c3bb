/**
 * The recording system of a past session: what was journalled of it as messages of our own format, whatever it spoke, such that the reader
 * tells the same batches once more. Pure.
 */
import { SPIKES_VERSION, type SpikeMessage } from "../../protocols/wire/spikes.ts";
import type { AcquisitionEvent, SpikeBatch } from "../acquisition/spike-batch.ts";

export interface RecordedRig {
  /** The message that makes the reader tell this event; null where none does: what came to nothing is not sent again. */
  messageOf(event: AcquisitionEvent): SpikeMessage | null;
}

interface Stream {
  seq: number;
  /** The highest number sent. */
  highest: number | null;
  /** Numbers below it that were skipped, as [first, last] of each gap, and whether what comes next fills one. */
  skipped: [number, number][];
  fills: boolean;
  /** Spikes later than the message that they came with may say: they go with the next. */
  held: Spike[];
}
interface Spike {
  unit: number;
  timeS: number;
}

const notSent = (): Stream => ({ seq: 0, highest: null, skipped: [], fills: false, held: [] });

function nextNumber(stream: Stream): number {
  const { seq, highest, skipped, fills } = stream;
  stream.fills = false;
  const isGapTold = highest === null || seq === highest + 1;
  // Of what was skipped the latest: the reader forgets the first gaps.
  const gap = fills && isGapTold ? skipped.at(-1) : undefined;
  if (gap) {
    if (gap[0] === gap[1]) skipped.pop();
    return gap[1]--;
  }
  if (!isGapTold) skipped.push([highest + 1, seq - 1]);
  stream.highest = seq;
  return stream.seq++;
}

/** @param units the session's units, by name */
export function createRecordedRig(units: readonly string[]): RecordedRig {
  const streams = new Map<string, Stream>();
  const streamOf = (name: string): Stream => {
    const known = streams.get(name) ?? notSent();
    streams.set(name, known);
    return known;
  };
  /** The streams that a gap, what fills it or a restart may be of. */
  const concerned = (name: string | null): Stream[] => (name === null ? [...streams.values()] : [streamOf(name)]);
  const header = (stream: string) =>
    ({ v: SPIKES_VERSION, stream, seq: nextNumber(streamOf(stream)), clock: "journal" }) as const;

  function spikesOf({ stream, untilS, reachedS, unit, timeS, count }: SpikeBatch): SpikeMessage {
    const own = streamOf(stream);
    const spikes = own.held;
    for (let i = 0; i < unit.length; i++)
      for (let n = count?.[i] ?? 1; n > 0; n--) spikes.push({ unit: unit[i], timeS: timeS[i] });
    const told = spikes.filter((spike) => spike.timeS <= reachedS);
    own.held = spikes.filter((spike) => spike.timeS > reachedS);
    return {
      ...header(stream),
      type: "spikes",
      // A message that came out of order, or of a clock that was set back, had not come as far as one before it.
      untilS: Math.min(untilS, reachedS),
      ...(reachedS > untilS && { reachedS }),
      units: [...units],
      unit: Uint16Array.from(told, (spike) => spike.unit),
      timeS: Float64Array.from(told, (spike) => spike.timeS),
    };
  }

  return {
    messageOf(event) {
      switch (event.type) {
        case "batch":
          return spikesOf(event);
        case "ttl": {
          const { stream, line, state, timeS } = event;
          return { ...header(stream), type: "ttl", line, state, timeS };
        }
        case "gap":
          for (const stream of concerned(event.stream)) stream.seq += event.missing;
          return null;
        case "reordered":
          for (const stream of concerned(event.stream)) stream.fills = true;
          return null;
        case "restart":
          for (const stream of concerned(event.stream)) Object.assign(stream, notSent());
          return null;
        default:
          return null;
      }
    },
  };
}
