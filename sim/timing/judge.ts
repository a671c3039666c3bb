import type { Random } from "../../server/random.ts";
import { initTrials, isUsable, stepTrials, type TrialSettings } from "../../server/trials/trial.ts";
import { SPIKE_EVERY_MS, type StreamFaults, simulateStream } from "./stream.ts";

/** How trials' onsets compare with the truth. Errors in ms. */
export interface Judgement {
  presentations: number;
  trials: number;
  /** Placed by the photodiode. */
  placed: number;
  /** Flagged: their onset could not be told, or a restart closed them. */
  undecided: number;
  /** Of `undecided`, closed by a restart of the sender. */
  restarted: number;
  /** Usable trials whose onset is more than 1 ms (photodiode) or more than the stated uncertainty (software) off. */
  wrong: number;
  worstErrorMs: number;
  /** Usable trials whose window held more or less true time than it says, by a spike's interval and more. */
  miscounted: number;
  /** Of usable trials. */
  medianUncertaintyMs: number;
  worstUncertaintyMs: number;
}

const PHOTODIODE_ERROR_MS = 1;

/** Runs a simulated stream through the trials of a session. */
export function judgeStream(
  onsets: number,
  periodFrames: number,
  faults: StreamFaults,
  settings: TrialSettings,
  random: Random,
): Judgement {
  let state = initTrials(settings);
  const truth = new Map<number, number>();
  const result = {
    placed: 0,
    undecided: 0,
    restarted: 0,
    wrong: 0,
    miscounted: 0,
    worstErrorMs: 0,
    worstUncertaintyMs: 0,
  };
  const uncertainties: number[] = [];
  let trials = 0;
  for (const { input, trueOnsetS } of simulateStream(onsets, periodFrames, faults, random)) {
    if (input.type === "onset" && trueOnsetS !== null) truth.set(input.presentation, trueOnsetS);
    const [next, closed] = stepTrials(state, input);
    state = next;
    for (const trial of closed) {
      trials++;
      const trueS = truth.get(trial.presentation)!;
      truth.delete(trial.presentation);
      if (!isUsable(trial)) {
        result.undecided++;
        if (input.type === "restart") result.restarted++;
        continue;
      }
      const { startS, uncertaintyMs, by } = trial.window!;
      const errorMs = Math.abs(1000 * (startS - trueS) - settings.latencyMs);
      if (by === "photodiode") result.placed++;
      if (errorMs > (by === "photodiode" ? PHOTODIODE_ERROR_MS : uncertaintyMs)) result.wrong++;
      // Where a window begins between two spikes, it may hold one more or less.
      if (Math.abs(trial.counts[0] - settings.windowMs / SPIKE_EVERY_MS) > 1) result.miscounted++;
      result.worstErrorMs = Math.max(result.worstErrorMs, errorMs);
      result.worstUncertaintyMs = Math.max(result.worstUncertaintyMs, uncertaintyMs);
      uncertainties.push(uncertaintyMs);
    }
  }
  uncertainties.sort((a, b) => a - b);
  const medianUncertaintyMs = uncertainties[Math.floor(uncertainties.length / 2)] ?? Number.NaN;
  return { presentations: onsets, trials, ...result, medianUncertaintyMs };
}
