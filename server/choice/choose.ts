import type { Random } from "../random.ts";
import type { Posterior } from "../tuning/posterior.ts";
import { drawBases, drawBox, drawPrior, traversalGrid } from "./candidates.ts";
import type { Reach } from "./reach.ts";
import { type BaseScores, createScorer, type ProjectedBase } from "./scores.ts";

type ScoredObjective = "variance" | "information";
export type Objective = ScoredObjective | "random" | "random-range" | "traversal-grid";

/** Why a face was chosen, for the journal and the operator. Values are in the objective's own unit. */
export interface Reason {
  objective: Objective;
  /** The objective's value at the chosen face; null for the baselines, which value nothing. */
  value: number | null;
  /** The best candidate of another traversal, and its value. */
  runnerUp: { latents: number[]; value: number } | null;
  /** The traversal that the face lies on: which latent moved, from where to where. Null for a draw. */
  moved: { latent: number; from: number; to: number } | null;
  candidates: number;
}

export interface Choice {
  latents: Float64Array;
  reason: Reason;
}

export interface ChoiceSettings {
  objective: Objective;
  /** Faces stay inside ±range, in latent units. */
  range: number;
  /** Bases drawn for each choice; each gives latents × 9 candidates. */
  bases: number;
  /** Times the best candidate so far becomes a base itself. */
  refinements: number;
}

/** A choice of which all is done that does not need the last count: call it for the face, as often as wanted. */
export type PreparedChoice = () => Choice;

/**
 * Prepares the choice of the next face. Holds as long as no covariance of the posterior changes; its means may.
 *
 * @param reach of the same posterior, for `variance`
 * @param index how many faces were chosen before: the traversal grid walks by it
 * @param random this choice's own generator
 */
export function prepareChoice(
  posterior: Posterior,
  reach: Reach,
  settings: ChoiceSettings,
  index: number,
  random: Random,
): PreparedChoice {
  const { latents } = posterior.basis;
  const { objective, range } = settings;
  switch (objective) {
    case "random":
      return drawn(drawPrior(latents, range, random), objective);
    case "random-range":
      return drawn(drawBox(latents, range, random), objective);
    case "traversal-grid":
      return () => classicTraversal(latents, range, index);
    default:
      return prepareBest(posterior, objective === "variance" ? reach : null, objective, settings, random);
  }
}

const drawn =
  (latents: Float64Array, objective: Objective): PreparedChoice =>
  () => ({ latents, reason: baselineReason(objective) });

const baselineReason = (objective: Objective): Reason => ({
  objective,
  value: null,
  runnerUp: null,
  moved: null,
  candidates: 1,
});

/** One latent moves, the others stay at 0: what face-patch experiments commonly show. */
function classicTraversal(latents: number, range: number, index: number): Choice {
  const grid = traversalGrid(range);
  const step = index % (latents * grid.length);
  const latent = Math.floor(step / grid.length);
  const to = grid[step % grid.length];
  const face = new Float64Array(latents);
  face[latent] = to;
  return { latents: face, reason: { ...baselineReason("traversal-grid"), moved: { latent, from: 0, to } } };
}

interface Candidate {
  latents: Float64Array;
  value: number;
  moved: Reason["moved"];
}

function prepareBest(
  posterior: Posterior,
  reach: Reach | null,
  objective: ScoredObjective,
  { range, bases, refinements }: ChoiceSettings,
  random: Random,
): PreparedChoice {
  const { latents } = posterior.basis;
  const grid = traversalGrid(range);
  const scorer = createScorer(posterior, reach, grid);
  const drawn = drawBases(bases, latents, range, random).map(scorer.project);
  return () => {
    let best: Candidate | undefined;
    let runnerUp: Candidate | undefined;
    const consider = (base: ProjectedBase) => {
      for (const candidate of bestTwo(base.latents, scorer.score(base), grid)) {
        if (best && sameFace(candidate.latents, best.latents)) continue;
        if (!best || candidate.value > best.value) [best, runnerUp] = [candidate, best];
        else if (!runnerUp || candidate.value > runnerUp.value) runnerUp = candidate;
      }
    };
    for (const base of drawn) consider(base);
    for (let i = 0; i < refinements; i++) consider(scorer.project(best!.latents));
    return {
      latents: best!.latents,
      reason: {
        objective,
        value: best!.value,
        runnerUp: runnerUp ? { latents: [...runnerUp.latents], value: runnerUp.value } : null,
        moved: best!.moved,
        candidates: (bases + refinements) * (latents * grid.length + 1),
      },
    };
  };
}

const sameFace = (a: Float64Array, b: Float64Array): boolean => a.every((value, d) => value === b[d]);

/** The best face on the best traversal through a base, and the best on any other of its traversals. */
function bestTwo(base: Float64Array, { moved, base: atBase }: BaseScores, grid: readonly number[]): Candidate[] {
  const found: Candidate[] = [{ latents: base, value: atBase, moved: null }];
  for (let d = 0; d < base.length; d++) {
    let top = d * grid.length;
    for (let k = top; k < (d + 1) * grid.length; k++) if (moved[k] > moved[top]) top = k;
    const to = grid[top - d * grid.length];
    const latents = base.slice();
    latents[d] = to;
    found.push({ latents, value: moved[top], moved: { latent: d, from: base[d], to } });
  }
  return found.sort((a, b) => b.value - a.value).slice(0, 2);
}
