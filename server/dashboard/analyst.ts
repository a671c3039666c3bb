/**
 * What dashboards show of the units, computed beside the loop from beliefs that the decider hands over: curves of all units, the
 * page of one, the face read back from a trial's counts. Nothing here changes the session.
 */
import type { Experiment } from "../../protocols/experiment.ts";
import type { DashboardInterval, EstimatesMessage } from "../../protocols/wire/dashboard.ts";
import { bytesOf } from "../../protocols/wire/message.ts";
import type { Beliefs, DeciderSettings } from "../choice/decider.ts";
import { refitterSettings } from "../choice/decider.ts";
import { logExposureOf } from "../choice/replay.ts";
import { random } from "../random.ts";
import { planWarnings } from "../session/timing.ts";
import { features } from "../tuning/basis.ts";
import { atGain, believedAt, type UnitBelief } from "../tuning/belief.ts";
import { dot } from "../tuning/cholesky.ts";
import { glanceAt } from "../tuning/glance.ts";
import { Z95 } from "../tuning/interval.ts";
import type { Misfit } from "../tuning/misfit.ts";
import { expectedCount } from "../tuning/observation.ts";
import { unpackBelief } from "../tuning/packed-beliefs.ts";
import { cosineDistance, readFace } from "../tuning/reading.ts";
import { createRefitter } from "../tuning/refitter.ts";
import { curveGrid, populationAlignment, reportUnit, type UnitReport } from "../tuning/report.ts";

/** A usable trial as the dashboard keeps it. */
export interface SeenTrial {
  /** As they explain the counts: read back where they are. */
  latents: Float64Array;
  counts: Float64Array;
  /** Length of its response window. */
  windowS: number;
}

export interface StripStop {
  t: number;
  latents: Float64Array;
  rateHz: DashboardInterval;
}

export interface UnitLook {
  report: UnitReport;
  /** From −3 to 3 along the preferred axis. */
  strip: StripStop[];
}

export interface ReadBackFace {
  latents: Float64Array;
  distance: number;
  cells: number;
}

export interface Analyst {
  learn(trials: readonly SeenTrial[]): void;
  reset(unit: number): void;
  /** Takes over what is believed now and says it at a glance; the population's alignment is as it was when `withPopulation` was last asked. */
  take(beliefs: Beliefs, withPopulation: boolean): Omit<EstimatesMessage, "op">;
  /** The face that a trial's counts speak for, by what was believed when `take` was last called; null before that. */
  read(seen: SeenTrial, trial: number): ReadBackFace | null;
  look(unit: number): UnitLook | null;
  /** Looks for what the model of one more unit's tuning leaves out; the unit, or null where none is due. */
  examineNext(): number | null;
  /** What in an experiment can't work out as it was meant: trying constraints takes tenths of a second. */
  warnings(experiment: Experiment): string[];
}

/** Faces are read from so many units at most, those whose tuning says most: more would take longer than a trial. */
const READERS = 48;
/** A unit is examined again when it has seen so many times as many trials. */
const EXAMINED_AGAIN = 1.3;
const STRIP = [-3, -2, -1, 0, 1, 2, 3];

