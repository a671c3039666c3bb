import { type Basis, blockStart, features, writeBlock } from "../tuning/basis.ts";
import { dot, type Posterior, project } from "../tuning/posterior.ts";
import { applyTarget, type Target, targetVariance } from "./target.ts";

/** What a unit is expected to learn from a face: log mean m, its variance s², and the drop in target variance per gain. */
type Gain = (m: number, s2: number, reach: number) => number;

/** Seven-point Gauss–Hermite nodes and weights for N(0, 1) (probabilists' form). */
const HERMITE: readonly (readonly [number, number])[] = [
  [-3.750439717725742, 0.0005482688559722185],
  [-2.366759410734541, 0.030757123967586497],
  [-1.1544053947399682, 0.2401231786050126],
  [0, 0.4571428571428573],
  [1.1544053947399682, 0.2401231786050126],
  [2.366759410734541, 0.030757123967586497],
  [3.750439717725742, 0.0005482688559722185],
];

/**
 * Expected information in nats of one Poisson count about its log mean ρ ~ N(m, s²): ½ E[log(1 + s² e^ρ)], by seven-point
 * Gauss–Hermite quadrature. Within 2 % of the exact mutual information where checked (m = log 3, s² = 1: 0.738 of 0.748).
 */
export function informationGain(m: number, s2: number): number {
  const s = Math.sqrt(s2);
  let sum = 0;
  for (const [node, weight] of HERMITE) sum += weight * Math.log1p(s2 * Math.exp(m + s * node));
  return 0.5 * sum;
}

/** Expected drop of target variance, x'CMCx · J / (1 + s² J), with the information J = e^m at the mean. */
export function varianceDrop(m: number, s2: number, reach: number): number {
  const information = Math.exp(m);
  return (reach * information) / (1 + s2 * information);
}

export type ScoredObjective = "variance" | "information";

/** Scores of every traversal through one base: latents × grid, and of the base itself. */
export interface BaseScores {
  moved: Float64Array;
  base: number;
}

/**
 * Scores traversals through bases, for all units together. Along a traversal only one block of x changes, so with C x_base
 * in hand a candidate costs B operations a unit; the terms that do not depend on the base are prepared once a choice.
 */
export function createScorer(posterior: Posterior, target: Target, grid: readonly number[], objective: ScoredObjective) {
  const { basis } = posterior;
  const { block, latents, size } = basis;
  const withTarget = objective === "variance";
  const gain: Gain = withTarget ? varianceDrop : informationGain;
  const phi = new Float64Array(grid.length * block);
  grid.forEach((value, t) => {
    writeBlock(basis, value, phi, t * block);
  });
  const unitTerms = Array.from({ length: posterior.units }, (_, unit) =>
    prepareUnit(posterior, unit, target, phi, grid.length, withTarget),
  );
  const y = new Float64Array(size);
  const v = new Float64Array(size);
  const h = new Float64Array(size);
  const wC = new Float64Array(block);
  const wG = new Float64Array(block);

  return (base: Float64Array): BaseScores => {
    const x = features(basis, base);
    const moved = new Float64Array(latents * grid.length);
    let atBase = 0;
    for (let u = 0; u < posterior.units; u++) {
      const terms = unitTerms[u];
      project(posterior, u, x, y);
      const m = dot(posterior.mean, u * size, x, 0, size);
      const s2 = dot(x, 0, y, 0, size);
      let reach = 0;
      if (withTarget) {
        applyTarget(target, y, v);
        reach = dot(y, 0, v, 0, size);
        project(posterior, u, v, h);
      }
      atBase += terms.weight * gain(m, s2, reach);
      for (let d = 0; d < latents; d++) {
        const at = blockStart(basis, d);
        multiplyBlock(posterior.covariance, (u * size + at) * size + at, size, x, at, block, wC);
        if (withTarget) multiplyBlock(terms.reachBlocks, d * block * block, block, x, at, block, wG);
        const mFixed = m - dot(posterior.mean, u * size + at, x, at, block);
        const sFixed = s2 - 2 * dot(y, at, x, at, block) + dot(wC, 0, x, at, block);
        const rFixed = withTarget ? reach - 2 * dot(h, at, x, at, block) + dot(wG, 0, x, at, block) : 0;
        for (let i = 0; i < block; i++) {
          wC[i] = 2 * (y[at + i] - wC[i]);
          if (withTarget) wG[i] = 2 * (h[at + i] - wG[i]);
        }
        for (let t = 0; t < grid.length; t++) {
          const k = d * grid.length + t;
          const candidateM = mFixed + terms.mean[k];
          const candidateS2 = sFixed + dot(wC, 0, phi, t * block, block) + terms.variance[k];
          const candidateReach = withTarget ? rFixed + dot(wG, 0, phi, t * block, block) + terms.reach[k] : 0;
          moved[k] += terms.weight * gain(candidateM, candidateS2, candidateReach);
        }
      }
    }
    return { moved, base: atBase };
  };
}

