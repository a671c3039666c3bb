import { certaintyOf, codesOf, type Rivals } from "../tuning/rivals.ts";
import type { Reach } from "./reach.ts";

/** When a session is over before its last trial; null: never for that reason. */
export interface StopSettings {
  /** Every unit that counts has an explanation (one latent, several, none) of at least this probability. */
  identifiedAt: number | null;
  /** Root of the mean posterior variance of η over the target set is below this for every unit that counts. */
  uncertaintyBelow: number | null;
  /** All axis tests have been judged. */
  axisTestsDone: boolean;
}

/** A posterior that has seen fewer trials is mostly its prior, which may be narrower than what is asked for. */
const TRIALS_BEFORE_STOP = 16;

/** Why the session is over, or null. */
export function stopReason(
  { identifiedAt, uncertaintyBelow, axisTestsDone }: StopSettings,
  state: { rivals: Rivals; counts: (unit: number) => boolean; reach: Reach | null; testsDone: boolean },
): string | null {
  const units = Array.from({ length: state.rivals.units }, (_, u) => u).filter(state.counts);
  if (axisTestsDone && state.testsDone) return "all axis tests are judged";
  if (units.length === 0) return null;
  if (identifiedAt !== null && units.every((u) => certaintyOf(codesOf(state.rivals, u)) >= identifiedAt))
    return `every unit is identified with probability ${identifiedAt} or more`;
  const { reach } = state;
  const isCertain = (u: number) =>
    state.rivals.trials[u] >= TRIALS_BEFORE_STOP && Math.sqrt(reach!.total[u]) < uncertaintyBelow!;
  if (uncertaintyBelow !== null && reach && units.every(isCertain))
    return `every unit's uncertainty over the target set is below ${uncertaintyBelow}`;
  return null;
}
