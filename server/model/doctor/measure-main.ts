/** Measures the backend that its first argument names, against the second, and sends what it found. */
import type { BackendName } from "../backend-name.ts";
import { type Measured, measureBackend } from "./measure.ts";

export type Finding = { works: true; measured: Measured } | { works: false; reason: string };

const finding: Finding = await measureBackend(process.argv[2] as BackendName, process.argv[3] as BackendName).then(
  (measured) => ({ works: true as const, measured }),
  (error: Error) => ({ works: false as const, reason: error.message.split("\n")[0] }),
);
process.send!(finding, () => process.exit(0));
