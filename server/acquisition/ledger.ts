import type { Rejection } from "../../protocols/wire/message.ts";
import { type AcquisitionCounts, type AcquisitionEvent, noCounts, type RejectReason } from "./spike-batch.ts";

/** A sender of garbage must not fill the memory with names. */
const MAX_UNKNOWN_NAMES = 10_000;
const OTHER_UNITS = "(others)";

/** Keeps the running totals: each thing told is counted where its event is made. */
export class Ledger {
  readonly counts: AcquisitionCounts = noCounts();

  rejected(rejection: Rejection<RejectReason>, arrivedServerMs: number, messages = 1): AcquisitionEvent {
    this.counts.rejected[rejection.reason] += messages;
    return { type: "rejected", reason: rejection.reason, detail: rejection.detail, arrivedServerMs };
  }

  gap(stream: string | null, missing: number, arrivedServerMs: number): AcquisitionEvent {
    this.counts.lostMessages += missing;
    return { type: "gap", stream, missing, arrivedServerMs };
  }

  reordered(stream: string | null, arrivedServerMs: number): AcquisitionEvent {
    this.counts.lostMessages--;
    this.counts.reorderedMessages++;
    return { type: "reordered", stream, arrivedServerMs };
  }

  restart(stream: string | null, arrivedServerMs: number): AcquisitionEvent {
    this.counts.restarts++;
    return { type: "restart", stream, arrivedServerMs };
  }

  /** Counts spikes of a unit that the roster does not have; tells of each name once, or the journal would drown. */
  unknownUnit(unit: string, spikes: number, arrivedServerMs: number): AcquisitionEvent | null {
    const { unknownUnits, rejected } = this.counts;
    const isNew = !Object.hasOwn(unknownUnits, unit);
    const isFull = isNew && Object.keys(unknownUnits).length >= MAX_UNKNOWN_NAMES;
    const name = isFull ? OTHER_UNITS : unit;
    unknownUnits[name] = (unknownUnits[name] ?? 0) + spikes;
    rejected["unknown-unit"] += spikes;
    if (!isNew || isFull) return null;
    const detail = `expected a unit of the experiment file, got "${unit}": its spikes are counted and left out`;
    return { type: "rejected", reason: "unknown-unit", detail, arrivedServerMs };
  }
}
