/**
 * `alignment: photodiode`: which edge on the recording system's digital line is which presentation (SPEC.md, T10 to T16).
 * Pure. Presentations carry server times, whose intervals are exact to a fraction of a millisecond; edges carry stream times.
 * The two differ by a shift that creeps with the clocks' drift, so the pattern of presentations, shifted, lies on the pattern
 * of edges. Each presentation is matched by its time under that shift, never by counting: what is missing or extra moves
 * nothing else.
 */
import type { UnalignedReason } from "../../protocols/wire/events.ts";
import { type Edge, settle, takeEdge, type Unrest } from "./edges.ts";
import { MAX_DRIFT } from "./stream-clock.ts";

export interface PhotodiodeSettings {
  /** Digital line, from 0. */
  line: number;
  /** How the line follows the patch: `normal` high when it is white, `inverted` low, `auto` found out. */
  polarity: "auto" | "normal" | "inverted";
  debounceMs: number;
  /** Longest way from a frame's callback to light on the photodiode. */
  maxDelayMs: number;
  /** How far an edge may be from where its presentation is expected once the shift is known. */
  toleranceMs: number;
}

export interface Expected {
  presentation: number;
  serverMs: number;
  /** The patch's state from this onset on: white or not. */
  patch: boolean;
}

/** `onsetS` null: this presentation's edge can't be told, and why. */
export type Match =
  | { presentation: number; onsetS: number }
  | { presentation: number; onsetS: null; why: Exclude<UnalignedReason, "uncertain"> };

/** Software alignment of a server time: its earliest and latest place on the stream's clock. */
export type Place = (serverMs: number) => { earliestS: number; latestS: number } | null;

interface Lock {
  /** Milliseconds of stream time at server time 0, at `serverMs`. */
  readonly shiftMs: number;
  readonly serverMs: number;
  /** Mean distance of edges from where they were expected. */
  readonly spreadMs: number;
  readonly inverted: boolean;
  readonly missed: number;
  /** Where and when it was found: from there it has crept. */
  readonly found: { readonly shiftMs: number; readonly serverMs: number };
}

interface Pulse extends Edge {
  /** Counts edges in the order in which they came, whatever their clock did. */
  readonly serial: number;
  readonly used: boolean;
}
interface Past extends Expected {
  readonly decided: boolean;
}

export interface PhotodiodeState {
  readonly settings: PhotodiodeSettings;
  readonly unrest: Unrest | null;
  readonly pulses: readonly Pulse[];
  /** The latest presentations, in order: those still undecided, and decided ones as evidence for a lock. */
  readonly past: readonly Past[];
  readonly lock: Lock | null;
  /** Polarity as once found. */
  readonly inverted: boolean | null;
  /** The last presentation that was matched, and its edge. */
  readonly matched: { readonly presentation: number; readonly serial: number } | null;
  /** The latest presentation that a lock was looked for with: without another one nothing new can be found. */
  readonly tried: number | null;
  /** Edges so far. */
  readonly edges: number;
}

/** Presentations that a lock is found with; the fewest that must agree, and by how much they must beat any other shift. */
const EVIDENCE = 8;
const ENOUGH = 3;
const MARGIN = 2;
/** Presentations missed in a row after which the lock is given up. */
const LOST_AFTER = 3;
/** A presentation without a lock waits for others this long beyond its place. */
const PATIENCE_S = 2;
/** A slow session shows a face every few seconds: edges are kept for as long as the evidence may need them. */
const KEPT_S = 30;
const MAX_PULSES = 256;
/** What an edge's distance may be at least, however steady the edges were: a digital line is sampled. */
const LEAST_TOLERANCE_MS = 1;
const TOLERATED_SPREADS = 5;
const FOLLOW = 0.25;
const FOLLOW_SPREAD = 0.1;
const CREEP_KNOWN_AFTER_MS = 30_000;
/** What a shift is known to, and how steady two quartz clocks' rates are. */
const SHIFT_ERROR_MS = 0.5;
const STEADY = 5e-6;

export const initPhotodiode = (settings: PhotodiodeSettings): PhotodiodeState => ({
  settings,
  unrest: null,
  pulses: [],
  past: [],
  lock: null,
  inverted: null,
  matched: null,
  tried: null,
  edges: 0,
});

/** A presentation that the display has confirmed; in order. */
export const expectPulse = (state: PhotodiodeState, expected: Expected): PhotodiodeState => ({
  ...state,
  past: [...state.past, { ...expected, decided: false }],
});

