import { createHash } from "node:crypto";
import { MOST_FACES_LOOKED_BACK_ON } from "../../protocols/limits.ts";
import { bytesOf } from "../../protocols/wire/message.ts";
import type { Random } from "../random.ts";
import { createBasis, features } from "../tuning/basis.ts";
import { type Gain, type GainSettings, startGain, stepGain } from "../tuning/gain.ts";
import type { Interval } from "../tuning/interval.ts";
import { openKernels } from "../tuning/kernels/kernels.ts";
import { type Link, logPredictive, type Observation, withGain } from "../tuning/observation.ts";
import { type PackedBeliefs, packBeliefs } from "../tuning/packed-beliefs.ts";
import {
  beliefOf,
  createPosterior,
  createProspect,
  foresee,
  forget,
  learnMeans,
  learnUnit,
  type PosteriorState,
  type PriorSettings,
  type Prospect,
  posteriorNumbers,
  posteriorState,
  prospectNumbers,
  resetUnit,
  restorePosterior,
  setBelief,
  shrinkAll,
} from "../tuning/posterior.ts";
import type { Refits } from "../tuning/refits.ts";
import type { ReadBack, Refit, RefitterSettings, ShownRange, Taught } from "../tuning/refitter.ts";
import { populationAlignment, reportUnit, sharesOf, type UnitReport } from "../tuning/report.ts";
import {
  type Codes,
  certaintyOf,
  codesOf,
  createRivals,
  type HeldOut,
  heldOutOf,
  learnRivals,
  type RivalsState,
  resetRivals,
  restoreRivals,
  rivalsState,
} from "../tuning/rivals.ts";
import type { AxisTestResult, AxisTestSettings } from "./axis-test.ts";
import { type AxisTesterState, type AxisTestLeft, createAxisTester } from "./axis-tester.ts";
import { drawPrior, traversalGrid } from "./candidates.ts";
import {
  type Choice,
  NONE_ALLOWED,
  type Objective,
  type PreparedChoice,
  plainReason,
  type Situation,
} from "./choice.ts";
import { type ChoiceSettings, isValued, prepareChoice } from "./choose.ts";
import { createEvolutionStrategy, type EvolutionState } from "./cma-es.ts";
import { type ConstraintSettings, constraints, drawAllowed } from "./constraints.ts";
import { answered, createOutlook, expectFace, type OutlookSettings, outlookNumbers } from "./outlook.ts";
import { createProgram, type ProgramSettings, type ProgramState } from "./program.ts";
import { computeReach, createReach, keepReach, reachNumbers } from "./reach.ts";
import { isInside } from "./region.ts";
import { type StopSettings, stopReason } from "./stop.ts";
import { aim, createTargets, targetNumbers } from "./target.ts";

export interface DeciderSettings {
  latents: number;
  units: string[];
  windowS: number;
  observation: Observation;
  /** Links that a unit may be found to have; the first is taken until the data say otherwise. */
  links: readonly Link[];
  prior: PriorSettings;
  /** K functions with length scale ℓ on [−L, L], in latent units. */
  smooth: { functions: number; lengthScale: number; halfWidth: number };
  /** Trials after which what one taught counts for 1/e; null: tuning does not change. */
  memoryTrials: number | null;
  gain: GainSettings | null;
  choice: ChoiceSettings;
  lookahead: number;
  program: ProgramSettings;
  constraints: ConstraintSettings;
  /** How much each unit counts in a choice; one a unit, 0 leaves it out. */
  weights: number[];
  /** Probability at which a unit's explanation counts as known, and the unit no longer for choices; null: never. */
  knownAt: number | null;
  axisTest: AxisTestSettings & { units: string[] };
  stop: StopSettings;
}

/** What a decider on a worker thread is started with. */
export interface DeciderData {
  settings: DeciderSettings;
  seed: number;
}

/** What a trial teaches: the latents that were shown and the spikes counted; `counts` null where it teaches nothing. */
export interface Lesson {
  latents: ArrayLike<number>;
  counts: ArrayLike<number> | null;
  /** Logarithm of the response window over the one that the session began with; left out: 0. */
  logExposure?: number;
}

/** What the pause between two trials brought. */
export interface Refined {
  bestUnit: BestUnit | null;
  /** Batch refits that were taken over; `failed`: why the unit keeps what it learned a trial at a time, null where it need not. */
  refits: { unit: string; trials: number; failed: string | null }[];
  /** Why the session is over by its own rule; null while it is not. */
  stop: string | null;
  /** Digest of what is believed, by which a replay is compared: means, dispersions and gain, bit for bit. */
  digest: string;
}

