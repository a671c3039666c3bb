/**
 * `node dist/test/bench/bound.js [seeds] [populations]`: how few trials any design could need, as JSON on stdout. Minutes, not seconds.
 *
 * For each unit the tuning is taken as known, with the prior that its own refit would learn from many trials; what is left to a
 * design is where the trials go. The expected error of √rate over the traversals after n trials is then tr M (Λ + n F(ξ))⁻¹, with F the
 * Fisher information of one trial averaged over the design ξ. Minimised over all mixtures ξ of some thousand faces (Yu 2010's multiplicative
 * algorithm; what its last round leaves open is taken off by the tangent there) it bounds what a design can reach that does not yet know the unit. For a population the mean of its units'
 * errors is minimised.
 */
import { drawBox, drawPrior } from "../../server/choice/candidates.ts";
import { refitterSettings } from "../../server/choice/decider.ts";
import { random } from "../../server/random.ts";
import { readExperiment } from "../../server/session/experiment-file.ts";
import { quantile } from "../../server/session/quantile.ts";
import { deciderSettings } from "../../server/session/settings.ts";
import { features } from "../../server/tuning/basis.ts";
import { priorBelief } from "../../server/tuning/belief.ts";
import { dot, factor, inverse, invertFactor } from "../../server/tuning/cholesky.ts";
import { expectedCount, information, slope } from "../../server/tuning/observation.ts";
import { startPrecision } from "../../server/tuning/posterior.ts";
import { createRefitter } from "../../server/tuning/refitter.ts";
import { curveGrid } from "../../server/tuning/report.ts";
import { createPopulation } from "../../sim/neurons/unit.ts";
import { trueRates } from "../../sim/study/curves.ts";
import { truthOf } from "../../sim/study/truth.ts";
import { drawCount } from "../tuning/draws.ts";

/** Trials from which a unit is known. */
const KNOWN_FROM = 4000;
const ROUNDS = 40;
/** Shares below it are left out. */
const NEGLIGIBLE = 1e-7;
const CHECKPOINTS = [30, 45, 60, 80, 100, 130, 160, 200, 250, 300];
const REFERENCE_TRIALS = 300;
const kinds = ["ramp", "axis", "bump", "saturating"] as const;
const population = { ramp: 7, axis: 5, bump: 4, saturating: 4 };
const seeds = Number(process.argv[2] ?? 8);
const populations = Number(process.argv[3] ?? 2);

const experiment = await readExperiment("protocols/experiments/one-to-one.yaml", {});
const settings = deciderSettings(experiment, ["unit"]);
const { latents } = experiment;
const { range } = experiment.choice;
const fitting = refitterSettings(settings);
const { basis } = fitting;
const P = basis.size;

/** What a design is judged by: a unit whose tuning is known. */
interface Problem {
  /** Faces' features, one after another. */
  x: Float64Array;
  /** Fisher information of a count at each face. */
  j: Float64Array;
  /** What the error is of, P × P. */
  target: Float64Array;
  precision: Float64Array;
}

function problemOf(kind: (typeof kinds)[number], seed: number, faces: Float64Array[]): Problem {
  const r = random(seed).split("bound", kind);
  const [unit] = createPopulation({ [kind]: 1 }, latents, r.split("population"));
  const truth = truthOf(experiment, unit, 0);
  const noise = r.split("counts");
  const refitter = createRefitter(fitting);
  for (let t = 0; t < KNOWN_FROM; t++) {
    const face = drawBox(latents, range, r.split("faces", t));
    const count = drawCount(truth.rateHz(face) * settings.windowS, 0, noise);
    refitter.learn({ latents: face, counts: Float64Array.of(count), logGain: 0 });
  }
  const start = startPrecision(basis, fitting.observation, fitting.prior);
  const belief = priorBelief(basis, fitting.observation, start, 0);
  const { outcome } = refitter.fit({ unit: 0, belief });
  if ("failed" in outcome) throw new Error(outcome.failed);
  const { mean, observation, dispersion, precision } = outcome.belief;
  const target = new Float64Array(P * P);
  const roots = trueRates(truth).flat().map(Math.sqrt);
  const middle = roots.reduce((a, b) => a + b, 0) / roots.length;
  const variance = roots.reduce((sum, v) => sum + (v - middle) ** 2, 0);
  const face = new Float64Array(latents);
  for (let d = 0; d < latents; d++) {
    for (const value of curveGrid) {
      face[d] = value;
      const own = features(basis, face);
      const eta = dot(own, mean);
      const rise = slope(observation, eta) ** 2 / (4 * expectedCount(observation, eta) * settings.windowS);
      addOuter(target, own, rise / variance);
    }
    face[d] = 0;
  }
  const candidates = new Float64Array(faces.length * P);
  const j = new Float64Array(faces.length);
  faces.forEach((one, k) => {
    const own = features(basis, one);
    candidates.set(own, k * P);
    j[k] = information(observation, dot(own, mean), dispersion);
  });
  return { x: candidates, j, target, precision };
}