/** A raw edge on any line. */
export function takeTtl(state: PhotodiodeState, line: number, edge: Edge): PhotodiodeState {
  if (line !== state.settings.line) return state;
  const settled = settleUntil(state, edge.timeS);
  return { ...settled, unrest: takeEdge(settled.unrest, edge) };
}

/** The stream began anew: nothing of before has a place on its clock. */
export function restartPhotodiode(state: PhotodiodeState): [PhotodiodeState, Match[]] {
  const lost = state.past.filter((p) => !p.decided);
  const fresh = { ...initPhotodiode(state.settings), inverted: state.inverted };
  return [fresh, lost.map(({ presentation }) => ({ presentation, onsetS: null, why: "no-lock" }))];
}

/** Decides what can be decided now that every edge before `untilS` is known. */
export function matchPulses(before: PhotodiodeState, untilS: number, place: Place): [PhotodiodeState, Match[]] {
  let state = settleUntil(before, untilS);
  const matches: Match[] = [];
  for (;;) {
    const next = state.lock ? decideNext(state, state.lock, untilS, place) : acquire(state, untilS, place);
    if (next === null) break;
    state = next[0];
    if (next[1]) matches.push(next[1]);
  }
  const late = state.past.filter((p) => !p.decided && isPast(p, untilS - PATIENCE_S, state, place));
  if (late.length > 0) {
    matches.push(...late.map(({ presentation }): Match => ({ presentation, onsetS: null, why: "no-lock" })));
    state = decided(state, new Set(late.map((p) => p.presentation)));
  }
  return [forget(state, untilS), matches];
}

function settleUntil(state: PhotodiodeState, timeS: number): PhotodiodeState {
  const [unrest, edge] = settle(state.unrest, timeS, state.settings.debounceMs);
  if (unrest === state.unrest) return state;
  if (edge === null) return { ...state, unrest };
  const pulses = [...state.pulses, { ...edge, serial: state.edges, used: false }];
  return { ...state, unrest, pulses, edges: state.edges + 1 };
}

/** Shifts that software alignment allows for a presentation, in ms; null where it has no place. */
function shifts({ serverMs }: Expected, { settings }: PhotodiodeState, place: Place): [number, number] | null {
  const at = place(serverMs);
  if (at === null) return null;
  return [
    1000 * at.earliestS - serverMs - settings.toleranceMs,
    1000 * at.latestS - serverMs + settings.maxDelayMs + settings.toleranceMs,
  ];
}

const isPast = (expected: Expected, untilS: number, state: PhotodiodeState, place: Place): boolean => {
  const range = shifts(expected, state, place);
  return range !== null && expected.serverMs + range[1] <= 1000 * (untilS - state.settings.debounceMs / 1000);
};

/** The next undecided presentation, under the lock; null where the stream has not come so far. */
function decideNext(
  state: PhotodiodeState,
  lock: Lock,
  untilS: number,
  place: Place,
): [PhotodiodeState, Match | null] | null {
  const next = state.past.find((p) => !p.decided);
  if (next === undefined) return null;
  const { presentation, serverMs, patch } = next;
  const { toleranceMs, debounceMs } = state.settings;
  const creep = creepOf(lock);
  const sinceMs = serverMs - lock.serverMs;
  const near =
    Math.min(toleranceMs, Math.max(LEAST_TOLERANCE_MS, TOLERATED_SPREADS * lock.spreadMs)) +
    creep.bound * Math.abs(sinceMs);
  const shiftMs = lock.shiftMs + creep.rate * sinceMs;
  const expectedMs = serverMs + shiftMs;
  if (1000 * untilS < expectedMs + near + debounceMs) return null;
  const allowed = shifts(next, state, place);
  // Software alignment says that the clocks have jumped.
  if (allowed === null || shiftMs < allowed[0] || shiftMs > allowed[1]) return [unlock(state), null];
  const found = state.pulses.filter(
    (pulse) =>
      !pulse.used && (pulse.level === patch) !== lock.inverted && Math.abs(1000 * pulse.timeS - expectedMs) <= near,
  );
  const done = decided(state, new Set([presentation]));
  const isDoubtful = hasAlias(state, lock, next, allowed);
  if (found.length === 1 && (!isDoubtful || isNextInOrder(state, next, found[0]))) {
    const [pulse] = found;
    const missMs = 1000 * pulse.timeS - expectedMs;
    const held: Lock = {
      ...lock,
      shiftMs: shiftMs + FOLLOW * missMs,
      serverMs,
      spreadMs: lock.spreadMs + FOLLOW_SPREAD * (Math.abs(missMs) - lock.spreadMs),
      missed: 0,
    };
    const matched = { presentation, serial: pulse.serial };
    return [
      { ...use(done, pulse), lock: held, matched },
      { presentation, onsetS: pulse.timeS },
    ];
  }
  // Something is missing or extra while another shift could explain it: it must be proved again which one holds.
  if (isDoubtful) return [unlock(state), null];
  const missed = lock.missed + 1;
  const after = missed < LOST_AFTER ? { ...done, lock: { ...lock, missed } } : unlock(done);
  return [after, { presentation, onsetS: null, why: found.length > 1 ? "ambiguous" : "missing" }];
}

