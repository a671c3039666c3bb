import type { Random } from "../random.ts";
import { createBasis, features } from "../tuning/basis.ts";
import { createPosterior, imagineTrial, learnTrial, type PriorSettings, shadow } from "../tuning/posterior.ts";
import { learnRelevance } from "../tuning/relevance.ts";
import { reportUnit, type UnitReport } from "../tuning/report.ts";
import { traversalGrid } from "./candidates.ts";
import { type Choice, type ChoiceSettings, chooseFace } from "./choose.ts";
import { computeReach, copyReach, createReach, createReachKeeper } from "./reach.ts";
import { createTarget } from "./target.ts";

export interface DeciderSettings {
  latents: number;
  units: string[];
  windowS: number;
  prior: PriorSettings;
  /** K functions with length scale ℓ on [−L, L], in latent units. */
  smooth: { functions: number; lengthScale: number; halfWidth: number };
  choice: ChoiceSettings;
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
}

/**
 * Tuning and choice together, the part of the loop that thinks. Faces that were chosen and not yet answered are held as
 * outstanding, and choices are made as if their answers were expected ones. All it does depends on the settings, the
 * generator and the order of calls: nothing on time.
 */
export interface Decider {
  /** Learns from an answered face (in order of choice) and then chooses `count` more. */
  decide(lesson: Lesson | null, count: number): Choice[];
  /**
   * Re-learns the relevance of the latents for the next few units in turn, and gives the unit whose tuning is most
   * concentrated on one latent so far. Meant for the pause between trials.
   */
  refine(): BestUnit | null;
  report(): UnitReport[];
}

/** The unit whose tuning is most concentrated on one latent, as far as is known. */
export interface BestUnit {
  unit: string;
  latent: number;
  share: number;
}

/** Units whose relevance is re-learned in one `refine`: each unit's turn comes every ten trials. */
const turnsPerRound = 10;

export function createDecider(settings: DeciderSettings, random: Random): Decider {
  const { latents, units, smooth, choice } = settings;
  const basis = createBasis(latents, smooth.functions, smooth.lengthScale, smooth.halfWidth);
  const posterior = createPosterior(basis, units.length, settings.prior);
  const start = posterior.precision.slice(0, basis.size);
  const reach = createReach(createTarget(basis, traversalGrid(choice.range)), posterior);
  const keepReach = createReachKeeper(basis);
  // A second copy, on which trials are imagined: chosen faces whose answers are still to come.
  const imagined = shadow(posterior);
  const imaginedReach = { ...reach, blocks: reach.blocks.slice(), total: reach.total.slice() };
  const outstanding: Float64Array[] = [];
  const best: (BestUnit | null)[] = units.map(() => null);
  let chosen = 0;
  let turn = 0;

  const imagine = (face: Float64Array) =>
    imagineTrial(imagined, features(basis, face), (unit, y, kappa) =>
      keepReach(imaginedReach, imagined, unit, y, kappa),
    );

  return {
    decide(lesson, count) {
      if (lesson) {
        outstanding.shift();
        if (lesson.counts)
          learnTrial(posterior, features(basis, lesson.latents), lesson.counts, (unit, y, kappa) =>
            keepReach(reach, posterior, unit, y, kappa),
          );
      }
      imagined.covariance.set(posterior.covariance);
      copyReach(reach, imaginedReach);
      for (const face of outstanding) imagine(face);
      return Array.from({ length: count }, (_, k) => {
        if (k > 0) imagine(outstanding[outstanding.length - 1]);
        const next = chooseFace(imagined, imaginedReach, choice, chosen, random.split("choice", chosen));
        chosen++;
        outstanding.push(next.latents);
        return next;
      });
    },
    refine() {
      const share = Math.ceil(units.length / turnsPerRound);
      for (let i = 0; i < share; i++, turn = (turn + 1) % units.length) {
        learnRelevance(posterior, turn, start);
        computeReach(reach, posterior, turn);
        const { bestLatent, shares } = reportUnit(posterior, turn, units[turn], settings.windowS);
        best[turn] = { unit: units[turn], latent: bestLatent, share: shares[bestLatent] };
      }
      return best.reduce((a, b) => (a && (!b || a.share >= b.share) ? a : b), null);
    },
    report: () => units.map((unit, u) => reportUnit(posterior, u, unit, settings.windowS)),
  };
}
