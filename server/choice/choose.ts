import type { Random } from "../random.ts";
import type { HypothesisName } from "../tuning/rivals.ts";
import { drawBases, drawBox, drawPrior } from "./candidates.ts";
import {
  type Choice,
  NONE_ALLOWED,
  type Objective,
  type PreparedChoice,
  plainReason,
  type Reason,
  type Situation,
} from "./choice.ts";
import { type Allowed, drawAllowed } from "./constraints.ts";
import { compareScoring, identifyScoring } from "./hypotheses.ts";
import { type Base, look, momentsOf, type Outlook, projectBase } from "./outlook.ts";
import { preparePeak } from "./peak.ts";
import { informationScoring, type Scoring, upperBoundScoring, varianceScoring } from "./scoring.ts";
import type { TargetWeighting } from "./target.ts";

export interface ChoiceSettings {
  objective: Objective;
  /** Faces stay inside ±range, in latent units. */
  range: number;
  /** Bases drawn for each choice; each gives latents × 9 candidates. */
  bases: number;
  /** Times the best candidate so far becomes a base itself. */
  refinements: number;
  target: TargetWeighting;
  peak: { rule: "thompson" | "upper-bound"; bonus: number };
  compare: readonly [HypothesisName, HypothesisName];
}

/** Whether an objective values candidates by what the outlook says of them; the others need no look ahead. */
export const isValued = ({ objective, peak }: ChoiceSettings): boolean =>
  ["variance", "information", "identify", "compare"].includes(objective) ||
  (objective === "peak" && peak.rule === "upper-bound");

/**
 * Prepares the choice of the next face. Holds as long as no covariance of the posterior changes; its means may.
 *
 * @param index how many faces were chosen before: the traversal grid walks by it
 * @param random this choice's own generator
 */
export function prepareChoice(
  situation: Situation,
  settings: ChoiceSettings,
  index: number,
  random: Random,
): PreparedChoice {
  const { outlook, allowed, among } = situation;
  const { latents } = outlook.posterior.basis;
  const { objective, range } = settings;
  const draw = (one: (random: Random) => Float64Array): PreparedChoice => {
    const face = among ? among[random.int(among.length)] : drawAllowed(allowed, one, random);
    return () => ({ latents: face, reason: plainReason(objective, among || allowed(face) ? null : NONE_ALLOWED) });
  };
  switch (objective) {
    case "random":
      return draw((r) => drawPrior(latents, range, r));
    case "random-range":
      return draw((r) => drawBox(latents, range, r));
    case "traversal-grid":
      return () => classicTraversal(latents, outlook.grid, index);
    case "cma-es":
    case "axis-test":
      throw new Error(`${objective} chooses its faces itself`);
    case "peak":
      if (settings.peak.rule === "thompson" && !among) return preparePeak(situation, range, random);
  }
  return among ? prepareAmong(situation, among, settings) : prepareBest(situation, settings, random);
}

/** One latent moves, the others stay at 0: what face-patch experiments commonly show. */
function classicTraversal(latents: number, grid: readonly number[], index: number): Choice {
  const step = index % (latents * grid.length);
  const latent = Math.floor(step / grid.length);
  const to = grid[step % grid.length];
  const face = new Float64Array(latents);
  face[latent] = to;
  return { latents: face, reason: { ...plainReason("traversal-grid"), moved: { latent, from: 0, to } } };
}

function scoringOf({ outlook, rivals }: Situation, settings: ChoiceSettings): Scoring {
  switch (settings.objective) {
    case "variance":
      return varianceScoring(outlook);
    case "identify":
      return identifyScoring(outlook, rivals);
    case "compare":
      return compareScoring(outlook, rivals, settings.compare);
    case "peak":
      return upperBoundScoring(outlook, settings.peak.bonus);
    default:
      return informationScoring(outlook);
  }
}

interface Candidate {
  latents: Float64Array;
  value: number;
  moved: Reason["moved"];
}

