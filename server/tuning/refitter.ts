/** What refits units to all their trials, and holds these. */
import { random } from "../random.ts";
import { quantile } from "../session/quantile.ts";
import { type Basis, features } from "./basis.ts";
import { fitUnit, type UnitFit } from "./batch.ts";
import { atGain, priorBelief, type UnitBelief } from "./belief.ts";
import type { TrialData } from "./laplace.ts";
import { type Misfit, misfitOf } from "./misfit.ts";
import type { Link, Observation } from "./observation.ts";
import { offerPair, type PairFit } from "./pair.ts";
import { type PriorSettings, startPrecision } from "./posterior.ts";
import { cosineDistance, fitOneToOne, readFace, readOneToOne } from "./reading.ts";

/** What a trial taught all units. */
export interface Taught {
  latents: ArrayLike<number>;
  /** One a unit, NaN where it has none. */
  counts: Float64Array;
  logGain: number;
}

export interface RefitJob {
  unit: number;
  /** Where the search begins. */
  belief: UnitBelief;
}

export interface Refit {
  unit: number;
  /** The trials it knows: the first so many that were taught. */
  trials: number;
  /** What was learned, or why nothing was: the unit keeps what it learned a trial at a time. */
  outcome: Pick<UnitFit, "belief" | "dispersionInterval"> | { failed: string };
}

/** Whether a unit is outside the family of tuning, and a surface on two latents where its counts ask for one. */
export interface Examination {
  misfit: Misfit | null;
  pair: PairFit | null;
  /** Why the unit could not be examined; null where it was. */
  unexamined: string | null;
}

/** How well faces are read back from the counts of trials that the readers were not fitted to: the last of the session. */
export interface ReadBack {
  trials: number;
  units: number;
  /** Median cosine distance of the face read to the face shown: by Bayes' rule from all units, and from one unit a latent. */
  bayes: number;
  oneToOne: number;
}

/** Lowest and highest value of each latent in the faces that were learned from: beyond them curves are extrapolated. */
export interface ShownRange {
  low: number[];
  high: number[];
}

/** Trials kept back to read faces from: a tenth of them, and so many at most; below the fewest nothing is said. */
const KEPT_BACK = { share: 0.1, most: 40, fewest: 5 };

/** Holds the history and fits: pure but for what it has been taught. */
export interface Refitter {
  learn(taught: Taught): void;
  /** Trials before this one say nothing about the unit any more: it was sorted anew. */
  reset(unit: number): void;
  fit(job: RefitJob): Refit;
  examine(job: RefitJob): Examination;
  /** @param beliefs of all units, where fits begin; null where there are too few trials */
  readBack(beliefs: readonly UnitBelief[]): ReadBack | null;
  /** Null before the first trial. */
  shown(): ShownRange | null;
  state(): RefitterState;
  /**
   * Makes a refitter that was taught nothing yet one that stands where `state` was taken.
   *
   * @returns the last refit of each unit that had one: whoever asked for it may not have had it yet
   */
  goOnFrom(state: RefitterState): Refit[];
}

/** A fit without what all fits of its unit's link share. */
type FitState = Omit<UnitFit, "belief"> & Omit<UnitBelief, "basis" | "observation">;

/** All that a refitter holds, as plain data of its own. */
export interface RefitterState {
  /** Latents of all trials, one after another. */
  faces: Float64Array;
  offset: Float64Array;
  /** One a unit, NaN where a trial has no count. */
  counts: Float64Array[];
  since: Int32Array;
  /** By unit, then by link. */
  fits: (FitState | undefined | null)[][];
  /** The last refit of each unit: the link it came to, or why to none. */
  last: ({ trials: number; link: number } | { trials: number; failed: string } | null)[];
}

export interface RefitterSettings {
  basis: Basis;
  observation: Observation;
  /** Links to choose from, unit by unit. */
  links: readonly Link[];
  units: number;
  prior: PriorSettings;
  /** Trials after which what one taught counts for 1/e; null: for ever. */
  memoryTrials: number | null;
  /** Response window, seconds. */
  windowS: number;
}

/** Evidence in nats by which a link that loses is no longer tried, and trials before which none is given up. */
const GIVEN_UP = 10;
const TRIED_FOR = 60;

