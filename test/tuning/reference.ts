import { readFileSync } from "node:fs";

/** SciPy's figures; test/peers/tuning_reference.py makes them. */
export const reference = JSON.parse(
  readFileSync(new URL("../fixtures/tuning-reference.json", import.meta.url), "utf8"),
) as {
  settings: {
    latents: number;
    functions: number;
    lengthScale: number;
    halfWidth: number;
    priorCount: number;
    biasSd: number;
    linearSd: number;
    smoothSd: number;
  };
  faces: number[][];
  counts: number[];
  features: number[];
  oneTrial: { count: number; mean: number[]; covariance: number[] }[];
  allTrials: { mean: number[]; sd: number[] };
  lambertWExp: [number, number][];
  lambertwScipy: [number, number][];
  information: [number, number, number][];
};
