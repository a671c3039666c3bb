import type { Random } from "../../server/random.ts";
import { type Basis, blockStart } from "../../server/tuning/basis.ts";
import type { FitStart } from "../../server/tuning/batch.ts";
import { priorMean } from "../../server/tuning/belief.ts";
import type { Observation } from "../../server/tuning/observation.ts";

/** A count with mean λ and variance λ + φ λ². */
export function drawCount(mean: number, dispersion: number, r: Random): number {
  const rate = dispersion > 0 ? mean * dispersion * drawGamma(1 / dispersion, r) : mean;
  let count = -1;
  // How many unit-rate intervals fit into `rate`.
  for (let used = 0; used < rate; count++) used += -Math.log(1 - r.uniform());
  return Math.max(count, 0);
}

/** Marsaglia & Tsang 2000. */
function drawGamma(shape: number, r: Random): number {
  if (shape < 1) return drawGamma(shape + 1, r) * (1 - r.uniform()) ** (1 / shape);
  const d = shape - 1 / 3;
  for (;;) {
    const x = r.normal();
    const v = (1 + x / Math.sqrt(9 * d)) ** 3;
    if (v > 0 && Math.log(1 - r.uniform()) < (x * x) / 2 + d - d * v + d * Math.log(v)) return d * v;
  }
}

/** The prior of the shipped experiments as a place to start a fit from. */
export function priorStart(
  basis: Basis,
  observation: Observation,
  sds = { bias: 1, linear: 0.3, smooth: 0.4 },
): FitStart {
  const startPrecision = new Float64Array(basis.size);
  startPrecision[0] = 1 / sds.bias ** 2;
  for (let d = 0; d < basis.latents; d++)
    for (let j = 0; j < basis.block; j++)
      startPrecision[blockStart(basis, d) + j] = 1 / ((j === 0 ? sds.linear : sds.smooth) ** 2 * basis.unitVariance[j]);
  const covariance = new Float64Array(basis.size ** 2);
  startPrecision.forEach((p, i) => {
    covariance[i * basis.size + i] = 1 / p;
  });
  return {
    belief: {
      basis,
      observation,
      mean: priorMean(basis, observation),
      covariance,
      precision: startPrecision.slice(),
      dispersion: 0,
    },
    startPrecision,
  };
}