/** The unit whose tuning is most concentrated on one latent, as far as is known. */
export interface BestUnit {
  unit: string;
  latent: number;
  share: number;
}

export interface Findings {
  units: UnitReport[];
  /** How well the units that count are aligned with single latents, as a population: 0 to 1; null where none counts, and before the first usable trial. */
  alignment: Interval | null;
  axisTests: AxisTestResult[];
  /** Tests that were begun or wanted, and not finished. */
  axisTestsLeft: AxisTestLeft[];
  /** Faces read back from counts; null where there are too few trials. */
  readBack: ReadBack | null;
  /** Null before the first usable trial. */
  shown: ShownRange | null;
}

type Fitted = Extract<Refit["outcome"], { belief: unknown }>;

/** What is believed of all units at one moment, for whoever looks on. */
export interface Beliefs extends PackedBeliefs {
  codes: Codes[];
  heldOut: (HeldOut | null)[];
  /** Whether each unit counts in choices: its weight, 0 where it is excluded or known. */
  counting: number[];
  /** Lessons learned. */
  trials: number;
}

/** A face that was chosen and is not answered. */
interface Outstanding extends Choice {
  /** As it came out. */
  realised: Float64Array;
  index: number;
}

/**
 * All that a decider holds between two calls, as plain data of its own: a decider of the same settings and seed that is given it goes on
 * as this one does, bit for bit. What is computed from it anew before it is used is left out.
 */
export interface DeciderState {
  posterior: PosteriorState;
  targets: { level: Float64Array; second: Float64Array; of: Int32Array };
  /** Null where no objective has asked for it. */
  reach: { blocks: Float64Array; total: Float64Array } | null;
  rivals: RivalsState;
  asksRivals: boolean;
  program: ProgramState;
  evolution: EvolutionState | null;
  tester: AxisTesterState;
  outstanding: Outstanding[];
  shown: Float64Array[];
  learned: number;
  recent: Taught[];
  underWay: (number | null)[];
  weights: Float64Array;
  limits: ConstraintSettings;
  excluded: Uint8Array;
  known: Uint8Array;
  sinceReset: Int32Array;
  best: (BestUnit | null)[];
  codesBest: Float64Array;
  dueAt: number[];
  forgotten: Float64Array;
  dispersionIntervals: UnitReport["dispersionInterval"][];
  gain: Gain | null;
  chosen: number;
  turn: number;
}

/** Where a face comes from: the program (catch faces, repeats), a step of an axis test, or an objective's choice. */
type Source = "program" | "axis test" | "objective";

/** What an operator changes between two trials. */
export interface Adjustment {
  objective: Objective;
  weights: number[];
  constraints: Omit<ConstraintSettings, "region">;
}

export type UnitChange = "exclude" | "include" | "reset";

/**
 * Tuning and choice together, the part of the loop that thinks. Faces that were chosen and not yet answered are held as
 * outstanding. All it does depends on the settings, the generator, the order of calls and what refits bring: nothing on time.
 *
 * What a choice needs is prepared while its trial is still running: covariances as they are expected to be with every
 * outstanding face answered, bases, their products. When the counts come, the means take them in, and the choice is made with
 * the new means and the expected covariances; the real covariances follow in the pause.
 */