export function createRefitter({
  basis,
  observation,
  links,
  units,
  prior,
  memoryTrials,
  windowS,
}: RefitterSettings): Refitter {
  const models = links.map((link) => {
    const own = { ...observation, link };
    return { observation: own, startPrecision: startPrecision(basis, own, prior) };
  });
  /** The last fit of each unit under each link; null where the link has been given up. */
  const fits: (UnitFit | undefined | null)[][] = Array.from({ length: units }, () => links.map(() => undefined));
  /** What each unit was told last. */
  const last: RefitterState["last"] = Array.from({ length: units }, () => null);
  let capacity = 256;
  let x = new Float64Array(capacity * basis.size);
  let offset = new Float64Array(capacity);
  const counts = Array.from({ length: units }, () => new Float64Array(capacity));
  const since = new Int32Array(units);
  let trials = 0;
  const faces: ArrayLike<number>[] = [];

  const latestOf = (unit: number): Refit | null => {
    const told = last[unit];
    if (told === null) return null;
    const { trials: known } = told;
    if ("failed" in told) return { unit, trials: known, outcome: { failed: told.failed } };
    const { belief, dispersionInterval } = fits[unit][told.link]!;
    return { unit, trials: known, outcome: { belief, dispersionInterval } };
  };

  const grown = (array: Float64Array<ArrayBuffer>, length: number) => {
    const larger = new Float64Array(length);
    larger.set(array);
    return larger;
  };

  const startOf = ({ observation: { link } }: UnitBelief) =>
    models.find((model) => model.observation.link === link)!.startPrecision;

  /** The trials that say something about a unit, and its counts in them; all but the last few. */
  const historyOf = (unit: number, keptBack = 0) => {
    const from = since[unit];
    const n = Math.max(0, trials - keptBack - from);
    const weight = Float64Array.from({ length: n }, (_, i) =>
      memoryTrials === null ? 1 : Math.exp(-(n - 1 - i) / memoryTrials),
    );
    const data: TrialData = {
      x: x.subarray(from * basis.size, (from + n) * basis.size),
      offset: offset.subarray(from, from + n),
      weight,
      trials: n,
    };
    return { data, own: counts[unit].subarray(from, from + n) };
  };

  function learn({ latents, counts: own, logGain }: Taught) {
    if (trials === capacity) {
      capacity *= 2;
      x = grown(x, capacity * basis.size);
      offset = grown(offset, capacity);
      for (let u = 0; u < units; u++) counts[u] = grown(counts[u] as Float64Array<ArrayBuffer>, capacity);
    }
    features(basis, latents, x.subarray(trials * basis.size, (trials + 1) * basis.size));
    offset[trials] = logGain;
    for (let u = 0; u < units; u++) counts[u][trials] = own[u];
    faces.push(latents);
    trials++;
  }

  return {
    learn,
    reset(unit) {
      since[unit] = trials;
      fits[unit].fill(undefined);
      last[unit] = null;
    },
    fit({ unit, belief }) {
      const { data, own } = historyOf(unit);
      const failures: string[] = [];
      models.forEach((model, l) => {
        const last = fits[unit][l];
        if (last === null) return;
        const known = last?.belief ?? (belief.observation.link === model.observation.link ? belief : null);
        const fitted = attempt(() =>
          fitUnit(basis, model.observation, data, own, {
            belief: known ?? priorBelief(basis, model.observation, model.startPrecision, 0),
            startPrecision: model.startPrecision,
          }),
        );
        if ("failed" in fitted) failures.push(`${model.observation.link} link: ${fitted.failed}`);
        fits[unit][l] = "failed" in fitted ? undefined : fitted.value;
      });
      const best = fits[unit].reduce<UnitFit | null>(
        (a, b) => (a && (!b || a.logEvidence >= b.logEvidence) ? a : (b ?? null)),
        null,
      );
      last[unit] = best ? { trials, link: fits[unit].indexOf(best) } : { trials, failed: failures.join("; ") };
      if (!best) return latestOf(unit)!;
      if (data.trials >= TRIED_FOR && failures.length === 0)
        fits[unit] = fits[unit].map((fit) => (fit && fit.logEvidence > best.logEvidence - GIVEN_UP ? fit : null));
      return latestOf(unit)!;
    },
    examine({ unit, belief }) {
      const { data, own } = historyOf(unit);
      const examined = attempt(() => {
        const misfit = misfitOf(belief, data, own, random("misfit").split(unit, trials));
        const asksForPair = misfit !== null && misfit.pair !== null && misfit.warning !== null;
        return { misfit, pair: asksForPair ? offerPair(belief, startOf(belief), data, own, windowS) : null };
      });
      return "failed" in examined
        ? { misfit: null, pair: null, unexamined: examined.failed }
        : { ...examined.value, unexamined: null };
    },
    readBack(beliefs) {
      const kept = Math.min(KEPT_BACK.most, Math.floor(trials * KEPT_BACK.share));
      if (kept < KEPT_BACK.fewest) return null;
      const readable: number[] = [];
      const fitted: UnitBelief[] = [];
      beliefs.forEach((belief, unit) => {
        const { data, own } = historyOf(unit, kept);
        const fit = attempt(() =>
          fitUnit(basis, belief.observation, data, own, { belief, startPrecision: startOf(belief) }),
        );
        if ("failed" in fit) return;
        readable.push(unit);
        fitted.push(fit.value.belief);
      });
      if (readable.length === 0) return null;
      // What a unit fired before it was sorted anew was another's.
      const countsOf = (t: number) => readable.map((unit) => (t < since[unit] ? Number.NaN : counts[unit][t]));
      const atUnitGain = (t: number) => countsOf(t).map((count) => count / Math.exp(offset[t]));
      const before = Array.from({ length: trials - kept }, (_, t) => t);
      const readers = fitOneToOne(faces.slice(0, trials - kept), before.map(atUnitGain));
      const read = Array.from({ length: kept }, (_, k) => {
        const t = trials - kept + k;
        const distance = (face: ArrayLike<number>) => cosineDistance(face, faces[t]);
        return {
          bayes: distance(
            readFace(
              fitted.map((belief) => atGain(belief, offset[t])),
              countsOf(t),
              random("reading").split(t),
            ).latents,
          ),
          oneToOne: distance(readOneToOne(readers, atUnitGain(t))),
        };
      });
      const median = (of: "bayes" | "oneToOne") =>
        quantile(
          read.map((r) => r[of]),
          0.5,
        );
      return { trials: kept, units: readable.length, bayes: median("bayes"), oneToOne: median("oneToOne") };
    },
    shown() {
      if (trials === 0) return null;
      const extreme = (of: (a: number, b: number) => number) =>
        Array.from(faces[0], (_, d) => faces.reduce((most, face) => of(most, face[d]), faces[0][d]));
      return { low: extreme(Math.min), high: extreme(Math.max) };
    },
    state: () => ({
      faces: Float64Array.from(faces.flatMap((face) => Array.from(face))),
      offset: offset.slice(0, trials),
      counts: counts.map((own) => own.slice(0, trials)),
      since: since.slice(),
      fits: fits.map((own) => own.map((fit) => fit && withoutShared(fit))),
      last: [...last],
    }),
    goOnFrom(state) {
      for (let t = 0; t < state.offset.length; t++)
        learn({
          latents: state.faces.slice(t * basis.latents, (t + 1) * basis.latents),
          counts: Float64Array.from(state.counts, (own) => own[t]),
          logGain: state.offset[t],
        });
      since.set(state.since);
      state.fits.forEach((own, unit) => {
        fits[unit] = own.map((fit, l) => fit && withShared(fit, basis, models[l].observation));
      });
      last.splice(0, units, ...state.last);
      return last.flatMap((_, unit) => latestOf(unit) ?? []);
    },
  };
}

const withoutShared = ({ belief: { mean, covariance, precision, dispersion }, ...fit }: UnitFit): FitState => ({
  ...fit,
  mean,
  covariance,
  precision,
  dispersion,
});

const withShared = (
  { mean, covariance, precision, dispersion, ...fit }: FitState,
  basis: Basis,
  observation: Observation,
): UnitFit => ({ ...fit, belief: { basis, observation, mean, covariance, precision, dispersion } });

/** What is computed, or why it can't be. A unit whose numbers break must not end a session. */
function attempt<T>(compute: () => T): { value: T } | { failed: string } {
  try {
    return { value: compute() };
  } catch (error) {
    return { failed: (error as Error).message };
  }
}