function addOuter(a: Float64Array, x: Float64Array, weight: number): void {
  if (weight === 0) return;
  for (let i = 0; i < P; i++) {
    const w = weight * x[i];
    if (w !== 0) for (let k = 0; k < P; k++) a[i * P + k] += w * x[k];
  }
}

/** (Λ + n F(ξ))⁻¹. */
function covarianceOf({ x, j, precision }: Problem, shares: Float64Array, trials: number): Float64Array {
  const a = new Float64Array(P * P);
  for (let k = 0; k < shares.length; k++) addOuter(a, x.subarray(k * P, (k + 1) * P), trials * shares[k] * j[k]);
  for (let i = 0; i < P; i++) a[i * P + i] += precision[i];
  if (!factor(a, P)) throw new Error("bound: expected a positive definite information");
  const lower = new Float64Array(P * P);
  invertFactor(a, P, lower);
  return inverse(lower, P);
}

const times = (a: Float64Array, b: Float64Array): Float64Array => {
  const out = new Float64Array(P * P);
  for (let i = 0; i < P; i++)
    for (let k = 0; k < P; k++) {
      const v = a[i * P + k];
      if (v !== 0) for (let l = 0; l < P; l++) out[i * P + l] += v * b[k * P + l];
    }
  return out;
};
/** Mean over units; the trace of two symmetric matrices' product is their entries' inner product. */
const errorOf = (problems: readonly Problem[], shares: Float64Array, trials: number): number =>
  problems.reduce((sum, problem) => sum + dot(problem.target, covarianceOf(problem, shares, trials)), 0) /
  problems.length;

/** By how much the mean of several units' errors falls for a share of trials more at each face; 0 where `shares` leaves it out and `all` is not asked for. */
function gainsOf(problems: readonly Problem[], trials: number, shares: Float64Array, all = false): Float64Array {
  const gains = new Float64Array(shares.length);
  for (const problem of problems) {
    const c = covarianceOf(problem, shares, trials);
    const reach = times(times(c, problem.target), c);
    for (let k = 0; k < shares.length; k++) {
      if (shares[k] === 0 && !all) continue;
      const x = problem.x.subarray(k * P, (k + 1) * P);
      let sum = 0;
      for (let i = 0; i < P; i++) if (x[i] !== 0) sum += x[i] * dot(reach.subarray(i * P, (i + 1) * P), x);
      gains[k] += (trials * problem.j[k] * sum) / problems.length;
    }
  }
  return gains;
}

/** The shares of the best design for so many trials, for the mean of several units' errors. */
function best(problems: readonly Problem[], trials: number, from: Float64Array): Float64Array {
  const shares = from.slice();
  for (let round = 0; round < ROUNDS; round++) {
    const gains = gainsOf(problems, trials, shares);
    let total = 0;
    for (let k = 0; k < shares.length; k++) {
      shares[k] *= Math.sqrt(Math.max(gains[k], 0));
      total += shares[k];
    }
    for (let k = 0; k < shares.length; k++) {
      shares[k] /= total;
      if (shares[k] < NEGLIGIBLE) shares[k] = 0;
    }
  }
  return shares;
}

/** An error that no mixture of the candidates falls below: the error is convex in the shares, so that its tangent lies beneath it. */
function leastError(problems: readonly Problem[], trials: number, shares: Float64Array): number {
  const gains = gainsOf(problems, trials, shares, true);
  return errorOf(problems, shares, trials) - (Math.max(...gains) - dot(shares, gains));
}

