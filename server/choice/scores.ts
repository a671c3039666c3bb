import { blockStart, features, writeBlock } from "../tuning/basis.ts";
import { dot, foresee, type Posterior, type Prospect, project } from "../tuning/posterior.ts";
import type { Reach } from "./reach.ts";
import { applyTarget } from "./target.ts";

/** Seven-point Gauss–Hermite nodes and weights for N(0, 1) (probabilists' form). */
const HERMITE: readonly (readonly [number, number])[] = [
  [-3.750439717725742, 0.0005482688559722185],
  [-2.366759410734541, 0.0307571239675865],
  [-1.1544053947399682, 0.2401231786050126],
  [0, 0.4571428571428573],
  [1.1544053947399682, 0.2401231786050126],
  [2.366759410734541, 0.0307571239675865],
  [3.750439717725742, 0.0005482688559722185],
];

/**
 * Expected information in nats of one Poisson count about its log mean ρ ~ N(m, s²): ½ E[log(1 + s² e^ρ)], by seven-point
 * Gauss–Hermite quadrature. m is in log counts a window, s² its square. Within 2 % of the exact mutual information where checked (m = log 3, s² = 1: 0.738 of 0.748).
 */
export function informationGain(m: number, s2: number): number {
  const s = Math.sqrt(s2);
  let sum = 0;
  for (const [node, weight] of HERMITE) sum += weight * Math.log1p(s2 * Math.exp(m + s * node));
  return 0.5 * sum;
}

/**
 * Expected drop of a unit's target variance, x'CMCx · J / (1 + s² J).
 *
 * @param information J = e^m, the expected count
 * @param s2 s² = x'Cx
 * @param reach x'CMCx
 */
export const varianceDrop = (information: number, s2: number, reach: number): number =>
  (reach * information) / (1 + s2 * information);

/** Scores of every traversal through one base: latents × grid, and of the base itself. */
export interface BaseScores {
  moved: Float64Array;
  base: number;
}

/** What of a base's scores depends on the covariances alone. */
export interface ProjectedBase {
  latents: Float64Array;
  prospect: Prospect;
  /** h_u = C_u M C_u x: units × P; and x'C_u M C_u x, one a unit. Zero where there is no target set. */
  h: Float64Array;
  drop: Float64Array;
}

/**
 * Scores traversals through bases, for all units together. Along a traversal only one block of x changes, so with C x_base
 * in hand a candidate costs B operations a unit. What depends on the covariances alone is prepared here and in `project`;
 * `score` takes the means as they are when it is called, so that preparation need not wait for the last count.
 */
export interface Scorer {
  /** @param base latents of a face, length D */
  project(base: Float64Array): ProjectedBase;
  score(base: ProjectedBase): BaseScores;
}

/** @param reach of the same posterior; null for objectives that have no target set */
export function createScorer(posterior: Posterior, reach: Reach | null, grid: readonly number[]): Scorer {
  const { basis, covariance, mean, units } = posterior;
  const { block, latents, size } = basis;
  const steps = grid.length;
  const phi = new Float64Array(steps * block);
  grid.forEach((value, t) => {
    writeBlock(basis, value, phi, t * block);
  });
  const { variance, reach: reachTerms } = quadraticTerms(posterior, reach, phi, steps);
  const v = new Float64Array(size);
  const slopeC = new Float64Array(block);
  const slopeG = new Float64Array(block);

  return {
    project(base) {
      const prospect = foresee(posterior, features(basis, base));
      const h = new Float64Array(reach ? units * size : 0);
      const drop = new Float64Array(units);
      if (reach)
        for (let u = 0; u < units; u++) {
          const y = prospect.y.subarray(u * size, (u + 1) * size);
          drop[u] = dot(y, 0, applyTarget(reach.target, y, v), 0, size);
          project(posterior, u, v, h.subarray(u * size, (u + 1) * size));
        }
      return { latents: base, prospect, h, drop };
    },

    score({ prospect, h, drop }) {
      const { x, y } = prospect;
      const moved = new Float64Array(latents * steps);
      let atBase = 0;
      for (let u = 0; u < units; u++) {
        const own = u * size;
        const m = dot(mean, own, x, 0, size);
        const s2 = prospect.variance[u];
        // No unit dominates: a drop in variance counts by the share of the unit's own variance.
        const weight = reach ? 1 / reach.total[u] : 1;
        atBase += reach ? weight * varianceDrop(Math.exp(m), s2, drop[u]) : informationGain(m, s2);
        for (let d = 0; d < latents; d++) {
          const at = blockStart(basis, d);
          // x'Ax along the traversal: with x = rest + φ(t), its value at rest, its slope, and the prepared square term.
          const c = (own + at) * size + at;
          const g = (u * latents + d) * block * block;
          let m0 = m;
          let s0 = s2;
          let r0 = drop[u];
          for (let i = 0; i < block; i++) {
            const xi = x[at + i];
            let cx = 0;
            for (let j = 0; j < block; j++) cx += covariance[c + i * size + j] * x[at + j];
            m0 -= mean[own + at + i] * xi;
            s0 += xi * (cx - 2 * y[own + at + i]);
            slopeC[i] = 2 * (y[own + at + i] - cx);
            if (reach) {
              let gx = 0;
              for (let j = 0; j < block; j++) gx += reach.blocks[g + i * block + j] * x[at + j];
              r0 += xi * (gx - 2 * h[own + at + i]);
              slopeG[i] = 2 * (h[own + at + i] - gx);
            }
          }
          for (let t = 0; t < steps; t++) {
            const k = (u * latents + d) * steps + t;
            let mt = m0;
            let s = s0 + variance[k];
            let r = r0 + reachTerms[k];
            for (let i = 0; i < block; i++) {
              const p = phi[t * block + i];
              mt += mean[own + at + i] * p;
              s += slopeC[i] * p;
              r += slopeG[i] * p;
            }
            moved[d * steps + t] += reach ? weight * varianceDrop(Math.exp(mt), s, r) : informationGain(mt, s);
          }
        }
      }
      return { moved, base: atBase };
    },
  };
}

/** φ(t)'C_dd φ(t) and φ(t)'G_d φ(t): units × latents × grid. */
function quadraticTerms(
  { basis, covariance, units }: Posterior,
  reach: Reach | null,
  phi: Float64Array,
  steps: number,
) {
  const { block, latents, size } = basis;
  const variance = new Float64Array(units * latents * steps);
  const reachTerms = new Float64Array(units * latents * steps);
  let k = 0;
  for (let u = 0; u < units; u++)
    for (let d = 0; d < latents; d++) {
      const at = blockStart(basis, d);
      const c = (u * size + at) * size + at;
      const g = (u * latents + d) * block * block;
      for (let t = 0; t < steps; t++, k++)
        for (let i = 0; i < block; i++) {
          const p = phi[t * block + i];
          variance[k] += p * dot(covariance, c + i * size, phi, t * block, block);
          if (reach) reachTerms[k] += p * dot(reach.blocks, g + i * block, phi, t * block, block);
        }
    }
  return { variance, reach: reachTerms };
}
