import { expectedCount, information } from "../tuning/observation.ts";
import {
  codesOf,
  foretell,
  type HypothesisName,
  logEvidence,
  oneLatentFeatures,
  type Rivals,
} from "../tuning/rivals.ts";
import type { Moments, Outlook } from "./outlook.ts";
import type { Scoring } from "./scoring.ts";

/**
 * What one explanation expects of a count, on a scale on which counts have variance 1: a(λ) with a' = 1/√(λ + φ λ²), that is 2√λ for
 * Poisson and 2 arsinh(√(φ λ))/√φ for the negative binomial. The variance is that of the count, 1, and of what is not
 * known of η, its variance times the Fisher information.
 */
interface Forecast {
  a: number;
  v: number;
}

interface Explanation {
  /** Which of the things to be told apart this is a case of. */
  group: number;
  /** Posterior probability; sums to 1 over the explanations of a unit. */
  probability: number;
  /** At a base. */
  base: Forecast;
  /** On the traversal of a latent, at each step. */
  moved(latent: number, step: number): Forecast;
}

/**
 * Value of a face for telling groups of explanations apart: ½ log(1 + B/W) nats, the mutual information between the group and the count
 * if forecasts were Gaussian, with B the variance between the groups' forecasts and W what is left within them.
 */
export function separation(
  explanations: readonly { group: number; probability: number; a: number; v: number }[],
  groups: number,
): number {
  const probability = new Float64Array(groups);
  const first = new Float64Array(groups);
  const second = new Float64Array(groups);
  for (const { group, probability: p, a, v } of explanations) {
    probability[group] += p;
    first[group] += p * a;
    second[group] += p * (a * a + v);
  }
  let mean = 0;
  for (let g = 0; g < groups; g++) mean += first[g];
  let between = 0;
  let within = 0;
  for (let g = 0; g < groups; g++) {
    if (probability[g] <= 0) continue;
    const centre = first[g] / probability[g];
    between += probability[g] * (centre - mean) ** 2;
    within += second[g] - probability[g] * centre * centre;
  }
  return within > 0 ? 0.5 * Math.log1p(between / within) : 0;
}

/** `identify`: which latent carries the unit's tuning, or that several do, or none. */
export const identifyScoring = (outlook: Outlook, rivals: Rivals): Scoring =>
  hypothesisScoring(outlook, rivals, (codes, D) => [
    ...codes.latents.map((p, d) => ({ name: "one-latent" as const, latent: d, group: d, probability: p * codes.one })),
    { name: "additive", group: D, probability: codes.several },
    { name: "constant", group: D + 1, probability: codes.none },
  ]);

/** `compare`: which of two named explanations holds, as likely as each other at first whatever else might. */
export const compareScoring = (
  outlook: Outlook,
  rivals: Rivals,
  names: readonly [HypothesisName, HypothesisName],
): Scoring =>
  hypothesisScoring(outlook, rivals, (codes, _, u) => {
    const odds = logEvidence(rivals, u, names[0]) - logEvidence(rivals, u, names[1]);
    return names.flatMap((name, group): Case[] => {
      const probability = 1 / (1 + Math.exp(group === 0 ? -odds : odds));
      return name === "one-latent"
        ? codes.latents.map((p, d) => ({ name, latent: d, group, probability: p * probability }))
        : [{ name, group, probability }];
    });
  });

interface Case {
  name: HypothesisName;
  latent?: number;
  group: number;
  probability: number;
}

/** Cases less likely than this are left out: they would change no choice. */
const NEGLIGIBLE = 1e-4;

function hypothesisScoring(
  outlook: Outlook,
  rivals: Rivals,
  casesOf: (codes: ReturnType<typeof codesOf>, latents: number, unit: number) => Case[],
): Scoring {
  const { posterior, grid, steps, worth } = outlook;
  const { basis } = rivals;
  const D = basis.latents;
  const blocks = grid.map((value) => oneLatentFeatures(basis, value));
  const cases = Array.from({ length: rivals.units }, (_, u) =>
    casesOf(codesOf(rivals, u), D, u).filter(({ probability }) => probability > NEGLIGIBLE),
  );
  const groups = 1 + Math.max(...cases.flat().map(({ group }) => group), 0);
  const forecast = (u: number, m: number, s2: number, observation = rivals.observation): Forecast => {
    const phi = posterior.dispersion[u];
    const count = expectedCount(observation, m);
    const a = phi > 0 ? (2 * Math.asinh(Math.sqrt(phi * count))) / Math.sqrt(phi) : 2 * Math.sqrt(count);
    return { a, v: 1 + information(observation, m, phi) * Math.max(s2, 0) };
  };

  function explanationsOf(u: number, face: Float64Array, moments: Moments): Explanation[] {
    return cases[u].map(({ name, latent, group, probability }) => {
      if (name === "one-latent") {
        const model = rivals.oneLatent[latent!];
        const at = (x: Float64Array) => {
          const { m, s2 } = foretell(model, u, x);
          return forecast(u, m, s2);
        };
        const base = at(oneLatentFeatures(basis, face[latent!]));
        const moved = blocks.map(at);
        return { group, probability, base, moved: (d, t) => (d === latent ? moved[t] : base) };
      }
      if (name === "constant") {
        const { m, s2 } = foretell(rivals.constant, u, [1]);
        const base = forecast(u, m, s2);
        return { group, probability, base, moved: () => base };
      }
      if (name === "linear") {
        const { n, mean, covariance } = rivals.linear;
        const { m, s2 } = foretell(rivals.linear, u, [1, ...face]);
        const y = rivals.linear.y.slice();
        return {
          group,
          probability,
          base: forecast(u, m, s2),
          moved(d, t) {
            const by = grid[t] - face[d];
            const own = covariance[(u * n + d + 1) * n + d + 1];
            return forecast(u, m + by * mean[u * n + d + 1], s2 + 2 * by * y[d + 1] + by * by * own);
          },
        };
      }
      return {
        group,
        probability,
        base: forecast(u, moments.base.m, moments.base.s2, posterior.observations[u]),
        moved: (d, t) => forecast(u, moments.m[d * steps + t], moments.s2[d * steps + t], posterior.observations[u]),
      };
    });
  }

  return {
    add(unit, weight, moments, face) {
      if (cases[unit].length < 2) return 0;
      const explanations = explanationsOf(unit, face, moments);
      const value = (at: (e: Explanation) => Forecast) =>
        weight *
        separation(
          explanations.map((e) => ({ group: e.group, probability: e.probability, ...at(e) })),
          groups,
        );
      for (let d = 0; d < D; d++)
        for (let t = 0; t < grid.length; t++) worth[d * steps + t] += value((e) => e.moved(d, t));
      return value((e) => e.base);
    },
  };
}