/** Trials at which a falling curve, linear in logs between checkpoints, comes to a level; null: not by the last. */
function trialsTo(level: number, errors: readonly number[]): number | null {
  const i = errors.findIndex((error) => error <= level);
  if (i <= 0) return i === 0 ? CHECKPOINTS[0] : null;
  const [a, b, at] = [errors[i - 1], errors[i], level].map(Math.log);
  const [m, n] = [CHECKPOINTS[i - 1], CHECKPOINTS[i]].map(Math.log);
  return Math.exp(m + ((a - at) / (a - b)) * (n - m));
}

const draw = random("bound");
const drawn = {
  box: Array.from({ length: 500 }, (_, i) => drawBox(latents, range, draw.split("box", i))),
  prior: Array.from({ length: 100 }, (_, i) => drawPrior(latents, range, draw.split("prior", i))),
  corner: Array.from({ length: 200 }, (_, i) => {
    const r = draw.split("corner", i);
    return Float64Array.from({ length: latents }, () => (r.uniform() < 0.5 ? -range : range));
  }),
  traversal: Array.from({ length: latents * curveGrid.length }, (_, i) => {
    const face = new Float64Array(latents);
    face[Math.floor(i / curveGrid.length)] = curveGrid[i % curveGrid.length];
    return face;
  }),
};
const faces = [...drawn.box, ...drawn.prior, ...drawn.traversal, ...drawn.corner];
const uniformOver = (from: number, to: number) =>
  Float64Array.from({ length: faces.length }, (_, k) => (k >= from && k < to ? 1 / (to - from) : 0));
const boxDesign = uniformOver(0, drawn.box.length);
const [gridFrom, gridTo] = [
  drawn.box.length + drawn.prior.length,
  drawn.box.length + drawn.prior.length + drawn.traversal.length,
];
const gridDesign = uniformOver(gridFrom, gridTo);
const everything = uniformOver(0, faces.length);
function bound(problems: readonly Problem[]) {
  const randomError = errorOf(problems, boxDesign, REFERENCE_TRIALS);
  const gridError = errorOf(problems, gridDesign, REFERENCE_TRIALS);
  let shares: Float64Array = everything;
  const errors = CHECKPOINTS.map((trials) => {
    // What an optimum for fewer trials left out may come in again.
    shares = best(
      problems,
      trials,
      shares.map((v, k) => 0.9 * v + 0.1 * everything[k]),
    );
    return leastError(problems, trials, shares);
  });
  return {
    randomError,
    gridError,
    errors,
    forRandom: trialsTo(randomError, errors),
    forGrid: trialsTo(gridError, errors),
  };
}

const say = (what: string) => process.stderr.write(`bound: ${what}\n`);
const units = kinds.flatMap((kind) =>
  Array.from({ length: seeds }, (_, seed) => {
    say(`${kind} ${seed}`);
    return { kind, ...bound([problemOf(kind, seed, faces)]) };
  }),
);
const mixed = Array.from({ length: populations }, (_, p) => {
  say(`population ${p}`);
  return bound(
    kinds.flatMap((kind) =>
      Array.from({ length: population[kind] }, (_, u) => problemOf(kind, 1000 * (p + 1) + u, faces)),
    ),
  );
});
const median = (values: number[]) => quantile(values, 0.5);
const summarise = (own: ReturnType<typeof bound>[]) => ({
  of: own.length,
  randomError: median(own.map((one) => one.randomError)),
  gridError: median(own.map((one) => one.gridError)),
  bestErrors: Object.fromEntries(CHECKPOINTS.map((trials, i) => [trials, median(own.map((one) => one.errors[i]))])),
  forRandom: median(own.map((one) => one.forRandom ?? Number.POSITIVE_INFINITY)),
  forGrid: median(own.map((one) => one.forGrid ?? Number.POSITIVE_INFINITY)),
});
const groups = {
  units,
  ...Object.fromEntries(kinds.map((kind) => [kind, units.filter((unit) => unit.kind === kind)])),
  populations: mixed,
};
const summaries = Object.entries(groups).flatMap(([name, own]) => (own.length > 0 ? [[name, summarise(own)]] : []));
process.stdout.write(`${JSON.stringify(Object.fromEntries(summaries), null, 2)}\n`);
