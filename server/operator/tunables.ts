/** What operators may change between trials, as it stands, with the way back. */
import { type Experiment, parseExperimentValue } from "../../protocols/experiment.ts";
import type { Change } from "../../protocols/wire/operator.ts";
import { deciderSettings } from "../session/settings.ts";

/** An experiment as it has become, and what of it is new. */
export interface Changed {
  experiment: Experiment;
  /** For people: "objective from variance to peak". */
  words: string;
  /** Whether it took a change back. */
  undone: boolean;
}

export interface Tunables {
  experiment(): Experiment;
  /** Changes it, or says what was expected and what was found. */
  change(change: Change): Changed | { refused: string };
  undo(): Changed | { refused: string };
  /** The change that `undo` takes back, in words; null where there is none. */
  undoable(): string | null;
}

/** @param units the session's units: weights of others are refused */
export function createTunables(start: Experiment, units: readonly string[]): Tunables {
  let current = start;
  const past: { experiment: Experiment; words: string }[] = [];

  function accept(next: Experiment, undone: boolean): Changed | { refused: string } {
    const words = difference(current, next, units);
    if (words === "") return { refused: "expected a value that is not the present one, got the same" };
    if (!undone) past.push({ experiment: current, words });
    current = next;
    return { experiment: next, words, undone };
  }

  return {
    experiment: () => current,
    change({ objective, weights, window, constraints }) {
      const { choice, response, tuning } = current;
      if (tuning.gain !== null && window && window.windowMs !== response.windowMs)
        return {
          refused: "window: expected the same windowMs with tuning.gain, which would take another one for a gain",
        };
      const parsed = parseExperimentValue({
        ...current,
        response: { ...response, ...window },
        choice: {
          ...choice,
          ...(objective !== undefined && { objective }),
          constraints: { ...choice.constraints, ...constraints },
          population: { ...choice.population, weights: { ...choice.population.weights, ...weights } },
        },
      });
      if (!parsed.ok) return { refused: parsed.errors };
      try {
        deciderSettings(parsed.experiment, [...units]);
      } catch (error) {
        return { refused: (error as Error).message };
      }
      return accept(parsed.experiment, false);
    },
    undo() {
      const last = past.pop();
      return last ? accept(last.experiment, true) : { refused: "expected a change to undo, but nothing was changed" };
    },
    undoable: () => past.at(-1)?.words ?? null,
  };
}

/** What is new, in words; empty where nothing is. */
function difference(before: Experiment, after: Experiment, units: readonly string[]): string {
  const said: string[] = [];
  const say = (what: string, a: unknown, b: unknown) => {
    if (a !== b) said.push(`${what} from ${a} to ${b}`);
  };
  say("objective", before.choice.objective, after.choice.objective);
  say("latency (ms)", before.response.latencyMs, after.response.latencyMs);
  say("window (ms)", before.response.windowMs, after.response.windowMs);
  for (const key of ["minDistance", "recentFaces", "balance", "balanceFaces"] as const)
    say(key, before.choice.constraints[key], after.choice.constraints[key]);
  const [a, b] = [before, after].map((experiment) => deciderSettings(experiment, [...units]).weights);
  units.forEach((unit, u) => {
    say(`weight of ${unit}`, a[u], b[u]);
  });
  return said.join(", ");
}
