import type { Random } from "../random.ts";
import { averageGradient } from "../tuning/basis.ts";
import type { UnitBelief } from "../tuning/belief.ts";
import {
  type AxisTestPlan,
  type AxisTestResult,
  type AxisTestSettings,
  faceOfStep,
  judgeAxisTest,
  planAxisTest,
  trialsOfAxisTest,
} from "./axis-test.ts";
import { createProgram, type ProgramSettings } from "./program.ts";

/** Runs axis tests one unit after another: estimates first, then the unit's frozen axis is tested, then the next unit's. */
export interface AxisTester {
  /**
   * The face that is due, or null while axes are still being estimated or all tests are done. Changes nothing but the plan of a new
   * test.
   *
   * @param trialsOf trials that a unit has learned from since it was sorted
   */
  next(
    trialsOf: (unit: string) => number,
    beliefOf: (unit: string) => UnitBelief,
    best: { unit: string } | null,
  ): TestFace | null;
  /** The face that `next` gave was chosen as face number `index`. */
  shown(index: number): void;
  answer(index: number, countOf: (unit: string) => number): void;
  /** The trial could not be used: its face is shown again. */
  unanswered(index: number): void;
  /** The unit was sorted anew: a test of it under way begins again. */
  reset(unit: string): void;
  results(): AxisTestResult[];
  /** Tests under way and those still to come, in that order. */
  left(): AxisTestLeft[];
  done(): boolean;
  state(): AxisTesterState;
  goOnFrom(state: AxisTesterState): void;
}

/** Tests done, the one under way, and those to come. */
export interface AxisTesterState {
  waiting: string[];
  results: AxisTestResult[];
  /** Steps whose faces are not answered, by the number of the face. */
  awaited: [number, Step][];
  plan: AxisTestPlan | null;
  steps: Step[];
  answers: (Step & { count: number })[];
  chosenByItself: boolean;
}

export interface AxisTestLeft {
  /** Null: the unit whose tuning is most concentrated, had it come to that. */
  unit: string | null;
  answered: number;
  /** Trials that its test takes. */
  of: number;
}

export interface TestFace {
  face: Float64Array;
  special: string;
}

type Step = AxisTestPlan["order"][number];

/** @param units whose axes are tested, in turn; none: the one whose tuning is most concentrated when testing begins */
export function createAxisTester(
  settings: AxisTestSettings & { units: readonly string[] },
  range: number,
  random: Random,
): AxisTester {
  const waiting = [...settings.units];
  const results: AxisTestResult[] = [];
  const awaited = new Map<number, Step>();
  let plan: AxisTestPlan | null = null;
  let steps: Step[] = [];
  let answers: (Step & { count: number })[] = [];
  let chosenByItself = settings.units.length === 0;

  return {
    next(trialsOf, beliefOf, best) {
      if (!plan) {
        const isKnown = (unit: string) => trialsOf(unit) >= settings.afterTrials;
        if (chosenByItself && best && isKnown(best.unit)) {
          waiting.push(best.unit);
          chosenByItself = false;
        }
        for (const unit of waiting.filter(isKnown)) {
          const { basis, mean } = beliefOf(unit);
          const gradient = averageGradient(basis, mean);
          // A unit whose curves are flat has no axis yet.
          if (gradient.every((slope) => slope === 0)) continue;
          waiting.splice(waiting.indexOf(unit), 1);
          plan = planAxisTest(unit, gradient, range, settings, random.split("plan", unit));
          break;
        }
        if (!plan) return null;
        steps = [...plan.order];
        answers = [];
      }
      const [step] = steps;
      if (!step) return null;
      return {
        face: faceOfStep(plan, step),
        special: `axis test of ${plan.unit}: ${step.line} at ${step.position.toFixed(1)}`,
      };
    },
    shown(index) {
      awaited.set(index, steps.shift()!);
    },
    answer(index, countOf) {
      const step = awaited.get(index);
      if (!step || !plan) return;
      awaited.delete(index);
      answers.push({ ...step, count: countOf(plan.unit) });
      if (answers.length < plan.order.length) return;
      results.push(judgeAxisTest(plan, answers, random.split("judge", plan.unit)));
      plan = null;
    },
    unanswered(index) {
      const step = awaited.get(index);
      awaited.delete(index);
      if (step) steps.push(step);
    },
    reset(unit) {
      if (plan?.unit !== unit) return;
      waiting.unshift(unit);
      awaited.clear();
      plan = null;
    },
    results: () => results,
    left() {
      const of = trialsOfAxisTest(settings);
      const due = plan ? [{ unit: plan.unit, answered: answers.length, of }] : [];
      const units = chosenByItself ? [null] : waiting;
      return [...due, ...units.map((unit) => ({ unit, answered: 0, of }))];
    },
    done: () => !plan && waiting.length === 0 && results.length > 0,
    state: () => ({
      waiting: [...waiting],
      results: [...results],
      awaited: [...awaited],
      plan,
      steps: [...steps],
      answers: [...answers],
      chosenByItself,
    }),
    goOnFrom(state) {
      waiting.splice(0, waiting.length, ...state.waiting);
      results.push(...state.results);
      for (const [index, step] of state.awaited) awaited.set(index, step);
      ({ plan, chosenByItself } = state);
      steps = [...state.steps];
      answers = [...state.answers];
    },
  };
}

/**
 * After how many trials each of a session's tests is judged where every trial can be used; shorter than `tests` where blocks leave no room.
 *
 * @param lookahead faces chosen ahead of the answers: as many pass between what a test needs to know and its first face
 */
export function axisTestEnds(
  program: ProgramSettings,
  axisTest: AxisTestSettings,
  tests: number,
  lookahead: number,
): number[] {
  const anyFace = () => new Float64Array(0);
  const own = createProgram(program, Array.from({ length: program.catch?.faces ?? 0 }, anyFace));
  const inBlocks = program.blocks.reduce((sum, { faces }) => sum + faces, 0);
  const turns = program.objective === "axis-test" ? Number.POSITIVE_INFINITY : inBlocks;
  const ends: number[] = [];
  let steps = 0;
  for (let index = 0; index < turns && ends.length < tests; index++) {
    const { objective, planned } = own.due(index);
    const begins = Math.max(axisTest.afterTrials, ends.at(-1) ?? 0) + lookahead;
    const isStep = !planned && objective === "axis-test" && index >= begins;
    if (isStep && ++steps === trialsOfAxisTest(axisTest)) {
      ends.push(index + 1);
      steps = 0;
    }
    own.shown(index, planned?.face ?? anyFace(), !planned && !isStep);
  }
  return ends;
}
