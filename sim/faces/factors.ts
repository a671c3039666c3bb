import { random } from "../../server/random.ts";

/**
 * What varies between heads: independent, each uniform on its range. The ranges were chosen so that every factor's share
 * of the pixels' variance is within several-fold of the others', since a β-VAE codes strong factors first and weak ones
 * never. Angles in radians; the rest has no unit: the two ends are named.
 */
export const factors = [
  { name: "gender", range: [0, 1], ends: ["female", "male"] },
  { name: "age", range: [0, 1], ends: ["young", "old"] },
  { name: "skin_tone", range: [0, 1], ends: ["light", "dark"] },
  { name: "hair_length", range: [0, 1], ends: ["short", "long"] },
  { name: "hair_colour", range: [0, 1], ends: ["black", "blond"] },
  { name: "weight", range: [-1, 1], ends: ["thin", "round"] },
  { name: "smile", range: [-1, 1], ends: ["frown", "smile"] },
  { name: "eyes", range: [-1, 1], ends: ["narrow, brows down", "wide, brows up"] },
  { name: "yaw_rad", range: [-0.21, 0.21], ends: ["left", "right"] },
  { name: "pitch_rad", range: [-0.18, 0.18], ends: ["up", "down"] },
  { name: "light_azimuth_rad", range: [-0.45, 0.45], ends: ["from the left", "from the right"] },
  { name: "background", range: [0, 1], ends: ["blue", "green"] },
] as const;

export type FactorName = (typeof factors)[number]["name"];
export type Factors = Record<FactorName, number>;

/** The factors of head `index` of the set with this seed: a function of (seed, index) alone. */
export function drawFactors(seed: number, index: number): Factors {
  const generator = random(seed).split("face", index);
  const drawn = {} as Factors;
  for (const { name, range } of factors) drawn[name] = range[0] + (range[1] - range[0]) * generator.uniform();
  return drawn;
}

/** The factors of a set's heads by name, each head's in order. */
export function factorsByName({ count, seed }: { count: number; seed: number }): Map<FactorName, Float64Array> {
  const drawn = Array.from({ length: count }, (_, i) => drawFactors(seed, i));
  return new Map(factors.map(({ name }) => [name, Float64Array.from(drawn, (head) => head[name])]));
}
