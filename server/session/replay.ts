/** A journal's decisions made again. */
import {
  createStepReader,
  type Difference,
  type Remade,
  type ReplaySettings,
  replayStep,
  type Step,
} from "../choice/replay.ts";
import { scanJournal } from "./journal-reader.ts";
import { eventOf } from "./recorded.ts";

export interface ReplayResult {
  /** Calls of the decider that were made again. */
  steps: number;
  trials: number;
  choices: number;
  difference: Difference | null;
}

export interface ReplayOptions {
  records?: number;
  toDifference?: boolean;
  told?(step: Step, remade: Remade): void | Promise<void>;
}

/**
 * Takes a new decider through all that its journal has of it: every lesson, pause and change in the order in which they came. A call that
 * the journal leaves without an answer is made too, but for a pause: which refits had come by then is not known.
 *
 * @param options.records of the journal to read
 * @param options.toDifference the first difference ends it
 * @param options.told of every call, after it was made
 */
export async function replayJournal(
  folder: string,
  settings: ReplaySettings,
  { records = Number.POSITIVE_INFINITY, toDifference = false, told = () => {} }: ReplayOptions = {},
): Promise<ReplayResult> {
  const reader = createStepReader(1000 * settings.windowS);
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
  await scanJournal(folder, (record) => {
    if (record.n >= records || record.kind === "spikes") return;
    const event = eventOf(record);
    const steps = event ? reader.take(event) : [];
    if (steps.length > 0) return makeAll(steps);
  });
  for (const step of reader.rest()) await make(step);
  return result;
}
