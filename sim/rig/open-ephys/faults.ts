/**
 * The ways in which what the GUI sends goes wrong, put on a stream of messages: pure, message by message as the player sends
 * them. Each is one of the traps that SPEC.md has a rule for.
 */
import { encodeOpenEphys, type OpenEphysMessage } from "../../../protocols/wire/open-ephys.ts";
import { createFaultyWay, messageFaults } from "../faults.ts";

export const faults = [
  /** Acquisition is stopped and started: message and sample numbers begin again. */
  "restart",
  /** Sample numbers begin again, message numbers go on (the counter of a device that was reset). */
  "sample-reset",
  /** Each at every hundredth message. */
  ...messageFaults,
  /** Headers are those of before 2022. */
  "old-keys",
  /** The close of each header is cut off, as a name beyond ASCII does. */
  "cut-header",
  /** The wall-clock time in the header is an hour off. */
  "wrong-timestamp",
  /** No continuous channel is sent. */
  "no-data",
] as const;
export type Fault = (typeof faults)[number];

const EVERY = 100;
/** Samples: what belongs to the same block may lie so far before. */
const BLOCK_OR_MORE = 2000;

export interface Faulty {
  /** What is sent in place of this message: none, one or several. */
  send(message: OpenEphysMessage, timestampMs: number): Uint8Array[][];
}

/** @param atMessage the message at which `restart` and `sample-reset` happen */
export function createFaults(active: readonly Fault[], atMessage: number): Faulty {
  const has = (fault: Fault) => active.includes(fault);
  const way = createFaultyWay();
  let sent = 0;
  let numberShift = 0;
  let sampleShift = 0;

  function encode(message: OpenEphysMessage, timestampMs: number): Uint8Array[] {
    const shifted = {
      ...message,
      messageNum: message.messageNum === null ? null : message.messageNum - numberShift,
      sampleNum: message.sampleNum - sampleShift,
    };
    const frames = encodeOpenEphys(shifted, has("wrong-timestamp") ? timestampMs + 3_600_000 : timestampMs);
    if (has("old-keys")) frames[1] = renamed(frames[1], oldKeys);
    if (has("cut-header")) frames[1] = frames[1].subarray(0, frames[1].length - 3);
    return frames;
  }

  return {
    send(message, timestampMs) {
      const n = sent++;
      if (n === atMessage) {
        if (has("restart")) numberShift = (message.messageNum ?? 1) - 1;
        if (has("restart") || has("sample-reset")) sampleShift = message.sampleNum - BLOCK_OR_MORE;
      }
      if (has("no-data") && message.kind === "data") return [];
      const isHundredth = n % EVERY === EVERY - 1;
      return way(encode(message, timestampMs), (fault) => isHundredth && has(fault));
    },
  };
}

const oldKeys: Readonly<Record<string, string>> = {
  message_num: "message_no",
  electrode: "electrode_id",
  num_channels: "n_channels",
  num_samples: "n_samples",
};

const utf8 = new TextDecoder();
const ascii = new TextEncoder();

function renamed(header: Uint8Array, keys: Readonly<Record<string, string>>): Uint8Array {
  const rename = (value: unknown): unknown =>
    value !== null && typeof value === "object" && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [keys[key] ?? key, rename(inner)]))
      : value;
  return ascii.encode(JSON.stringify(rename(JSON.parse(utf8.decode(header)))));
}