export interface Decider {
  /**
   * Learns from the face that was chosen first of those not yet answered, and then chooses `count` more.
   *
   * @param among the only faces that may be chosen (latents); left out: any in range
   * @param shown what is shown instead, whatever is chosen: a replay's faces, by their order
   * @throws what `learnMeans` throws, and Error for a lesson of another face
   */
  decide(
    lesson: Lesson | null,
    count: number,
    among?: readonly Float64Array[] | null,
    shown?: readonly Choice[],
  ): Choice[];
  /**
   * Brings the covariances up to date, takes over finished refits and asks for those that are due, prepares the next choice, and
   * says what is known so far. Meant for the pause between trials; `decide` does what of it is needed where it was not called.
   *
   * @param realised latents of the faces that the last `decide` chose, as they came out: what their counts will be explained by;
   * left out or empty: they came out as asked
   */
  refine(realised?: readonly Float64Array[]): Refined;
  /** Makes a choice as `decide` would and throws it away: nothing changes but what the processor has at hand. */
  rehearse(): void;
  /** Leaves a unit out of choices, takes it in again, or forgets all about one that was sorted anew. Throws Error for an unknown unit. */
  change(unit: string, change: UnitChange): void;
  /** Faces that were chosen and are not answered, oldest first, by their numbers. */
  outstanding(): { face: number; choice: Choice }[];
  /** Other settings from the next choice on. */
  adjust(adjustment: Adjustment): void;
  /** So many fixed faces come next: a check of stability. */
  check(faces: number): void;
  report(): UnitReport[];
  /** What is believed now; changes nothing. Null between a lesson and the pause after it, when means and covariances do not agree. */
  beliefs(): Beliefs | null;
  /** `report`, with every unit examined for what the model of its tuning leaves out; takes some time. */
  examine(): Promise<UnitReport[]>;
  /** All that the session has found, every unit examined. */
  conclude(): Promise<Findings>;
  /** What it holds now; changes nothing. Throws Error between a lesson and the pause after it. */
  state(): DeciderState;
  /** Makes a decider that was asked for nothing yet one that stands where `state` was taken; its refits are restored beside it. */
  goOnFrom(state: DeciderState): void;
}

/** Units whose turn it is in one `refine`: each unit's comes every ten trials. */
const turnsPerRound = 10;
/** A unit is refitted first after so many trials, and then each time that it has seen so many times as many. */
const FIRST_REFIT = 16;
const REFIT_GROWTH = 1.6;

