import type { Simulation } from "../../protocols/experiment.ts";

/** Where e^(−lag / memory) is below a thousandth, a face is forgotten. */
const FORGOTTEN_AFTER = 7;

/**
 * What is left of the evoked response to a face after those before it, for each face in turn:
 * 1 − suppression · (1 − Π_k (1 − e^(−(k − 1)/memory) e^(−d_k²/(2 width²)))), where d_k is the distance to the face k presentations ago.
 * 1 for a face unlike all others, 1 − suppression for one that comes twice in a row. By the face and not by how strongly a unit
 * answered it (Liu, Murray & Jagadeesh 2009 found no such dependence in inferotemporal cortex).
 */
export function createAdaptation({
  suppression,
  memoryFaces,
  width,
}: NonNullable<Simulation["adaptation"]>): (latents: ArrayLike<number>) => number {
  const most = Math.ceil(FORGOTTEN_AFTER * memoryFaces);
  /** The latest first. */
  const seen: Float64Array[] = [];
  return (latents) => {
    let fresh = 1;
    seen.forEach((face, k) => {
      const square = face.reduce((sum, z, d) => sum + (z - latents[d]) ** 2, 0);
      fresh *= 1 - Math.exp(-k / memoryFaces - square / (2 * width ** 2));
    });
    seen.unshift(Float64Array.from(latents));
    if (seen.length > most) seen.pop();
    return 1 - suppression * (1 - fresh);
  };
}
