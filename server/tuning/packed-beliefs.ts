/** What is believed of all units, in a few arrays that can be handed to another thread without a copy. */

import type { Basis } from "./basis.ts";
import type { UnitBelief } from "./belief.ts";
import { packedLength, rowStart } from "./kernels/kernels.ts";
import type { Observation } from "./observation.ts";
import { covarianceOf, type Posterior } from "./posterior.ts";

export interface PackedBeliefs {
  observations: Observation[];
  /** U × P. */
  mean: Float64Array<ArrayBuffer>;
  precision: Float64Array<ArrayBuffer>;
  /** U × the packed lower triangle. */
  covariance: Float64Array<ArrayBuffer>;
  dispersion: Float64Array<ArrayBuffer>;
}

export function packBeliefs(posterior: Posterior): PackedBeliefs {
  const { basis, units, stride } = posterior;
  const mean = new Float64Array(units * basis.size);
  for (let u = 0; u < units; u++)
    mean.set(posterior.mean.subarray(u * stride, u * stride + basis.size), u * basis.size);
  const length = packedLength(basis.size);
  const covariance = new Float64Array(units * length);
  for (let u = 0; u < units; u++) covariance.set(covarianceOf(posterior, u), u * length);
  return {
    observations: [...posterior.observations],
    mean,
    precision: Float64Array.from(posterior.precision),
    covariance,
    dispersion: Float64Array.from(posterior.dispersion),
  };
}

export function unpackBelief(packed: PackedBeliefs, basis: Basis, unit: number): UnitBelief {
  const { size } = basis;
  const length = packedLength(size);
  const covariance = new Float64Array(size * size);
  for (let i = 0, row = unit * length; i < size; row = unit * length + rowStart(++i))
    for (let j = 0; j <= i; j++) covariance[i * size + j] = covariance[j * size + i] = packed.covariance[row + j];
  return {
    basis,
    observation: packed.observations[unit],
    mean: packed.mean.slice(unit * size, (unit + 1) * size),
    covariance,
    precision: packed.precision.slice(unit * size, (unit + 1) * size),
    dispersion: packed.dispersion[unit],
  };
}
