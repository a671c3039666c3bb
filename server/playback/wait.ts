import { setTimeout as sleep } from "node:timers/promises";
import { serverNow } from "../clock.ts";

/** Timers can't wait for longer than a few weeks: what does wakes every hour, and waits again. */
export const MOST_WAIT_MS = 3_600_000;

/** Settles at that time, or where the signal says so. */
export async function waitUntil(serverMs: number, signal: AbortSignal): Promise<void> {
  for (;;) {
    const waitMs = serverMs - serverNow();
    if (waitMs <= 1 || signal.aborted) return;
    await sleep(Math.min(waitMs, MOST_WAIT_MS), undefined, { signal }).catch((error: Error) => {
      if (error.name !== "AbortError") throw error;
    });
  }
}