/** How fast the shift moves, as far as it has shown since it was found, and by how much that may be wrong. */
function creepOf({ shiftMs, serverMs, found }: Lock): { rate: number; bound: number } {
  const elapsedMs = serverMs - found.serverMs;
  if (elapsedMs < CREEP_KNOWN_AFTER_MS) return { rate: 0, bound: MAX_DRIFT };
  return {
    rate: (shiftMs - found.shiftMs) / elapsedMs,
    bound: Math.min(MAX_DRIFT, STEADY + SHIFT_ERROR_MS / elapsedMs),
  };
}

/** Whether the shift that takes this presentation to another one's edge is possible too. */
function hasAlias({ past }: PhotodiodeState, lock: Lock, next: Past, allowed: readonly [number, number]): boolean {
  return past.some(({ presentation, serverMs }) => {
    const shiftMs = lock.shiftMs + serverMs - next.serverMs;
    return presentation !== next.presentation && shiftMs >= allowed[0] && shiftMs <= allowed[1];
  });
}

/** Whether this is the first presentation and the first edge since the last match: nothing is missing or extra between. */
function isNextInOrder({ past, matched }: PhotodiodeState, next: Past, pulse: Pulse): boolean {
  if (matched === null) return false;
  const following = past.find((p) => p.presentation > matched.presentation);
  return following === next && pulse.serial === matched.serial + 1;
}

const unlock = (state: PhotodiodeState): PhotodiodeState => ({ ...state, lock: null });

interface Candidate {
  shiftMs: number;
  inverted: boolean;
  hits: number;
}

/**
 * Looks for the one shift that lays the latest presentations on edges; null where there is none to look for yet. Where
 * software alignment leaves room for a shift by a whole period (clocks have just jumped), only an unbroken order will do.
 */
function acquire(state: PhotodiodeState, untilS: number, place: Place): [PhotodiodeState, null] | null {
  if (!state.past.some((p) => !p.decided)) return null;
  const evidence = state.past.filter((p) => isPast(p, untilS, state, place)).slice(-EVIDENCE);
  const newest = evidence.at(-1)?.presentation ?? null;
  if (evidence.length < ENOUGH || newest === state.tried) return null;
  const tried = { ...state, tried: newest };
  const ranges = evidence.map((p) => shifts(p, state, place)!);
  const found = isAmbiguous(evidence, ranges) ? shiftByOrder(state) : bestShift(state, evidence, ranges);
  if (found === null) return [tried, null];
  const lock: Lock = {
    ...found,
    serverMs: evidence[evidence.length - 1].serverMs,
    spreadMs: state.settings.toleranceMs / TOLERATED_SPREADS,
    missed: 0,
    found: { shiftMs: found.shiftMs, serverMs: evidence[evidence.length - 1].serverMs },
  };
  return [{ ...tried, lock, inverted: lock.inverted }, null];
}

type Shift = Pick<Lock, "shiftMs" | "inverted">;

/** Whether two presentations are closer to one another than the shift is known. */
const isAmbiguous = (evidence: readonly Past[], ranges: readonly (readonly [number, number])[]): boolean =>
  evidence.some((p, i) => i > 0 && p.serverMs - evidence[i - 1].serverMs <= ranges[i][1] - ranges[i][0]);

