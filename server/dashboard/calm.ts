/** When pages may be told: not while the loop is about to decide, or decides. */
import type { SessionEvent } from "../session/view.ts";

/** Before a response window's end, and after it where its trial does not close: a message takes some milliseconds to be sent to all pages. */
const BEFORE_MS = 8;
const AFTER_MS = 40;
/** A decision that takes longer holds nobody up. */
const DECIDED_MS = 60;

export interface Calm {
  told(event: SessionEvent, serverMs: number): void;
  is(serverMs: number): boolean;
}

/** Follows windows, from onset to the face that their counts lead to. */
export function createCalm({ latencyMs, windowMs }: { latencyMs: number; windowMs: number }): Calm {
  /** By presentation. */
  const ends = new Map<number, number>();
  let decidingMs: number | null = null;
  return {
    told(event, serverMs) {
      if (event.kind === "trial") {
        decidingMs = serverMs;
        ends.delete(event.trial.presentation);
      }
      if (event.kind !== "plan") return;
      for (const { presentation, onsetServerMs } of event.output.onsets)
        ends.set(presentation, onsetServerMs + latencyMs + windowMs);
      if (event.output.messages.some(({ op }) => op === "face")) decidingMs = null;
    },
    is(serverMs) {
      for (const [presentation, end] of ends) if (serverMs >= end + AFTER_MS) ends.delete(presentation);
      if (decidingMs !== null && serverMs - decidingMs < DECIDED_MS) return false;
      return [...ends.values()].every((end) => serverMs < end - BEFORE_MS);
    },
  };
}