export function createAnalyst(settings: DeciderSettings): Analyst {
  const { units, latents, windowS } = settings;
  const { range } = settings.choice;
  const own = refitterSettings(settings);
  const { basis } = own;
  const refitter = createRefitter(own);
  let known: Beliefs | null = null;
  let strength = new Float64Array(units.length);
  let taught = 0;
  const misfits: (Misfit | null)[] = units.map(() => null);
  const examinedAt = new Float64Array(units.length);
  let turn = 0;
  let population: DashboardInterval | null = null;

  const beliefs = new Map<number, UnitBelief>();
  const beliefAt = (unit: number): UnitBelief => {
    const kept = beliefs.get(unit) ?? unpackBelief(known!, basis, unit);
    beliefs.set(unit, kept);
    return kept;
  };

  return {
    learn(trials) {
      for (const { latents: face, counts, windowS: own } of trials)
        refitter.learn({ latents: face, counts, logGain: logExposureOf(own, windowS) });
      taught += trials.length;
    },
    reset(unit) {
      refitter.reset(unit);
      misfits[unit] = null;
      examinedAt[unit] = 0;
    },
    take(next, withPopulation) {
      known = next;
      beliefs.clear();
      const points = curveGrid.length;
      const curves = new Float32Array(units.length * latents * 3 * points);
      const glances = units.map((_, u) => glanceAt(beliefAt(u), windowS, curves, u * latents * 3 * points));
      strength = Float64Array.from(glances, ({ explained }) => explained.reduce((a, b) => a + b, 0));
      if (withPopulation)
        population = populationAlignment(
          units.flatMap((_, u) => (next.counting[u] > 0 ? [beliefAt(u)] : [])),
          random("dashboard").split("alignment"),
        );
      return {
        trials: next.trials,
        units: units.length,
        latents,
        points,
        curvesF32: bytesOf(curves),
        sharesF32: bytesOf(Float32Array.from(glances.flatMap(({ shares }) => shares))),
        bestLatent: glances.map(({ bestLatent }) => bestLatent),
        codesBest: glances.map(({ bestLatent }, u) => next.codes[u].one * next.codes[u].latents[bestLatent]),
        several: next.codes.map(({ several }) => several),
        none: next.codes.map(({ none }) => none),
        alignment: glances.map(({ alignment }) => alignment),
        baselineHz: glances.map(({ baselineHz }) => baselineHz),
        learned: next.heldOut.map((heldOut) => heldOut?.trials ?? 0),
        warnings: misfits.map((misfit) => misfit?.warning ?? null),
        population: next.trials === 0 ? null : population,
      };
    },
    read({ latents: shown, counts, windowS: own }, trial) {
      if (!known || known.trials === 0) return null;
      const heard = units
        .map((_, u) => u)
        .filter((u) => counts[u] >= 0)
        .sort((a, b) => strength[b] - strength[a])
        .slice(0, READERS);
      if (heard.length === 0) return null;
      const { latents: read } = readFace(
        heard.map((u) => atGain(beliefAt(u), logExposureOf(own, windowS))),
        heard.map((u) => counts[u]),
        random("dashboard").split("reading", trial),
      );
      return { latents: read, distance: cosineDistance(read, shown), cells: heard.length };
    },
    look(unit) {
      if (!known) return null;
      const belief = beliefAt(unit);
      const report = reportUnit(
        belief,
        units[unit],
        { windowS, range, codes: known.codes[unit], heldOut: known.heldOut[unit], misfit: misfits[unit] },
        random("dashboard").split("report", unit),
      );
      const strip = STRIP.map((t): StripStop => {
        const face = Float64Array.from(report.axis.direction, (v) => Math.min(Math.max(t * v, -range), range));
        return { t, latents: face, rateHz: rateHzAt(belief, face, windowS) };
      });
      return { report, strip };
    },
    examineNext() {
      if (!known) return null;
      for (let i = 0; i < units.length; i++) {
        turn = (turn + 1) % units.length;
        if (taught < EXAMINED_FROM || taught < examinedAt[turn] * EXAMINED_AGAIN) continue;
        examinedAt[turn] = taught;
        misfits[turn] = refitter.examine({ unit: turn, belief: beliefAt(turn) }).misfit;
        return turn;
      }
      return null;
    },
    warnings: planWarnings,
  };
}

/** Misfit says nothing before (SPEC.md, P8). */
const EXAMINED_FROM = 50;

function rateHzAt(belief: UnitBelief, face: Float64Array, windowS: number): DashboardInterval {
  const x = features(belief.basis, face);
  const reach = Z95 * Math.sqrt(believedAt(belief, x).variance);
  const eta = dot(x, belief.mean);
  const rate = (at: number) => expectedCount(belief.observation, at) / windowS;
  return { estimate: rate(eta), low: rate(eta - reach), high: rate(eta + reach) };
}
