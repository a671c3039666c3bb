import { traversalGrid } from "../../server/choice/candidates.ts";
import type { Choice, Objective, Situation } from "../../server/choice/choice.ts";
import type { ChoiceSettings } from "../../server/choice/choose.ts";
import type { DeciderSettings } from "../../server/choice/decider.ts";
import { createOutlook, expectFace, type OutlookSettings, outlookNumbers } from "../../server/choice/outlook.ts";
import { createReach, keepReach, reachNumbers } from "../../server/choice/reach.ts";
import { aim, createTargets, type TargetWeighting, targetNumbers } from "../../server/choice/target.ts";
import { random } from "../../server/random.ts";
import { createBasis, features } from "../../server/tuning/basis.ts";
import { openKernels } from "../../server/tuning/kernels/kernels.ts";
import { logPredictive, type Observation } from "../../server/tuning/observation.ts";
import {
  createPosterior,
  createProspect,
  foresee,
  learnMeans,
  linearPredictor,
  posteriorNumbers,
  prospectNumbers,
  shrinkAll,
} from "../../server/tuning/posterior.ts";
import { createRivals, learnRivals } from "../../server/tuning/rivals.ts";

export const prior = { biasSd: 1, linearSd: 0.3, smoothSd: 0.4, dispersion: 0.1 };
export const basis = createBasis(3, 4, 1.5, 4.5);
export const grid = traversalGrid(3);
export const negativeBinomial: Observation = { link: "exponential", counts: "negative-binomial", priorCount: 2 };

/** Two units that have seen thirty faces, and some faces chosen that are not answered yet. */
export function situation(
  outstanding: number[][] = [],
  { observation = negativeBinomial, weighting = "log-rate" as TargetWeighting } = {},
): Situation & { teach(face: number[], counts: number[]): void } {
  const units = 2;
  const settings: OutlookSettings = { grid, lookahead: 4, bases: 8 };
  const kernels = openKernels(
    posteriorNumbers(basis, units) +
      targetNumbers(basis, units) +
      reachNumbers(basis, units) +
      prospectNumbers(basis, units) +
      outlookNumbers(basis, units, settings),
  );
  const posterior = createPosterior(kernels, basis, observation, units, prior);
  const targets = createTargets(kernels, basis, units, posterior.stride, grid, weighting);
  for (let u = 0; u < units; u++) aim(targets, posterior, u);
  const reach = createReach(targets, posterior);
  const outlook = createOutlook(posterior, reach, settings);
  const rivals = createRivals(basis, observation, units, prior);
  const prospect = createProspect(posterior);
  const teach = (face: number[], counts: number[]) => {
    features(basis, face, prospect.x);
    foresee(posterior, prospect);
    const foretold = Float64Array.from(counts, (count, u) =>
      logPredictive(
        observation,
        linearPredictor(posterior, u, prospect.x),
        prospect.variance[u],
        prior.dispersion,
        count,
      ),
    );
    const kappas = learnMeans(posterior, prospect, counts);
    shrinkAll(posterior, prospect, kappas, (u, yAt, kappa) => keepReach(reach, posterior, u, yAt, kappa));
    learnRivals(rivals, face, counts, posterior.dispersion, foretold);
  };
  const r = random(5);
  for (let t = 0; t < 30; t++)
    teach(
      [0, 1, 2].map(() => 6 * r.uniform() - 3),
      [r.int(5), r.int(9)],
    );
  for (const face of outstanding) expectFace(outlook, face);
  return { outlook, rivals, weights: Float64Array.of(1, 1), allowed: () => true, among: null, teach };
}

export const choiceSettings = (objective: Objective): ChoiceSettings => ({
  objective,
  range: 3,
  bases: 3,
  refinements: 2,
  target: "log-rate",
  peak: { rule: "upper-bound", bonus: 1 },
  compare: ["one-latent", "linear"],
});

export const deciderSettings = (
  objective: Objective,
  units = ["a", "b"],
  changes: Partial<DeciderSettings> = {},
): DeciderSettings => ({
  latents: 3,
  units,
  windowS: 0.2,
  observation: negativeBinomial,
  links: ["exponential", "softplus"],
  prior,
  smooth: { functions: 4, lengthScale: 1.5, halfWidth: 4.5 },
  memoryTrials: null,
  gain: null,
  choice: choiceSettings(objective),
  lookahead: 6,
  program: { objective, blocks: [], randomEvery: null, catch: null, repeats: null },
  constraints: { minDistance: 0, recentFaces: 5, balance: 0, balanceFaces: 20 },
  weights: units.map(() => 1),
  knownAt: null,
  axisTest: { afterTrials: 20, positions: 5, repeats: 3, units: [] },
  stop: { identifiedAt: null, uncertaintyBelow: null, axisTestsDone: false },
  ...changes,
});

export const facesOf = (choices: readonly Choice[]): string[] => choices.map(({ latents }) => latents.join());
