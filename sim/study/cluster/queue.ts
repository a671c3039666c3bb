import { createHash } from "node:crypto";
import type { Cell } from "../cell.ts";
import { codeVersion } from "../version.ts";
import type { Outcome } from "../worker.ts";

/** A job is one session or training, under the key of its result: two studies that want the same one share it. */
export const jobId = (key: string): string => `cell-${key}`;
export const keyOf = (id: string): string => id.slice("cell-".length);

/** The queue's jobs: cells in, what they gave out. */
export type SessionJob = Cell;
export type SessionOutcome = Outcome;

/** Workers take sessions of their own version's queue only: others' results would not be the same. */
export const queueName = (): string => `study-${createHash("sha256").update(codeVersion()).digest("hex").slice(0, 12)}`;

/** A worker that says nothing for so long is taken for lost, and its cells go to others. What runs them is other threads: it says so however long they take. */
export const LOCK_MS = 10_000;
/** How often workers look for sessions of lost ones. */
export const STALLED_MS = 5_000;
/** A session whose worker was lost so often is given up: it may be what kills them. */
export const LOSSES = 5;
