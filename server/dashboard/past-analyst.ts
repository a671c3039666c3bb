/**
 * A past session's beliefs at every trial: the journal is made again once, what is believed after each trial is kept, and a page may
 * then ask for any of them in any order.
 */
import type { SeriesPoint } from "../../protocols/wire/dashboard.ts";
import { type Beliefs, createDecider, type DeciderData, refitterSettings } from "../choice/decider.ts";
import { type Difference, pacedRefits } from "../choice/replay.ts";
import { random } from "../random.ts";
import { replayJournal } from "../session/replay.ts";
import { refitsHere } from "../tuning/refits-here.ts";
import { type Analyst, createAnalyst, type ReadBackFace, type SeenTrial, type UnitLook } from "./analyst.ts";

/** What units were learned from, in its order: usable trials, and units that were sorted anew. */
export type Taught = { after: number; trial: number; seen: SeenTrial } | { after: number; reset: number };

export interface PastData extends DeciderData {
  folder: string;
  /** `after`: trials that had closed with it. */
  taught: Taught[];
}

/** How far the journal has been made again. */
export interface PastProgress {
  /** Trials after which what was believed is known. */
  known: number;
  /** Only every so many-th is kept, and the last. */
  stride: number;
  /** All of the session is known; and all points of plots. */
  isRead: boolean;
  isPlotted: boolean;
  difference: Difference | null;
  failed: string | null;
  /** From the one that was asked for on. */
  points: Omit<SeriesPoint, "n">[];
}

export interface PastAnalyst {
  progress(fromPoint: number): PastProgress;
  /** `at`: the trial whose beliefs stand for those after `trials`. */
  estimates(trials: number, withPopulation: boolean): { at: number; estimates: ReturnType<Analyst["take"]> };
  /** The face read from the last usable trial's counts, by what was believed before it, as far as that is kept. */
  read(trials: number): (ReadBackFace & { trial: number; shown: Float64Array }) | null;
  look(trials: number, unit: number): UnitLook | null;
  /** Looks for what the model of one more unit leaves out; false once all have been looked at. */
  examine(trials: number): boolean;
}

export const MOST_BYTES = 512 * 2 ** 20;
/** Analysts of so many trials stand ready. */
const MOST_ANALYSTS = 4;
/** Plots wait for pages: so long after one has come to a trial, and a little between points. */
const CALM_MS = 1000;
const PLOTTED_EVERY_MS = 5;
/** Points of the population's alignment. */
const ALIGNMENTS = 24;

export function createPastAnalyst({ folder, settings, seed, taught }: PastData, mostBytes = MOST_BYTES): PastAnalyst {
  const beliefs = new Map<number, Beliefs>();
  let known = 0;
  let stride = 1;
  let isRead = false;
  let isPlotted = false;
  let failed: string | null = null;
  let difference: Difference | null = null;
  const points: PastProgress["points"] = [];
  const analysts = new Map<number, Analyst>();
  /** When a page last came to a trial. */
  let askedMs = Number.NEGATIVE_INFINITY;

  const isKept = (trials: number) => trials % stride === 0 || trials === known;
  function keep(trials: number, now: Beliefs): void {
    known = trials;
    beliefs.set(trials, now);
    if (bytesOf(now) * beliefs.size > mostBytes) stride *= 2;
    for (const other of beliefs.keys()) if (!isKept(other)) beliefs.delete(other);
  }
  const keptAt = (trials: number) => {
    let at = Math.max(Math.min(trials, known), 0);
    while (at > 0 && !beliefs.has(at)) at--;
    return at;
  };

  async function makeAgain(): Promise<void> {
    const refits = pacedRefits(refitsHere(refitterSettings(settings)));
    const decider = createDecider(settings, random(seed).split("decider"), refits);
    let trials = 0;
    const take = () => {
      const now = decider.beliefs();
      if (now) keep(trials, now);
    };
    take();
    const result = await replayJournal(
      folder,
      { ...settings, decider, refits },
      {
        told(step) {
          if (step.op === "decide") trials += Number(step.trial !== null);
          else take();
          return breath();
        },
      },
    );
    if (known < trials) {
      // The pause after the last trial was not got through: its report brings covariances up to date.
      decider.report();
      take();
    }
    difference = result.difference;
    isRead = true;
  }

  async function plotAll(): Promise<void> {
    const reader = createAnalyst(settings);
    const every = Math.max(stride, Math.ceil(known / ALIGNMENTS));
    let at = 0;
    for (const one of taught) {
      if ("reset" in one) continue;
      const { distance } = readAfter(reader, one) ?? {};
      if (distance !== undefined) points.push({ kind: "distance", trial: one.trial + 1, value: distance });
      const now = beliefs.get(one.after);
      const withPopulation = now !== undefined && (at === 0 || one.after - at >= every);
      if (withPopulation) at = one.after;
      const population = withPopulation && reader.take(now, true).population;
      if (population)
        points.push({
          kind: "alignment",
          trial: one.after,
          value: population.estimate,
          low: population.low,
          high: population.high,
        });
      do await breath(PLOTTED_EVERY_MS);
      while (performance.now() - askedMs < CALM_MS);
    }
    isPlotted = true;
  }

  function readAfter(reader: Analyst, { after, trial, seen }: Extract<Taught, { seen: SeenTrial }>) {
    if (after === 0) return null;
    reader.take(beliefs.get(keptAt(after - 1))!, false);
    return reader.read(seen, trial);
  }

  /** One that has learned what the session had by then, and nothing else: the same whichever way a page came here. */
  function analystAt(trials: number): Analyst {
    const at = keptAt(trials);
    const ready = analysts.get(at);
    analysts.delete(at);
    const analyst = ready ?? createAnalyst(settings);
    analysts.set(at, analyst);
    if (analysts.size > MOST_ANALYSTS) analysts.delete(analysts.keys().next().value!);
    if (ready) return ready;
    for (const one of taught) {
      if (one.after > at) break;
      if ("reset" in one) analyst.reset(one.reset);
      else analyst.learn([one.seen]);
    }
    analyst.take(beliefs.get(at)!, false);
    return analyst;
  }

  makeAgain()
    .then(plotAll)
    .catch((error: Error) => {
      failed = error.message;
    });

  return {
    progress: (from) => ({
      known,
      stride,
      isRead,
      isPlotted,
      difference,
      failed,
      points: points.slice(from),
    }),
    estimates: (trials, withPopulation) => {
      askedMs = performance.now();
      const at = keptAt(trials);
      return { at, estimates: analystAt(at).take(beliefs.get(at)!, withPopulation) };
    },
    read(trials) {
      const last = taught.findLast((one) => "seen" in one && one.after <= keptAt(trials));
      if (!last || !("seen" in last)) return null;
      const found = readAfter(createAnalyst(settings), last);
      return found && { ...found, trial: last.trial, shown: last.seen.latents };
    },
    look: (trials, unit) => analystAt(trials).look(unit),
    examine: (trials) => analystAt(trials).examineNext() !== null,
  };
}

const bytesOf = ({ mean, precision, covariance, dispersion }: Beliefs): number =>
  mean.byteLength + precision.byteLength + covariance.byteLength + dispersion.byteLength;

/** Lets what is asked meanwhile be answered. */
const breath = (ms = 0) => new Promise<void>((resolve) => setTimeout(resolve, ms));
