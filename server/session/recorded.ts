/** Journal records as the session events that they were written from: the other way of record.ts. */
import type { ServerMessage } from "../../protocols/wire/display.ts";
import type { OperatorOp, UnitOrder } from "../../protocols/wire/operator.ts";
import type { AcquisitionEvent } from "../acquisition/spike-batch.ts";
import type { Choice } from "../choice/choice.ts";
import type { Refined } from "../choice/decider.ts";
import type { GateEvent } from "../gate/gate.ts";
import type { SettingOrder } from "../operator/desk.ts";
import type { DisplayEvent } from "../presentation/display-server.ts";
import { nothingPlanned, type PlanOutput } from "../presentation/plan.ts";
import type { Onset, Trial } from "../trials/trial.ts";
import type { JournalRecord } from "./journal.ts";
import type { SessionEvent, WorkerState } from "./view.ts";

/** Bytes may lie anywhere in what was read: the array is a copy. */
export const float64s = (bytes: unknown): Float64Array => new Float64Array(Uint8Array.from(bytes as Uint8Array).buffer);
export const uint32s = (bytes: unknown): Uint32Array => new Uint32Array(Uint8Array.from(bytes as Uint8Array).buffer);
export const uint16s = (bytes: unknown): Uint16Array => new Uint16Array(Uint8Array.from(bytes as Uint8Array).buffer);

/**
 * The event of a record; null for those that no event of the loop made (`session`, `model`, `summary` …). A plan's output has
 * what the journal keeps of it: onsets, what was aborted or broken, and what was asked for, in records of their own.
 */
export function eventOf(record: JournalRecord): SessionEvent | null {
  const { n, serverMs, kind, ...fields } = record;
  switch (kind) {
    case "spikes":
      return { kind: "acquisition", event: batchOf(fields) };
    case "ttl":
    case "gap":
    case "reordered":
    case "restart":
    case "link":
    case "heartbeat":
    case "rejected":
      return { kind: "acquisition", event: { ...fields, type: kind } as AcquisitionEvent };
    case "display":
      return { kind, event: fields.event as DisplayEvent };
    case "decide":
      return { kind, trial: fields.trial as number | null, count: fields.count as number };
    case "refine":
      return { kind, faces: fields.faces as number[] };
    case "choice": {
      const choice: Choice = { latents: float64s(fields.latentsF64), reason: fields.reason as Choice["reason"] };
      return { kind, face: fields.face as number, choice, after: fields.after as number | null };
    }
    case "realised":
      return {
        kind,
        face: fields.face as number,
        latents: float64s(fields.latentsF64),
        difference: fields.difference as number,
      };
    case "trial": {
      const { latentsF64, countsU32, ...trial } = fields;
      return {
        kind,
        trial: { ...trial, latents: float64s(latentsF64), counts: uint32s(countsU32) } as unknown as Trial,
      };
    }
    case "presentation": {
      const { onsets, ...rest } = fields as unknown as Omit<PlanOutput, "onsets"> & {
        onsets: (Omit<Onset, "latents"> & { latentsF64: Uint8Array })[];
      };
      const output = {
        ...rest,
        onsets: onsets.map(({ latentsF64, ...onset }) => ({ ...onset, latents: float64s(latentsF64) })),
      };
      return { kind: "plan", output: { ...nothingPlanned(), ...output } };
    }
    case "ready":
      return {
        kind: "plan",
        output: { ...nothingPlanned(), lastSpikeToReadyMs: fields.lastSpikeToReadyMs as number[] },
      };
    case "show":
      return {
        kind: "plan",
        output: { ...nothingPlanned(), messages: [{ op: "show", ...fields } as unknown as ServerMessage] },
      };
    case "refined":
      return { kind, ...(fields as unknown as Refined) };
    case "gate":
      return { kind, event: fields as unknown as GateEvent & { serverMs: number } };
    case "command":
      return { kind, command: fields.command as OperatorOp };
    case "setting":
      return { kind, order: fields.order as SettingOrder, after: fields.after as number | null };
    case "mark":
      return { kind, text: fields.text as string };
    case "unit":
      return { kind, order: fields as unknown as UnitOrder };
    case "worker":
      return { kind, ...(fields as unknown as WorkerState) };
    case "stopped":
      return { kind, reason: fields.reason as string };
    default:
      return null;
  }
}

function batchOf(fields: Record<string, unknown>): AcquisitionEvent {
  const { stream, untilS, reachedS, arrivedServerMs, unitU16, timeF64, countU32 } = fields;
  return {
    type: "batch",
    stream: stream as string,
    untilS: untilS as number,
    reachedS: reachedS as number,
    arrivedServerMs: arrivedServerMs as number,
    unit: uint16s(unitU16),
    timeS: float64s(timeF64),
    count: countU32 ? uint32s(countU32) : null,
  };
}
