/** A journal's decisions made again. */
import {
  createStepReader,
  type Difference,
  type Remade,
  type ReplaySettings,
  replayStep,
  type Step,
} from "../choice/replay.ts";
import { FIRST_PLACE } from "./journal.ts";
import { scanJournal } from "./journal-reader.ts";
import { eventOf } from "./recorded.ts";
import type { SnapshotHead } from "./snapshot.ts";

export interface ReplayResult {
  /** Calls of the decider that were made again. */
  steps: number;
  trials: number;
  choices: number;
  difference: Difference | null;
}

export interface ReplayOptions {
  records?: number;
  from?: SnapshotHead | null;
  toDifference?: boolean;
  told?(step: Step, remade: Remade): void | Promise<void>;
  passed?(snapshot: string): void | Promise<void>;
}

/**
 * Takes a new decider through all that its journal has of it: every lesson, pause and change in the order in which they came. A call that
 * the journal leaves without an answer is made too, but for a pause: which refits had come by then is not known.
 *
 * @param options.records of the journal to read
 * @param options.from the snapshot where the decider stands; null: it is a new one
 * @param options.toDifference the first difference ends it
 * @param options.told of every call, after it was made
 * @param options.passed told of every snapshot that the journal names, when all before it has been made
 */
export async function replayJournal(
  folder: string,
  settings: ReplaySettings,
  {
    records = Number.POSITIVE_INFINITY,
    from = null,
    toDifference = false,
    told = () => {},
    passed = () => {},
  }: ReplayOptions = {},
): Promise<ReplayResult> {
  const reader = createStepReader(1000 * settings.windowS, from?.session.progress);
  const result: ReplayResult = { steps: 0, trials: 0, choices: 0, difference: null };
  const make = async (step: Step) => {
    if (toDifference && result.difference) return;
    const remade = await replayStep(settings, step);
    result.difference ??= remade.difference;
    result.steps++;
    if (step.op === "decide") {
      result.trials += Number(step.trial !== null);
      result.choices += step.answer.length;
    }
    await told(step, remade);
  };
  const makeAll = async (steps: Step[]) => {
    for (const step of steps) await make(step);
  };
  await scanJournal(
    folder,
    (record) => {
      if (record.n >= records || record.kind === "spikes") return;
      if (record.kind === "snapshot") return passed(record.file as string);
      const event = eventOf(record);
      const steps = event ? reader.take(event) : [];
      if (steps.length > 0) return makeAll(steps);
    },
    from?.place ?? FIRST_PLACE,
  );
  for (const step of reader.rest()) await make(step);
  return result;
}