/** The shift that most presentations agree on, if it beats every other by a margin. */
function bestShift(
  state: PhotodiodeState,
  evidence: readonly Past[],
  ranges: readonly (readonly [number, number])[],
): Shift | null {
  const candidates: Candidate[] = [];
  for (const inverted of polarities(state))
    for (const [i, { serverMs, patch }] of evidence.entries())
      for (const pulse of state.pulses) {
        const shiftMs = 1000 * pulse.timeS - serverMs;
        if (shiftMs < ranges[i][0] || shiftMs > ranges[i][1] || (pulse.level === patch) === inverted) continue;
        candidates.push(score(state, evidence, ranges, shiftMs, inverted));
      }
  const best = candidates.reduce<Candidate | null>((a, b) => (a === null || b.hits > a.hits ? b : a), null);
  if (best === null || best.hits < ENOUGH || 2 * best.hits <= evidence.length) return null;
  const isOther = (c: Candidate) =>
    c.inverted !== best.inverted || Math.abs(c.shiftMs - best.shiftMs) > 2 * state.settings.toleranceMs;
  return candidates.some((c) => isOther(c) && c.hits > best.hits - MARGIN) ? null : best;
}

/** The shift under which the edges since the last match are, one by one, the presentations since then. */
function shiftByOrder({ past, pulses, matched, inverted, settings }: PhotodiodeState): Shift | null {
  if (matched === null || inverted === null) return null;
  const following = past.filter((p) => p.presentation > matched.presentation);
  const edges = pulses.filter((pulse) => pulse.serial > matched.serial);
  const pairs = following.slice(0, Math.min(edges.length, EVIDENCE)).map((p, i) => ({ ...p, edge: edges[i] }));
  if (pairs.length < ENOUGH) return null;
  const all = pairs.map(({ serverMs, edge }) => 1000 * edge.timeS - serverMs).sort((a, b) => a - b);
  const shiftMs = all[Math.floor(all.length / 2)];
  const agree = pairs.every(
    ({ serverMs, patch, edge }) =>
      (edge.level === patch) !== inverted && Math.abs(1000 * edge.timeS - serverMs - shiftMs) <= settings.toleranceMs,
  );
  return agree ? { shiftMs, inverted } : null;
}

const polarities = ({ settings, inverted }: PhotodiodeState): boolean[] =>
  settings.polarity === "auto" ? (inverted === null ? [false, true] : [inverted]) : [settings.polarity === "inverted"];

/** How many presentations have an edge under a shift; the shift is set to the middle one of theirs. */
function score(
  { pulses, settings: { toleranceMs } }: PhotodiodeState,
  evidence: readonly Past[],
  ranges: readonly (readonly [number, number])[],
  shiftMs: number,
  inverted: boolean,
): Candidate {
  const own: number[] = [];
  evidence.forEach(({ serverMs, patch }, i) => {
    if (shiftMs < ranges[i][0] || shiftMs > ranges[i][1]) return;
    let nearest = Number.POSITIVE_INFINITY;
    for (const pulse of pulses) {
      const missMs = 1000 * pulse.timeS - serverMs - shiftMs;
      if ((pulse.level === patch) !== inverted && Math.abs(missMs) < Math.abs(nearest)) nearest = missMs;
    }
    if (Math.abs(nearest) <= toleranceMs) own.push(shiftMs + nearest);
  });
  own.sort((a, b) => a - b);
  return { shiftMs: own[Math.floor(own.length / 2)] ?? shiftMs, inverted, hits: own.length };
}

const decided = (state: PhotodiodeState, presentations: ReadonlySet<number>): PhotodiodeState => ({
  ...state,
  past: state.past.map((p) => (presentations.has(p.presentation) ? { ...p, decided: true } : p)),
});

const use = (state: PhotodiodeState, used: Pulse): PhotodiodeState => ({
  ...state,
  pulses: state.pulses.map((pulse) => (pulse === used ? { ...pulse, used: true } : pulse)),
});

function forget(state: PhotodiodeState, untilS: number): PhotodiodeState {
  const done = state.past.filter((p) => p.decided).length;
  let excess = done - EVIDENCE;
  const past = excess > 0 ? state.past.filter((p) => !p.decided || excess-- <= 0) : state.past;
  const old = state.pulses.findIndex(({ timeS }) => timeS > untilS - KEPT_S);
  const from = Math.max(old < 0 ? state.pulses.length : old, state.pulses.length - MAX_PULSES);
  if (past === state.past && from === 0) return state;
  return { ...state, past, pulses: state.pulses.slice(from) };
}
