import { bytesOf } from "../../protocols/wire/message.ts";
import type { AcquisitionEvent } from "../acquisition/spike-batch.ts";
import type { Choice } from "../choice/choice.ts";
import type { SessionEvent } from "./view.ts";

/**
 * A session event as the fields of a journal record, or null for what another record already says. Arrays of numbers are
 * little-endian bytes, their type in the key (F64, U32, U16).
 */
export function recordOf(event: SessionEvent): { kind: string; fields: object } | null {
  switch (event.kind) {
    case "acquisition":
      return acquisitionRecord(event.event);
    case "display":
      // A face's becoming ready is implied by its being shown; everything else the display says is kept.
      return event.event.type === "ready" ? null : { kind: "display", fields: { event: event.event } };
    case "choice":
      return {
        kind: "choice",
        fields: { face: event.face, after: event.after, ...choiceFields(event.choice) },
      };
    case "realised":
      return {
        kind: "realised",
        fields: { face: event.face, latentsF64: bytesOf(event.latents), difference: event.difference },
      };
    case "trial": {
      const { counts, latents, ...trial } = event.trial;
      return { kind: "trial", fields: { ...trial, latentsF64: bytesOf(latents), countsU32: bytesOf(counts) } };
    }
    case "plan": {
      const { onsets, aborted, broken } = event.output;
      if (onsets.length === 0 && aborted.length === 0 && broken.length === 0) return null;
      return {
        kind: "presentation",
        fields: {
          onsets: onsets.map(({ latents, ...onset }) => ({ ...onset, latentsF64: bytesOf(latents) })),
          aborted,
          broken,
          deadlineMissed: event.output.deadlineMissed,
        },
      };
    }
    case "command":
      return { kind: "command", fields: { command: event.command } };
    case "gate":
      return { kind: "gate", fields: event.event };
    case "refined":
      return event.refits.length > 0 ? { kind: "refits", fields: { refits: event.refits } } : null;
    case "unit":
      return { kind: "unit", fields: { ...event.order } };
    case "stopped":
      return { kind: "stopped", fields: { reason: event.reason } };
  }
}

const choiceFields = ({ latents, reason }: Choice) => ({ latentsF64: bytesOf(latents), reason });

function acquisitionRecord(event: AcquisitionEvent): { kind: string; fields: object } | null {
  if (event.type !== "batch") return { kind: event.type, fields: event };
  const { stream, untilS, unit, timeS, count, arrivedServerMs } = event;
  // A message without spikes only moves the stream's time on; the next one that has some says so too.
  if (unit.length === 0) return null;
  return {
    kind: "spikes",
    fields: {
      stream,
      untilS,
      arrivedServerMs,
      unitU16: bytesOf(unit),
      timeF64: bytesOf(timeS),
      countU32: count && bytesOf(count),
    },
  };
}
