import type { Random } from "../random.ts";
import { blockStart, writeBlock } from "../tuning/basis.ts";
import { rowStart } from "../tuning/kernels/kernels.ts";
import { expectedCount } from "../tuning/observation.ts";
import { covarianceOf, type Posterior } from "../tuning/posterior.ts";
import { drawBox, traversalGrid } from "./candidates.ts";
import { NONE_ALLOWED, type PreparedChoice, plainReason, type Situation } from "./choice.ts";
import { drawAllowed } from "./constraints.ts";

/** Steps of the grid on which a peak is looked for along each latent. */
const STEPS = 25;
const STARTS = 4;

/**
 * Thompson sampling of the face that a set of units fires most to: one tuning of each unit is drawn from its posterior, and the best
 * face for those is shown. Faces are so chosen as often as they are likely to be the best (Thompson 1933; Russo et al. 2018).
 * One unit's additive tuning has its peak where each latent's curve has, found exactly on the grid; a set of units is climbed
 * latent by latent from several starts, each unit's expected count divided by what it fires to the face at the origin.
 */
export function preparePeak({ outlook, weights, allowed }: Situation, range: number, random: Random): PreparedChoice {
  const { posterior } = outlook;
  const { latents } = posterior.basis;
  const units = Array.from(weights.keys()).filter((u) => weights[u] > 0);
  const grid = traversalGrid(range, STEPS);
  const deviations = units.map((u) => drawDeviation(posterior, u, random.split("draw", u)));
  const starts = Array.from({ length: STARTS }, (_, i) => drawBox(latents, range, random.split("start", i)));
  return () => {
    const curves = units.map((u, i) => curvesOf(posterior, u, deviations[i], grid));
    const value = (etas: Float64Array) =>
      units.reduce(
        (sum, u, i) =>
          sum +
          (weights[u] * expectedCount(posterior.observations[u], etas[i])) /
            expectedCount(posterior.observations[u], posterior.mean[u * posterior.stride]),
        0,
      );
    let best: { steps: Int32Array; value: number } | undefined;
    for (const start of units.length === 1 ? starts.slice(0, 1) : starts) {
      const found = climb(curves, start, grid, value);
      const face = faceOf(found.steps, grid);
      if ((!best || found.value > best.value) && allowed(face)) best = found;
    }
    const face = best
      ? faceOf(best.steps, grid)
      : drawAllowed(allowed, (r) => drawBox(latents, range, r), random.split("fallback"));
    return {
      latents: face,
      reason: {
        ...plainReason("peak", allowed(face) ? null : NONE_ALLOWED),
        value: best?.value ?? null,
        candidates: latents * STEPS,
      },
    };
  };
}

const faceOf = (steps: Int32Array, grid: readonly number[]): Float64Array => Float64Array.from(steps, (t) => grid[t]);

/** Latent by latent to the best step, until nothing changes. */
function climb(
  curves: { origin: number; along: Float64Array[] }[],
  start: Float64Array,
  grid: readonly number[],
  value: (etas: Float64Array) => number,
) {
  const latents = start.length;
  const nearest = (z: number) => Math.round(((z - grid[0]) / (grid[grid.length - 1] - grid[0])) * (grid.length - 1));
  const steps = Int32Array.from(start, nearest);
  const etas = Float64Array.from(curves, ({ origin, along }) =>
    along.reduce((sum, curve, d) => sum + curve[steps[d]], origin),
  );
  let now = value(etas);
  for (let sweep = 0, changed = true; changed && sweep < 20; sweep++) {
    changed = false;
    for (let d = 0; d < latents; d++) {
      const from = steps[d];
      let top = from;
      for (let t = 0; t < grid.length; t++) {
        if (t === from) continue;
        const there = value(etas.map((eta, i) => eta + curves[i].along[d][t] - curves[i].along[d][from]));
        if (there > now) [now, top] = [there, t];
      }
      if (top === from) continue;
      curves.forEach(({ along }, i) => {
        etas[i] += along[d][top] - along[d][from];
      });
      steps[d] = top;
      changed = true;
    }
  }
  return { steps, value: now };
}

/** η of a unit along each latent, with weights μ + deviation. */
function curvesOf(posterior: Posterior, u: number, deviation: Float64Array, grid: readonly number[]) {
  const { basis, mean, stride } = posterior;
  const { block, latents } = basis;
  const weight = (i: number) => mean[u * stride + i] + deviation[i];
  const phi = new Float64Array(block);
  const along = Array.from({ length: latents }, () => new Float64Array(grid.length));
  grid.forEach((z, t) => {
    writeBlock(basis, z, phi);
    for (let d = 0; d < latents; d++) {
      const at = blockStart(basis, d);
      for (let i = 0; i < block; i++) along[d][t] += weight(at + i) * phi[i];
    }
  });
  return { origin: weight(0), along };
}

/** A draw from N(0, C): L ε with C = L L' (Cholesky). Where rounding has left C without a root, that direction stays 0. */
function drawDeviation(posterior: Posterior, u: number, random: Random): Float64Array {
  const { size } = posterior.basis;
  const root = covarianceOf(posterior, u).slice();
  const out = new Float64Array(size);
  for (let i = 0; i < size; i++) {
    const row = rowStart(i);
    const epsilon = random.normal();
    for (let j = 0; j <= i; j++) {
      const other = rowStart(j);
      let sum = root[row + j];
      for (let k = 0; k < j; k++) sum -= root[row + k] * root[other + k];
      if (i === j) root[row + i] = Math.sqrt(Math.max(sum, 0));
      else root[row + j] = root[other + j] > 0 ? sum / root[other + j] : 0;
    }
    out[i] = epsilon;
  }
  for (let i = size - 1; i >= 0; i--) {
    let sum = 0;
    for (let k = 0; k <= i; k++) sum += root[rowStart(i) + k] * out[k];
    out[i] = sum;
  }
  return out;
}
