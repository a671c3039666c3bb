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
  /** Spikes later than the message that they came with may say: they go with the next. */
  held: Spike[];
}
interface Spike {
  unit: number;
  timeS: number;
}

/** @param units the session's units, by name */
export function createRecordedRig(units: readonly string[]): RecordedRig {
  const streams = new Map<string, Stream>();
  const streamOf = (name: string): Stream => {
    const known = streams.get(name) ?? { seq: 0, held: [] };
    streams.set(name, known);
    return known;
  };
  /** The streams that a gap or a restart may be of. */
  const concerned = (name: string | null): Stream[] => (name === null ? [...streams.values()] : [streamOf(name)]);
  const header = (stream: string) =>
    ({ v: SPIKES_VERSION, stream, seq: streamOf(stream).seq++, clock: "journal" }) as const;

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
        case "restart":
          for (const stream of concerned(event.stream)) Object.assign(stream, { seq: 0, held: [] });
          return null;
        default:
          return null;
      }
    },
  };
}
