import type { Health } from "../../protocols/wire/dashboard.ts";

/** Before anything has been measured. */
export const emptyHealth = (backend: string): Health => ({
  latency: [],
  spikesPerS: 0,
  messagesPerS: 0,
  lostMessages: 0,
  reorderedMessages: 0,
  lateSpikes: 0,
  restarts: 0,
  rejected: {},
  loopDelayMs: null,
  droppedFrames: 0,
  deadlineMisses: 0,
  abortedPresentations: 0,
  displayUncertaintyMs: null,
  streamUncertaintyMs: null,
  streamOffsetS: null,
  alignedBy: null,
  diskFreeBytes: null,
  memoryBytes: 0,
  backend,
  watchers: 0,
});