function prepareBest(situation: Situation, settings: ChoiceSettings, random: Random): PreparedChoice {
  const { outlook, allowed } = situation;
  const { range, bases, refinements } = settings;
  const { latents } = outlook.posterior.basis;
  look(outlook, drawBases(bases, latents, range, random));
  // Drawn once: a choice that was rehearsed must come out as one that was not.
  let drawn: Float64Array | null = null;
  return () => {
    const scoring = scoringOf(situation, settings);
    let best: Candidate | undefined;
    let runnerUp: Candidate | undefined;
    const consider = (base: Base) => {
      for (const candidate of bestTwo(outlook, base, scoreBase(situation, scoring, base), allowed)) {
        if (best && sameFace(candidate.latents, best.latents)) continue;
        if (!best || candidate.value > best.value) [best, runnerUp] = [candidate, best];
        else if (!runnerUp || candidate.value > runnerUp.value) runnerUp = candidate;
      }
    };
    for (let b = 0; b < bases; b++) consider(outlook.bases[b]);
    for (let i = 0; i < refinements && best; i++) {
      projectBase(outlook, bases + i, best.latents);
      consider(outlook.bases[bases + i]);
    }
    if (!best)
      return {
        latents: (drawn ??= drawAllowed(allowed, (r) => drawBox(latents, range, r), random)),
        reason: plainReason(settings.objective, NONE_ALLOWED),
      };
    return {
      latents: best.latents,
      reason: {
        ...plainReason(settings.objective),
        value: best.value,
        runnerUp: runnerUp ? { latents: [...runnerUp.latents], value: runnerUp.value } : null,
        moved: best.moved,
        candidates: (bases + refinements) * (latents * outlook.grid.length + 1),
      },
    };
  };
}

/** The best of a list of faces, each valued for itself. */
function prepareAmong(situation: Situation, among: readonly Float64Array[], settings: ChoiceSettings): PreparedChoice {
  const { outlook } = situation;
  look(outlook, []);
  return () => {
    const scoring = scoringOf(situation, settings);
    const values = among.map((face) => {
      projectBase(outlook, 0, face);
      return scoreBase(situation, scoring, outlook.bases[0]);
    });
    const order = values.map((_, i) => i).sort((a, b) => values[b] - values[a]);
    const [first, second] = order;
    return {
      latents: among[first],
      reason: {
        ...plainReason(settings.objective),
        value: values[first],
        runnerUp: second === undefined ? null : { latents: [...among[second]], value: values[second] },
        candidates: among.length,
      },
    };
  };
}

/** Fills `outlook.worth` with what the faces on the traversals through a base are worth; gives that of the base. */
function scoreBase({ outlook, weights }: Situation, scoring: Scoring, base: Base): number {
  outlook.worth.fill(0);
  let atBase = 0;
  for (let u = 0; u < outlook.posterior.units; u++) {
    if (weights[u] === 0) continue;
    atBase += scoring.add(u, weights[u], momentsOf(outlook, base, u), base.latents);
  }
  return atBase;
}

const sameFace = (a: Float64Array, b: Float64Array): boolean => a.every((value, d) => value === b[d]);

/** The best allowed face on the best traversal through a base, and the best on any other of its traversals. */
function bestTwo({ grid, steps, worth }: Outlook, base: Base, atBase: number, allowed: Allowed): Candidate[] {
  const from = base.latents;
  const found: Candidate[] = [];
  if (allowed(from)) found.push({ latents: from.slice(), value: atBase, moved: null });
  for (let d = 0; d < from.length; d++) {
    const values = worth.subarray(d * steps, d * steps + grid.length);
    const order = Array.from(grid.keys()).sort((a, b) => values[b] - values[a]);
    for (const t of order) {
      const { to, value } = between(grid, values, t);
      const latents = from.slice();
      latents[d] = to;
      if (!allowed(latents)) continue;
      found.push({ latents, value, moved: { latent: d, from: from[d], to } });
      break;
    }
  }
  return found.sort((a, b) => b.value - a.value).slice(0, 2);
}

/** The top of the parabola through a step and its neighbours, where the step is the highest of the three: a face between steps. */
function between(grid: readonly number[], values: Float64Array, t: number): { to: number; value: number } {
  const here = values[t];
  if (t === 0 || t === grid.length - 1) return { to: grid[t], value: here };
  const rise = (values[t + 1] - values[t - 1]) / 2;
  const bend = values[t + 1] - 2 * here + values[t - 1];
  if (bend >= 0 || Math.abs(rise) > -bend / 2) return { to: grid[t], value: here };
  const offset = -rise / bend;
  return { to: grid[t] + offset * (grid[1] - grid[0]), value: here + (rise * offset) / 2 };
}
