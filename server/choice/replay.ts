/** A decider taken through a session again, from what the journal has of it (SPEC.md, rules J). */

import type { Experiment } from "../../protocols/experiment.ts";
import type { SettingOrder } from "../operator/desk.ts";
import type { Progress } from "../session/progress.ts";
import { deciderSettings } from "../session/settings.ts";
import type { SessionEvent } from "../session/view.ts";
import { isBroken, isUsable, type Trial } from "../trials/trial.ts";
import type { Refits } from "../tuning/refits.ts";
import type { Refit } from "../tuning/refitter.ts";
import type { Choice } from "./choice.ts";
import type { Adjustment, Decider, Lesson, Refined, UnitChange } from "./decider.ts";

/** @param windowMs response window that the session began with */
export const lessonOf = (trial: Trial, windowMs: number): Lesson => ({
  latents: trial.latents,
  counts: isUsable(trial) ? trial.counts : null,
  ...exposureOf(trial, windowMs),
});

function exposureOf({ window }: Trial, windowMs: number): Pick<Lesson, "logExposure"> {
  const logExposure = window ? logExposureOf(window.endS - window.startS, windowMs / 1000) : 0;
  return logExposure === 0 ? {} : { logExposure };
}

/** Logarithm of a response window over the one that the session began with; 0 where they are the same. */
export function logExposureOf(windowS: number, firstS: number): number {
  // Times on the stream's clock are not exact sums.
  const ratio = windowS / firstS;
  return Math.abs(ratio - 1) > 1e-6 ? Math.log(ratio) : 0;
}

/** What the decider is told of an experiment that was changed. */
export function adjustmentOf(experiment: Experiment, units: readonly string[]): Adjustment {
  const { program, weights, constraints } = deciderSettings(experiment, [...units]);
  return { objective: program.objective, weights, constraints };
}

/** A refit by its unit and by how many trials it was asked for after. */
interface RefitName {
  unit: number;
  trials: number;
}

/** Refits whose moments can be given: when a refit comes is the one thing of a decider that depends on time. */
export interface PacedRefits extends Refits {
  /** From now on nothing is finished but what is released. */
  pace(): void;
  /**
   * What is named is finished at the next call of `finished`. Settles once it is there.
   *
   * @returns the first that was never asked for, and then nothing is waited for; null where all were
   */
  release(named: readonly RefitName[]): Promise<RefitName | null>;
  /** From now on refits are finished when they are. */
  run(): void;
}

