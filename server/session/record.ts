import { bytesOf } from "../../protocols/wire/message.ts";
import type { AcquisitionEvent } from "../acquisition/spike-batch.ts";
import type { Choice } from "../choice/choice.ts";
import type { PlanOutput } from "../presentation/plan.ts";
import type { SessionEvent } from "./view.ts";

export interface Recorded {
  kind: string;
  fields: object;
}

/**
 * A session event as journal records; none for what another record already says. Arrays of numbers are little-endian bytes, their
 * type in the key (F64, U32, U16).
 */
export function recordsOf(event: SessionEvent): Recorded[] {
  if (event.kind === "plan") return planRecords(event.output);
  const record = recordOf(event);
  return record ? [record] : [];
}

function recordOf(event: Exclude<SessionEvent, { kind: "plan" }>): Recorded | null {
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
    case "command":
      return { kind: "command", fields: { command: event.command } };
    case "gate":
      return { kind: "gate", fields: event.event };
    case "decide":
      return { kind: "decide", fields: { trial: event.trial, count: event.count } };
    case "refine":
      return { kind: "refine", fields: { faces: event.faces } };
    case "refined": {
      const { kind, ...fields } = event;
      return { kind, fields };
    }
    case "unit":
      return { kind: "unit", fields: { ...event.order } };
    case "setting":
      return { kind: "setting", fields: { order: event.order, after: event.after } };
    case "mark":
      return { kind: "mark", fields: { text: event.text } };
    case "worker": {
      const { kind, ...fields } = event;
      return { kind, fields };
    }
    case "stopped":
      return { kind: "stopped", fields: { reason: event.reason } };
  }
}

/** What was seen on the screen, and what is asked for next. */
function planRecords(output: PlanOutput): Recorded[] {
  const { messages, onsets, aborted, broken, skipped, deadlineMissed, lastSpikeToReadyMs } = output;
  const records: Recorded[] = [];
  if (lastSpikeToReadyMs.length > 0) records.push({ kind: "ready", fields: { lastSpikeToReadyMs } });
  if (onsets.length > 0 || aborted.length > 0 || broken.length > 0 || skipped.length > 0)
    records.push({
      kind: "presentation",
      fields: {
        onsets: onsets.map(({ latents, ...onset }) => ({ ...onset, latentsF64: bytesOf(latents) })),
        aborted,
        broken,
        skipped,
        deadlineMissed,
      },
    });
  for (const message of messages)
    if (message.op === "show")
      records.push({ kind: "show", fields: { presentation: message.presentation, face: message.face } });
  return records;
}

const choiceFields = ({ latents, reason }: Choice) => ({ latentsF64: bytesOf(latents), reason });

function acquisitionRecord(event: AcquisitionEvent): Recorded {
  if (event.type !== "batch") return { kind: event.type, fields: event };
  const { stream, untilS, reachedS, unit, timeS, count, arrivedServerMs } = event;
  return {
    kind: "spikes",
    fields: {
      stream,
      untilS,
      reachedS,
      arrivedServerMs,
      unitU16: bytesOf(unit),
      timeF64: bytesOf(timeS),
      countU32: count && bytesOf(count),
    },
  };
}