export function createDecider(settings: DeciderSettings, random: Random, refits: Refits): Decider {
  const { latents, units, smooth, choice, observation, prior, memoryTrials } = settings;
  const basis = createBasis(latents, smooth.functions, smooth.lengthScale, smooth.halfWidth);
  const grid = traversalGrid(choice.range);
  const ahead: OutlookSettings = { grid, lookahead: settings.lookahead, bases: choice.bases + choice.refinements };
  const objectives = [settings.program.objective, ...settings.program.blocks.map(({ objective }) => objective)];
  const wantsTarget = (objective: Objective) => objective === "variance" || objective === "axis-test";
  const wantsRivals = (objective: Objective) => objective === "identify" || objective === "compare";
  let asksRivals = objectives.some(wantsRivals);
  const build = (withTarget: boolean) => {
    const kernels = openKernels(
      posteriorNumbers(basis, units.length) +
        targetNumbers(basis, units.length) +
        reachNumbers(basis, units.length) +
        prospectNumbers(basis, units.length) +
        outlookNumbers(basis, units.length, ahead),
    );
    const posterior = createPosterior(kernels, basis, observation, units.length, prior);
    const targets = createTargets(kernels, basis, units.length, posterior.stride, grid, choice.target);
    for (let u = 0; u < units.length; u++) aim(targets, posterior, u);
    const reach = withTarget ? createReach(targets, posterior) : null;
    return {
      posterior,
      targets,
      reach,
      outlook: createOutlook(posterior, reach, ahead),
      scratch: createProspect(posterior),
    };
  };
  let { posterior, targets, reach, outlook, scratch } = build(objectives.some(wantsTarget));
  const rivals = createRivals(basis, observation, units.length, prior);
  const program = createProgram(settings.program, catchFaces(settings, random.split("program")));
  let evolution = objectives.includes("cma-es") ? createEvolutionStrategy(latents, choice.range) : null;
  const tester = createAxisTester(settings.axisTest, choice.range, random.split("axis test"));

  /** Faces not yet answered, oldest first, beside `outlook.outstanding`. */
  const outstanding: Outstanding[] = [];
  /** The last faces chosen, as many as constraints may look back on. */
  let shown: Float64Array[] = [];
  /** Trials learned from. The refitter keeps them all; here are those that a refit under way does not know. */
  let learned = 0;
  let recent: Taught[] = [];
  /** Trials that each unit's refit under way knows; null where none is. */
  const underWay: (number | null)[] = units.map(() => null);
  const weights = Float64Array.from(settings.weights);
  let limits = settings.constraints;
  const excluded = new Uint8Array(units.length);
  const known = new Uint8Array(units.length);
  const sinceReset = new Int32Array(units.length);
  const best: (BestUnit | null)[] = units.map(() => null);
  /** Probability that a unit codes its best latent alone. */
  const codesBest = new Float64Array(units.length);
  const dueAt = units.map((_, u) => FIRST_REFIT + (u % 4));
  const forgotten = new Float64Array(units.length);
  const dispersionIntervals: UnitReport["dispersionInterval"][] = units.map(() => null);
  let gain: Gain | null = settings.gain && startGain(settings.gain);
  let chosen = 0;
  let turn = 0;

  /** What the last lesson still has to do to the covariances, and to the rivals. */
  let owed: { prospect: Prospect; kappas: Float64Array } | null = null;
  let unjudged: { lesson: Taught; m: Float64Array; s2: Float64Array } | null = null;
  let prepared: { among: readonly Float64Array[] | null; choose: PreparedChoice; source: Source } | null = null;

  const inChoices = (u: number): boolean => weights[u] > 0 && !excluded[u];
  const effective = () => weights.map((w, u) => (excluded[u] || known[u] ? 0 : w));

  const settle = () => {
    if (owed) {
      const own = reach;
      shrinkAll(
        posterior,
        owed.prospect,
        owed.kappas,
        own ? (u, yAt, kappa) => keepReach(own, posterior, u, yAt, kappa) : undefined,
      );
      outlook.spare.push(owed.prospect);
    }
    owed = null;
    judge();
  };

  /** Judges every explanation by how well it foretold the last counts, and lets the rivals learn. */
  function judge() {
    if (!unjudged) return;
    const { lesson, m, s2 } = unjudged;
    const foretold = m.map((eta, u) => {
      if (Number.isNaN(lesson.counts[u])) return 0;
      const { observation: own, shift } = withGain(posterior.observations[u], lesson.logGain);
      return logPredictive(own, eta + shift, s2[u], posterior.dispersion[u], lesson.counts[u]);
    });
    learnRivals(rivals, lesson.latents, lesson.counts, posterior.dispersion, foretold, lesson.logGain);
    unjudged = null;
  }

  function prepare(among: readonly Float64Array[] | null) {
    settle();
    const next = upcoming(among);
    // A choice that looked ahead has foreseen the next answer too.
    const first = outlook.outstanding[0]?.prospect;
    if (!next.looked && first) foresee(posterior, first);
    return { among, source: next.source, choose: next.choose };
  }

  /** The next face: by plan, a step of an axis test, or an objective's choice. */
  function upcoming(among: readonly Float64Array[] | null): {
    source: Source;
    choose: PreparedChoice;
    looked: boolean;
  } {
    const due = program.due(chosen);
    const fixed = (source: Source, face: Float64Array, reason: Choice["reason"]) => ({
      source,
      choose: () => ({ latents: face, reason }),
      looked: false,
    });
    if (due.planned) return fixed("program", due.planned.face, plainReason(due.objective, due.planned.special));
    const own = random.split("choice", chosen);
    const allowed = constraints(limits, shown);
    if (due.objective === "cma-es") {
      const face = drawAllowed(allowed, (r) => evolution!.ask(r), own);
      return fixed("objective", face, plainReason("cma-es", allowed(face) ? null : NONE_ALLOWED));
    }
    const step =
      due.objective === "axis-test"
        ? tester.next(
            (unit) => learned - sinceReset[units.indexOf(unit)],
            (unit) => beliefOf(posterior, units.indexOf(unit)),
            bestNow(),
          )
        : null;
    if (step) return fixed("axis test", step.face, plainReason("axis-test", step.special));
    // Axes are estimated by the objective `variance`.
    const wanted = { ...choice, objective: due.objective === "axis-test" ? ("variance" as const) : due.objective };
    const situation: Situation = {
      outlook,
      rivals,
      weights: effective(),
      allowed,
      among,
    };
    return {
      source: "objective",
      choose: prepareChoice(situation, wanted, chosen, own),
      looked: isValued(wanted),
    };
  }

  function learn({ latents: shownLatents, counts, logExposure = 0 }: Lesson) {
    const [next] = outstanding;
    const first = outlook.outstanding[0];
    if (!next?.latents.every((z, d) => z === shownLatents[d]))
      throw new Error(
        `lesson: expected the face ${next?.latents.join(", ")}, got ${Array.from(shownLatents).join(", ")}`,
      );
    if (counts) {
      const own = Float64Array.from(counts);
      if (gain && settings.gain) gain = stepGain(gain, settings.gain, posterior, first.prospect, own);
      const logGain = (gain?.mean ?? 0) + logExposure;
      const kappas = learnMeans(posterior, first.prospect, own, logGain);
      const lesson = { latents: next.realised, counts: own, logGain };
      learned++;
      if (underWay.some((trials) => trials !== null)) recent.push(lesson);
      refits.learn(lesson);
      unjudged = { lesson, m: first.prospect.foretold.slice(), s2: first.prospect.variance.slice() };
      owed = { prospect: first.prospect, kappas };
      if (next.reason.objective === "cma-es" && next.reason.special === null)
        evolution?.tell(next.latents, weightedResponse(own));
      tester.answer(next.index, (unit) => own[units.indexOf(unit)]);
      answered(outlook);
    } else {
      outlook.spare.push(answered(outlook));
      tester.unanswered(next.index);
      program.unanswered(next.latents, next.reason.special);
    }
    outstanding.shift();
    if (asksRivals) judge();
  }

  /** What `cma-es` climbs: the counts of the units that count, each by its weight. */
  const weightedResponse = (counts: Float64Array): number =>
    effective().reduce((sum, w, u) => (w > 0 && !Number.isNaN(counts[u]) ? sum + w * counts[u] : sum), 0);

  /** Of the units that count, the likeliest to code its best latent alone. */
  const bestNow = (): BestUnit | null => {
    let top = 0;
    let found: BestUnit | null = null;
    codesBest.forEach((probability, u) => {
      if (best[u] && inChoices(u) && probability >= top) {
        top = probability;
        found = best[u];
      }
    });
    return found;
  };

  /** A unit's periodic turn: forgetting, the target as it looks now, what is known of the unit. */
  function takeTurn(u: number) {
    if (memoryTrials !== null) {
      const passed = learned - forgotten[u];
      if (passed > 0) forget(posterior, u, passed, memoryTrials);
      forgotten[u] = learned;
      refresh(u);
    }
    const { bestLatent, shares } = sharesOf(basis, posterior.mean.subarray(u * posterior.stride));
    best[u] = { unit: units[u], latent: bestLatent, share: shares[bestLatent] };
    const codes = codesOf(rivals, u);
    codesBest[u] = codes.one * codes.latents[bestLatent];
    if (settings.knownAt !== null) known[u] = Number(certaintyOf(codes) >= settings.knownAt);
  }

  /** The same beliefs with a target set beside them, which the objectives at the start had no need of. */
  function addTarget() {
    const before = posterior;
    ({ posterior, targets, reach, outlook, scratch } = build(true));
    for (let u = 0; u < units.length; u++) {
      setBelief(posterior, u, beliefOf(before, u));
      refresh(u);
    }
    for (const { realised } of outstanding) expectFace(outlook, realised);
  }

  function refresh(u: number) {
    aim(targets, posterior, u);
    if (reach) computeReach(reach, posterior, u);
  }

  /** Puts a refit in place of what was learned a trial at a time, and learns the trials since on top of it. */
  function adopt(unit: number, trials: number, { belief, dispersionInterval }: Fitted) {
    dispersionIntervals[unit] = dispersionInterval;
    setBelief(posterior, unit, belief);
    for (const { latents: face, counts, logGain } of since(trials)) {
      features(basis, face, scratch.x);
      if (!Number.isNaN(counts[unit])) learnUnit(posterior, scratch, unit, counts[unit], logGain);
    }
    forgotten[unit] = trials;
    refresh(unit);
  }

  /** What was learned after the first `trials`. */
  const since = (trials: number): Taught[] => recent.slice(recent.length - (learned - trials));

  function digest(): string {
    const hash = createHash("sha256");
    for (const part of [posterior.mean, posterior.dispersion, Float64Array.of(gain?.mean ?? 0)])
      hash.update(bytesOf(part));
    return hash.digest("hex").slice(0, 16);
  }

  return {
    decide(lesson, count, among, instead) {
      const list = among ?? null;
      if (prepared?.among !== list) prepared = null;
      prepared ??= prepare(list);
      if (lesson) learn(lesson);
      const choices: Choice[] = [];
      for (let k = 0; k < count; k++) {
        if (k > 0) prepared = prepare(list);
        const own = prepared.choose();
        choices.push(own);
        const asked = instead?.[k];
        const next = asked && !sameFace(asked.latents, own.latents) ? asked : own;
        program.shown(chosen, next.latents, prepared.source === "objective");
        if (prepared.source === "axis test" && next === own) tester.shown(chosen);
        expectFace(outlook, next.latents);
        outstanding.push({ ...next, realised: next.latents, index: chosen });
        shown.push(next.latents);
        if (shown.length > 2 * MOST_FACES_LOOKED_BACK_ON) shown = shown.slice(-MOST_FACES_LOOKED_BACK_ON);
        chosen++;
      }
      prepared = null;
      return choices;
    },
    refine(realised = []) {
      realised.forEach((face, i) => {
        const at = outstanding.length - realised.length + i;
        outstanding[at].realised = face;
        features(basis, face, outlook.outstanding[at].prospect.x);
      });
      settle();
      const taken = refits.finished().filter(({ unit, trials }) => underWay[unit] === trials);
      for (const { unit, trials, outcome } of taken) {
        if ("belief" in outcome) adopt(unit, trials, outcome);
        underWay[unit] = null;
      }
      recent = since(underWay.reduce<number>((least, trials) => Math.min(least, trials ?? learned), learned));
      const share = Math.ceil(units.length / turnsPerRound);
      for (let i = 0; i < share; i++, turn = (turn + 1) % units.length) takeTurn(turn);
      for (let u = 0; u < units.length; u++)
        if (learned >= dueAt[u]) {
          // A unit is asked for again only once its last refit has been taken over.
          if (underWay[u] !== null) continue;
          refits.request({ unit: u, belief: beliefOf(posterior, u) });
          underWay[u] = learned;
          dueAt[u] = sinceReset[u] + Math.ceil((learned - sinceReset[u]) * REFIT_GROWTH);
        }
      prepared = prepare(null);
      return {
        bestUnit: bestNow(),
        refits: taken.map(({ unit, trials, outcome }) => ({
          unit: units[unit],
          trials,
          failed: "failed" in outcome ? outcome.failed : null,
        })),
        stop: stopReason(settings.stop, {
          rivals,
          reach,
          counts: inChoices,
          testsDone: tester.done(),
        }),
        digest: digest(),
      };
    },
    rehearse() {
      prepared?.choose();
    },
    change(name, change) {
      const u = units.indexOf(name);
      if (u < 0) throw new Error(`unit: expected one of ${units.join(", ")}, got ${name}`);
      settle();
      prepared = null;
      if (change === "reset") {
        resetUnit(posterior, u, observation, prior);
        resetRivals(rivals, u, prior);
        sinceReset[u] = learned;
        underWay[u] = null;
        refits.reset(u);
        tester.reset(name);
        forgotten[u] = learned;
        known[u] = 0;
        dispersionIntervals[u] = null;
        best[u] = null;
        dueAt[u] = learned + FIRST_REFIT;
        refresh(u);
      } else excluded[u] = Number(change === "exclude");
    },
    outstanding: () =>
      outstanding.map(({ index, latents: face, reason }) => ({ face: index, choice: { latents: face, reason } })),
    adjust({ objective, weights: own, constraints: others }) {
      settle();
      prepared = null;
      program.turnTo(objective === settings.program.objective ? null : objective);
      weights.set(own);
      limits = { ...limits, ...others };
      asksRivals ||= wantsRivals(objective);
      if (objective === "cma-es") evolution ??= createEvolutionStrategy(latents, choice.range);
      if (wantsTarget(objective) && !reach) addTarget();
    },
    check(faces) {
      settle();
      prepared = null;
      program.check(fixedFaces(settings, faces, random.split("stability")));
    },
    report() {
      settle();
      prepared = null;
      return units.map((unit, u) =>
        reportUnit(
          beliefOf(posterior, u),
          unit,
          {
            windowS: settings.windowS,
            range: choice.range,
            codes: codesOf(rivals, u),
            heldOut: heldOutOf(rivals, u),
            dispersionInterval: dispersionIntervals[u],
            counts: inChoices(u),
            sortedAnewAfter: sinceReset[u] > 0 ? sinceReset[u] : null,
          },
          random.split("report", u),
        ),
      );
    },
    beliefs: () =>
      owed || unjudged
        ? null
        : {
            ...packBeliefs(posterior),
            codes: units.map((_, u) => codesOf(rivals, u)),
            heldOut: units.map((_, u) => heldOutOf(rivals, u)),
            counting: Array.from(effective()),
            trials: learned,
          },
    async examine() {
      const reports = this.report();
      const found = await Promise.all(
        units.map((_, unit) => refits.examine({ unit, belief: beliefOf(posterior, unit) })),
      );
      return reports.map((report, u) => ({ ...report, ...found[u] }));
    },
    async conclude() {
      const beliefs = units.map((_, u) => beliefOf(posterior, u));
      return {
        units: await this.examine(),
        alignment:
          learned === 0
            ? null
            : populationAlignment(
                beliefs.filter((_, u) => inChoices(u)),
                random.split("alignment"),
              ),
        axisTests: tester.results(),
        axisTestsLeft: objectives.includes("axis-test") ? tester.left() : [],
        readBack: await refits.readBack(beliefs),
        shown: await refits.shown(),
      };
    },
    state() {
      if (owed || unjudged) throw new Error("decider: expected to be asked for its state in a pause between trials");
      const { level, second, of } = targets;
      return {
        posterior: posteriorState(posterior),
        targets: { level: level.slice(), second: second.slice(), of: of.slice() },
        reach: reach && { blocks: reach.blocks.slice(), total: reach.total.slice() },
        rivals: rivalsState(rivals),
        asksRivals,
        program: program.state(),
        evolution: evolution?.state() ?? null,
        tester: tester.state(),
        outstanding: outstanding.map((one) => ({ ...one })),
        shown: [...shown],
        learned,
        recent: [...recent],
        underWay: [...underWay],
        weights: weights.slice(),
        limits: { ...limits },
        excluded: excluded.slice(),
        known: known.slice(),
        sinceReset: sinceReset.slice(),
        best: [...best],
        codesBest: codesBest.slice(),
        dueAt: [...dueAt],
        forgotten: forgotten.slice(),
        dispersionIntervals: [...dispersionIntervals],
        gain,
        chosen,
        turn,
      };
    },
    goOnFrom(state) {
      if (state.reach && !reach) ({ posterior, targets, reach, outlook, scratch } = build(true));
      restorePosterior(posterior, state.posterior);
      targets.level.set(state.targets.level);
      targets.second.set(state.targets.second);
      targets.of.set(state.targets.of);
      if (reach && state.reach) {
        reach.blocks.set(state.reach.blocks);
        reach.total.set(state.reach.total);
      }
      restoreRivals(rivals, state.rivals);
      ({ asksRivals, limits, learned, gain, chosen, turn } = state);
      program.goOnFrom(state.program);
      if (state.evolution) {
        evolution ??= createEvolutionStrategy(latents, choice.range);
        evolution.goOnFrom(state.evolution);
      }
      tester.goOnFrom(state.tester);
      outstanding.push(...state.outstanding);
      for (const { realised } of outstanding) expectFace(outlook, realised);
      shown = [...state.shown];
      recent = [...state.recent];
      underWay.splice(0, units.length, ...state.underWay);
      weights.set(state.weights);
      excluded.set(state.excluded);
      known.set(state.known);
      sinceReset.set(state.sinceReset);
      best.splice(0, units.length, ...state.best);
      codesBest.set(state.codesBest);
      dueAt.splice(0, units.length, ...state.dueAt);
      forgotten.set(state.forgotten);
      dispersionIntervals.splice(0, units.length, ...state.dispersionIntervals);
      prepared = null;
    },
  };
}

/** The fixed faces of a session, drawn like others where the model can make them. */
const catchFaces = (settings: DeciderSettings, random: Random) =>
  fixedFaces(settings, settings.program.catch?.faces ?? 0, random);

/** Faces for checks of stability: draws from the prior, where they may be shown. */
const fixedFaces = ({ latents, choice, constraints: { region } }: DeciderSettings, faces: number, random: Random) =>
  Array.from({ length: faces }, (_, i) =>
    drawAllowed(
      (face) => !region || isInside(region, face),
      (r) => drawPrior(latents, choice.range, r),
      random.split(i),
    ),
  );

const sameFace = (a: Float64Array, b: Float64Array): boolean => a.every((value, d) => value === b[d]);

/** What refits of a decider's units need to know. */
export const refitterSettings = ({
  latents,
  units,
  smooth,
  observation,
  links,
  prior,
  memoryTrials,
  windowS,
}: DeciderSettings): RefitterSettings => ({
  basis: createBasis(latents, smooth.functions, smooth.lengthScale, smooth.halfWidth),
  observation,
  links,
  units: units.length,
  prior,
  memoryTrials,
  windowS,
});
