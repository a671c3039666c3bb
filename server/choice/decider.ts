import type { Random } from "../random.ts";
import { createBasis, features } from "../tuning/basis.ts";
import {
  createPosterior,
  foresee,
  imagineTrial,
  learnMeans,
  type PriorSettings,
  type Prospect,
  shadow,
  shrinkAll,
} from "../tuning/posterior.ts";
import { learnRelevance } from "../tuning/relevance.ts";
import { reportUnit, type UnitReport } from "../tuning/report.ts";
import { traversalGrid } from "./candidates.ts";
import { type Choice, type ChoiceSettings, type PreparedChoice, prepareChoice } from "./choose.ts";
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
 * outstanding. All it does depends on the settings, the generator and the order of calls: nothing on time.
 *
 * What a choice needs is prepared while its trial is still running: covariances as they are expected to be with every
 * outstanding face answered, bases, their products. When the counts come, the means take them in, and the choice is made with
 * the new means and the expected covariances; the real covariances follow in the pause.
 */
export interface Decider {
  /**
   * Learns from the face that was chosen first of those not yet answered, and then chooses `count` more.
   *
   * @throws what `learnMeans` throws, and Error for a lesson of another face
   */
  decide(lesson: Lesson | null, count: number): Choice[];
  /**
   * Brings the covariances up to date, re-learns the relevance of the latents for the next few units in turn, prepares the next
   * choice, and gives the unit whose tuning is most concentrated on one latent so far. Meant for the pause between trials;
   * `decide` does what of it is needed where it was not called.
   */
  refine(): BestUnit | null;
  /** Makes a choice as `decide` would and throws it away: nothing changes but what the processor has at hand. */
  rehearse(): void;
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

  /** What the last lesson still has to do to the covariances. */
  let owed: { prospect: Prospect; kappas: Float64Array } | null = null;
  let prepared: { answer: Prospect | null; choose: PreparedChoice } | null = null;

  const settle = () => {
    if (owed)
      shrinkAll(posterior, owed.prospect, owed.kappas, (u, y, kappa) => keepReach(reach, posterior, u, y, kappa));
    owed = null;
  };

  function prepare() {
    settle();
    imagined.covariance.set(posterior.covariance);
    copyReach(reach, imaginedReach);
    for (const face of outstanding)
      imagineTrial(imagined, features(basis, face), (u, y, kappa) => keepReach(imaginedReach, imagined, u, y, kappa));
    return {
      answer: outstanding.length > 0 ? foresee(posterior, features(basis, outstanding[0])) : null,
      choose: prepareChoice(imagined, imaginedReach, choice, chosen, random.split("choice", chosen)),
    };
  }

  function learn({ latents: shown, counts }: Lesson, answer: Prospect | null) {
    const [face] = outstanding;
    if (!answer || !face?.every((z, d) => z === shown[d]))
      throw new Error(`lesson: expected the face ${face?.join(", ")}, got ${Array.from(shown).join(", ")}`);
    if (counts) owed = { prospect: answer, kappas: learnMeans(posterior, answer, counts) };
    outstanding.shift();
  }

  return {
    decide(lesson, count) {
      prepared ??= prepare();
      if (lesson) learn(lesson, prepared.answer);
      const choices: Choice[] = [];
      for (let k = 0; k < count; k++) {
        if (k > 0) prepared = prepare();
        const next = prepared.choose();
        choices.push(next);
        outstanding.push(next.latents);
        chosen++;
      }
      prepared = null;
      return choices;
    },
    refine() {
      settle();
      const share = Math.ceil(units.length / turnsPerRound);
      for (let i = 0; i < share; i++, turn = (turn + 1) % units.length) {
        learnRelevance(posterior, turn, start);
        computeReach(reach, posterior, turn);
        const { bestLatent, shares } = reportUnit(posterior, turn, units[turn], settings.windowS);
        best[turn] = { unit: units[turn], latent: bestLatent, share: shares[bestLatent] };
      }
      prepared = prepare();
      return best.reduce((a, b) => (a && (!b || a.share >= b.share) ? a : b), null);
    },
    rehearse() {
      prepared?.choose();
    },
    report() {
      settle();
      prepared = null;
      return units.map((unit, u) => reportUnit(posterior, u, unit, settings.windowS));
    },
  };
}