export function pacedRefits(inner: Refits): PacedRefits {
  let held: Refit[] = [];
  let released: Refit[] = [];
  let running = false;
  let trials = 0;
  /** Those up to here were asked for before a snapshot. */
  let takenOver = 0;
  const asked = new Set<string>();
  return {
    ...inner,
    learn(taught) {
      inner.learn(taught);
      trials++;
    },
    request(job) {
      inner.request(job);
      asked.add(`${job.unit} ${trials}`);
    },
    reset(unit) {
      inner.reset(unit);
      held = held.filter((refit) => refit.unit !== unit);
    },
    finished() {
      held.push(...inner.finished());
      const out = running ? held : released;
      if (running) held = [];
      released = [];
      return out;
    },
    async release(named) {
      const stranger = named.find((one) => one.trials > takenOver && !asked.has(`${one.unit} ${one.trials}`));
      if (stranger) return stranger;
      const left = [...named];
      for (;;) {
        held.push(...inner.finished());
        while (left.length > 0) {
          const at = held.findIndex(({ unit, trials }) => unit === left[0].unit && trials === left[0].trials);
          if (at < 0) break;
          released.push(...held.splice(at, 1));
          left.shift();
        }
        if (left.length === 0) {
          for (const { unit, trials: after } of named) asked.delete(`${unit} ${after}`);
          return null;
        }
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    },
    async goOnFrom(state) {
      await inner.goOnFrom(state);
      held = [];
      released = [];
      trials = takenOver = state.offset.length;
    },
    pace() {
      running = false;
    },
    run() {
      running = true;
    },
  };
}

/** One call of the decider with the answer that the journal has; null where it has none: the session ended in between. */
export type Step =
  | { op: "decide"; trial: number | null; lesson: Lesson | null; count: number; answer: FaceChoice[] }
  | { op: "refine"; afterTrial: number | null; realised: Float64Array[]; answer: Refined | null }
  | { op: "change"; unit: string; change: UnitChange }
  | { op: "setting"; order: SettingOrder };

export interface FaceChoice {
  face: number;
  choice: Choice;
}

/**
 * Puts the decider's calls together from a session's events. Calls are told in the order in which they were made, each with its answer.
 *
 * @param windowMs response window that the session began with
 * @param from how far the session had come where the events begin; left out: at its beginning
 */
export function createStepReader(
  windowMs: number,
  from?: Pick<Progress, "unlearned" | "realised">,
): {
  take(event: SessionEvent): Step[];
  /** Calls that are left without their answers. */
  rest(): Step[];
} {
  const lessons = new Map<number, Lesson>(from?.unlearned.map((trial) => [trial.trial, lessonOf(trial, windowMs)]));
  const realised = new Map<number, Float64Array>(from?.realised.map(({ face, latents }) => [face, latents]));
  let lastTrial: number | null = null;
  let waiting: Step[] = [];

  const isAnswered = (step: Step) =>
    step.op === "change" ||
    step.op === "setting" ||
    (step.op === "decide" ? step.answer.length === step.count : step.answer !== null);
  function answered(): Step[] {
    const open = waiting.findIndex((step) => !isAnswered(step));
    return waiting.splice(0, open < 0 ? waiting.length : open);
  }
  const last = <Op extends Step["op"]>(op: Op) =>
    waiting.findLast((step) => step.op === op) as Extract<Step, { op: Op }> | undefined;

  return {
    take(event) {
      switch (event.kind) {
        case "trial":
          if (!isBroken(event.trial)) lessons.set(event.trial.trial, lessonOf(event.trial, windowMs));
          return [];
        case "realised":
          realised.set(event.face, event.latents);
          return [];
        case "decide": {
          const lesson = event.trial === null ? null : lessons.get(event.trial);
          if (lesson === undefined) throw new Error(`journal: expected trial ${event.trial} before it is learned`);
          if (event.trial !== null) lessons.delete(event.trial);
          lastTrial = event.trial;
          waiting.push({ op: "decide", trial: event.trial, lesson, count: event.count, answer: [] });
          break;
        }
        case "choice":
          last("decide")?.answer.push({ face: event.face, choice: event.choice });
          break;
        case "refine": {
          const faces = event.faces.map((face) => realised.get(face)!);
          for (const face of event.faces) realised.delete(face);
          // A pause that was not got through is one that never was.
          waiting = waiting.filter((step) => step.op !== "refine" || step.answer !== null);
          waiting.push({ op: "refine", afterTrial: lastTrial, realised: faces, answer: null });
          break;
        }
        case "refined": {
          const { kind: _, ...answer } = event;
          const step = last("refine");
          if (step) step.answer = answer;
          break;
        }
        case "setting":
          waiting.push({ op: "setting", order: event.order });
          break;
        case "unit":
          waiting.push({ op: "change", unit: event.order.unit, change: event.order.op });
          break;
        default:
          return [];
      }
      return answered();
    },
    rest: () => waiting,
  };
}

/** Where a replay departs from the journal. */
export interface Difference {
  /** The last trial that was learned from before it; null: none. */
  afterTrial: number | null;
  /** What differs, as `choice of face 12: latents.3` or `posterior`. */
  what: string;
  journal: unknown;
  replay: unknown;
}

export interface ReplaySettings {
  units: readonly string[];
  /** Response window that the session began with, seconds. */
  windowS: number;
  decider: Decider;
  refits: PacedRefits;
}

/** A call made again. */
export interface Remade {
  /** The first thing in which the answer is not the journal's; null where it is the same, bit for bit. */
  difference: Difference | null;
  /** What was chosen now, for the faces of a `decide`. */
  choices: Choice[];
}

/** Makes one call again. */
export async function replayStep(settings: ReplaySettings, step: Step): Promise<Remade> {
  if (step.op !== "decide") return { difference: await replayPause(settings, step), choices: [] };
  // Where it would choose another face, the one that was shown is the one that is answered.
  const shown = step.answer.map(({ choice }) => choice);
  const choices = settings.decider.decide(step.lesson, step.count, null, shown);
  for (const [i, { face, choice }] of step.answer.entries()) {
    const found = firstDifference(choice, choices[i], `choice of face ${face}`);
    if (found) return { difference: { afterTrial: step.trial, ...found }, choices };
  }
  return { difference: null, choices };
}

async function replayPause(
  { units, decider, refits }: ReplaySettings,
  step: Exclude<Step, { op: "decide" }>,
): Promise<Difference | null> {
  switch (step.op) {
    case "refine": {
      if (step.answer === null) return null;
      const named = step.answer.refits.map(({ unit, trials }) => ({ unit: units.indexOf(unit), trials }));
      const stranger = await refits.release(named);
      if (stranger) {
        const what = `refit of ${units[stranger.unit]} after ${stranger.trials} trials`;
        return { afterTrial: step.afterTrial, what, journal: "taken over", replay: "never asked for" };
      }
      const { digest, ...refined } = decider.refine(step.realised);
      const { digest: told, ...answer } = step.answer;
      const found =
        firstDifference(told, digest, "posterior (digest)") ?? firstDifference(answer, refined, "after the pause");
      return found && { afterTrial: step.afterTrial, ...found };
    }
    case "change":
      decider.change(step.unit, step.change);
      return null;
    case "setting":
      if (step.order.op === "stability") decider.check(step.order.faces);
      else decider.adjust(adjustmentOf(step.order.experiment, units));
      return null;
  }
}

/** The first place at which two plain values differ; numbers are compared bit for bit but for the sign of 0, which files do not keep. */
export function firstDifference(
  journal: unknown,
  replay: unknown,
  what: string,
): Pick<Difference, "what" | "journal" | "replay"> | null {
  if (isNested(journal) && isNested(replay)) {
    for (const key of new Set([...Object.keys(journal), ...Object.keys(replay)])) {
      const found = firstDifference(
        (journal as Record<string, unknown>)[key],
        (replay as Record<string, unknown>)[key],
        `${what}${/^\d+$/.test(key) ? `[${key}]` : `.${key}`}`,
      );
      if (found) return found;
    }
    return null;
  }
  return journal === replay || Object.is(journal, replay) ? null : { what, journal, replay };
}

const isNested = (value: unknown): value is object => typeof value === "object" && value !== null;