interface UnitTerms {
  /** 1 / tr(C M) for `variance`, so that no unit dominates; 1 for `information`. */
  weight: number;
  /** μ_d'φ(t), φ(t)'C_dd φ(t), φ(t)'G_d φ(t): latents × grid. */
  mean: Float64Array;
  variance: Float64Array;
  reach: Float64Array;
  /** G_d = (C M C)_dd: latents × B × B. */
  reachBlocks: Float64Array;
}

function prepareUnit(
  posterior: Posterior,
  unit: number,
  target: Target,
  phi: Float64Array,
  steps: number,
  withTarget: boolean,
): UnitTerms {
  const { basis, covariance, mean } = posterior;
  const { block, latents, size } = basis;
  const terms: UnitTerms = {
    weight: withTarget ? 1 / targetVariance(target, posterior, unit) : 1,
    mean: new Float64Array(latents * steps),
    variance: new Float64Array(latents * steps),
    reach: new Float64Array(latents * steps),
    reachBlocks: withTarget ? reachBlocks(basis, covariance, unit, target) : new Float64Array(0),
  };
  for (let d = 0; d < latents; d++) {
    const at = blockStart(basis, d);
    for (let t = 0; t < steps; t++) {
      const k = d * steps + t;
      terms.mean[k] = dot(mean, unit * size + at, phi, t * block, block);
      for (let i = 0; i < block; i++) {
        const p = phi[t * block + i];
        terms.variance[k] += p * dot(covariance, (unit * size + at + i) * size + at, phi, t * block, block);
        if (withTarget) terms.reach[k] += p * dot(terms.reachBlocks, (d * block + i) * block, phi, t * block, block);
      }
    }
  }
  return terms;
}

/** Diagonal blocks of C M C, column by column of C's blocks. */
function reachBlocks(basis: Basis, covariance: Float64Array, unit: number, target: Target): Float64Array {
  const { block, latents, size } = basis;
  const out = new Float64Array(latents * block * block);
  const v = new Float64Array(size);
  for (let d = 0; d < latents; d++) {
    const at = blockStart(basis, d);
    for (let j = 0; j < block; j++) {
      const column = (unit * size + at + j) * size;
      applyTarget(target, covariance.subarray(column, column + size), v);
      for (let i = 0; i <= j; i++) {
        const value = dot(covariance, (unit * size + at + i) * size, v, 0, size);
        out[(d * block + i) * block + j] = value;
        out[(d * block + j) * block + i] = value;
      }
    }
  }
  return out;
}

/** w = A x over one B × B block of a matrix with the given row stride. */
function multiplyBlock(
  matrix: Float64Array,
  at: number,
  stride: number,
  x: Float64Array,
  xAt: number,
  block: number,
  w: Float64Array,
): void {
  for (let i = 0; i < block; i++) w[i] = dot(matrix, at + i * stride, x, xAt, block);
}
