import type { AlignmentSettings } from "../../server/trials/trial.ts";

/** Alignment by software, with no transport. */
export const bySoftware: AlignmentSettings = {
  method: "software",
  transportMs: 0,
  displayDelayMs: 0,
  maxUncertaintyMs: 25,
  line: 0,
  polarity: "auto",
  debounceMs: 2,
  maxDelayMs: 80,
  toleranceMs: 4,
};
