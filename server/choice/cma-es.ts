import { EigenvalueDecomposition, Matrix } from "ml-matrix";
import type { Random } from "../random.ts";

/**
 * Covariance matrix adaptation, the evolution strategy by which faces are driven towards what a unit fires most to when no tuning
 * is assumed (as in XDream's later versions; Xiao & Kreiman 2020, Wang & Ponce 2022). (μ/μ_w, λ) with rank-one and rank-μ updates
 * and cumulative step-size control: Hansen 2016, arXiv 1604.00772, Fig. 6, with its default strategy parameters.
 */
export interface EvolutionStrategy {
  /** The next face of the generation, inside ±range. */
  ask(random: Random): Float64Array;
  /**
   * What a face was worth; higher is better. Once λ faces have been answered the next generation is bred from them, those among
   * them that were drawn before the last one included: answers come a few faces late.
   */
  tell(face: Float64Array, value: number): void;
  /** Where the strategy stands: its mean, clipped to ±range. */
  mean(): Float64Array;
  state(): EvolutionState;
  goOnFrom(state: EvolutionState): void;
}

/** Where an evolution strategy stands; matrices by rows. */
export interface EvolutionState {
  m: Float64Array;
  step: number;
  covariance: number[][];
  axes: number[][];
  scales: Float64Array;
  pathSigma: Float64Array;
  pathC: Float64Array;
  generation: number;
  answers: { face: Float64Array; value: number }[];
}

/** @param sigma first step size, in latent units */
export function createEvolutionStrategy(n: number, range: number, sigma = 1): EvolutionStrategy {
  const lambda = 4 + Math.floor(3 * Math.log(n));
  const mu = Math.floor(lambda / 2);
  const raw = Array.from({ length: mu }, (_, i) => Math.log((lambda + 1) / 2) - Math.log(i + 1));
  const sum = raw.reduce((a, b) => a + b, 0);
  const weights = raw.map((w) => w / sum);
  const muEff = 1 / weights.reduce((a, w) => a + w * w, 0);
  const cSigma = (muEff + 2) / (n + muEff + 5);
  const dSigma = 1 + 2 * Math.max(0, Math.sqrt((muEff - 1) / (n + 1)) - 1) + cSigma;
  const cC = (4 + muEff / n) / (n + 4 + (2 * muEff) / n);
  const c1 = 2 / ((n + 1.3) ** 2 + muEff);
  const cMu = Math.min(1 - c1, (2 * (0.25 + muEff + 1 / muEff - 2)) / ((n + 2) ** 2 + muEff));
  const expectedNorm = Math.sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n));

  let m: Float64Array = new Float64Array(n);
  let step = sigma;
  let covariance = Matrix.eye(n, n);
  let axes = Matrix.eye(n, n);
  let scales: Float64Array = new Float64Array(n).fill(1);
  let pathSigma: Float64Array = new Float64Array(n);
  let pathC: Float64Array = new Float64Array(n);
  let generation = 0;
  const answers: { face: Float64Array; value: number }[] = [];
  const clip = (z: number) => Math.min(range, Math.max(-range, z));

  /** C^{−1/2} v */
  const whiten = (v: Float64Array): Float64Array => {
    const rotated = Float64Array.from({ length: n }, (_, k) => {
      let dot = 0;
      for (let i = 0; i < n; i++) dot += axes.get(i, k) * v[i];
      return dot / scales[k];
    });
    return Float64Array.from({ length: n }, (_, i) => {
      let dot = 0;
      for (let k = 0; k < n; k++) dot += axes.get(i, k) * rotated[k];
      return dot;
    });
  };

  function breed(): void {
    generation++;
    const parents = answers
      .splice(0, lambda)
      .sort((a, b) => b.value - a.value)
      .slice(0, mu);
    const steps = parents.map(({ face }) => Float64Array.from(face, (z, i) => (z - m[i]) / step));
    const mean = Float64Array.from({ length: n }, (_, i) => steps.reduce((acc, y, k) => acc + weights[k] * y[i], 0));
    m = m.map((z, i) => z + step * mean[i]);
    const white = whiten(mean);
    const keepSigma = Math.sqrt(cSigma * (2 - cSigma) * muEff);
    pathSigma = pathSigma.map((p, i) => (1 - cSigma) * p + keepSigma * white[i]);
    const norm = Math.hypot(...pathSigma);
    const stalled = norm / Math.sqrt(1 - (1 - cSigma) ** (2 * generation)) >= (1.4 + 2 / (n + 1)) * expectedNorm;
    const keepC = stalled ? 0 : Math.sqrt(cC * (2 - cC) * muEff);
    pathC = pathC.map((p, i) => (1 - cC) * p + keepC * mean[i]);
    const lost = stalled ? cC * (2 - cC) : 0;
    const next = Matrix.zeros(n, n);
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++) {
        const spread = steps.reduce((acc, y, k) => acc + weights[k] * y[i] * y[j], 0);
        next.set(i, j, (1 - c1 - cMu + c1 * lost) * covariance.get(i, j) + c1 * pathC[i] * pathC[j] + cMu * spread);
      }
    covariance = next;
    step *= Math.exp((cSigma / dSigma) * (norm / expectedNorm - 1));
    const eigen = new EigenvalueDecomposition(covariance, { assumeSymmetric: true });
    axes = eigen.eigenvectorMatrix;
    scales = Float64Array.from(eigen.realEigenvalues, (v) => Math.sqrt(Math.max(v, 1e-12)));
  }

  return {
    ask(random) {
      const z = Float64Array.from(scales, (scale) => scale * random.normal());
      return Float64Array.from({ length: n }, (_, i) => {
        let y = 0;
        for (let k = 0; k < n; k++) y += axes.get(i, k) * z[k];
        return clip(m[i] + step * y);
      });
    },
    tell(face, value) {
      answers.push({ face, value });
      if (answers.length >= lambda) breed();
    },
    mean: () => m.map(clip),
    state: () => ({
      m,
      step,
      covariance: covariance.to2DArray(),
      axes: axes.to2DArray(),
      scales,
      pathSigma,
      pathC,
      generation,
      answers: [...answers],
    }),
    goOnFrom(state) {
      ({ m, step, scales, pathSigma, pathC, generation } = state);
      covariance = new Matrix(state.covariance);
      axes = new Matrix(state.axes);
      answers.splice(0, answers.length, ...state.answers);
    },
  };
}
