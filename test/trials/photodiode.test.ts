import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { random } from "../../server/random.ts";
import { type Edge, settle, takeEdge, type Unrest } from "../../server/trials/edges.ts";
import {
  expectPulse,
  initPhotodiode,
  type Match,
  matchPulses,
  type PhotodiodeSettings,
  type PhotodiodeState,
  restartPhotodiode,
  takeTtl,
} from "../../server/trials/photodiode.ts";

const settings: PhotodiodeSettings = {
  line: 3,
  polarity: "auto",
  debounceMs: 2,
  maxDelayMs: 80,
  toleranceMs: 4,
};
/** Stream time 0 is server time 1e6; light comes 30 ms after a frame's callback. */
const SHIFT_MS = -1e6;
const DELAY_MS = 30;
const place = (serverMs: number) => ({
  earliestS: (serverMs + SHIFT_MS - 1) / 1000,
  latestS: (serverMs + SHIFT_MS + 2) / 1000,
});

interface Faults {
  lost?: number[];
  extra?: Edge[];
  inverted?: boolean;
  settings?: Partial<PhotodiodeSettings>;
}

const onsetMs = (k: number, periodMs = 200) => 1000 + k * periodMs;
const lightS = (k: number, periodMs = 200) => (onsetMs(k, periodMs) + DELAY_MS) / 1000;

/** `n` presentations; matches by presentation: the edge's time, or why there is none. */
function run(n: number, faults: Faults = {}, periodMs = 200): Map<number, number | string> {
  let state: PhotodiodeState = initPhotodiode({ ...settings, ...faults.settings });
  const told: Match[] = [];
  const edges = [
    ...Array.from({ length: n }, (_, k) => ({
      timeS: lightS(k, periodMs),
      level: (k % 2 === 0) !== (faults.inverted ?? false),
    })).filter((_, k) => !faults.lost?.includes(k)),
    ...(faults.extra ?? []),
  ].sort((a, b) => a.timeS - b.timeS);
  let nextEdge = 0;
  let nextOnset = 0;
  for (let ms = 900; ms < onsetMs(n, periodMs) + 4000; ms += 5) {
    for (; nextOnset < n && onsetMs(nextOnset, periodMs) <= ms; nextOnset++) {
      const serverMs = onsetMs(nextOnset, periodMs) - SHIFT_MS;
      state = expectPulse(state, { presentation: nextOnset, serverMs, patch: nextOnset % 2 === 0 });
    }
    for (; nextEdge < edges.length && 1000 * edges[nextEdge].timeS <= ms; nextEdge++)
      state = takeTtl(state, 3, edges[nextEdge]);
    const [next, matches] = matchPulses(state, ms / 1000, place);
    state = next;
    told.push(...matches);
  }
  expect(told.map((m) => m.presentation).sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, k) => k));
  return new Map(told.map((m) => [m.presentation, m.onsetS === null ? m.why : m.onsetS]));
}

describe("T10, T11 matching", () => {
  test("every presentation has its edge", () => {
    const matches = run(20);
    for (let k = 0; k < 20; k++) expect(matches.get(k)).toBeCloseTo(lightS(k), 6);
  });

  test("edges of another line are nobody's", () => {
    const state = takeTtl(initPhotodiode(settings), 2, { timeS: 1, level: true });
    expect(state).toEqual(initPhotodiode(settings));
  });

  test("T12: one missing edge is that presentation's loss alone", () => {
    const matches = run(30, { lost: [12] });
    expect(matches.get(12)).toBe("missing");
    for (let k = 0; k < 30; k++) if (k !== 12) expect(matches.get(k)).toBeCloseTo(lightS(k), 6);
  });

  test("T13: an extra edge is left over; one that can't be told from the real one leaves the presentation undecided", () => {
    const far = run(20, { extra: [{ timeS: lightS(9) + 0.05, level: false }] });
    for (let k = 0; k < 20; k++) expect(far.get(k)).toBeCloseTo(lightS(k), 6);
    // 0.8 ms before the edge and by its level the same: which one it was can't be known.
    const near = run(20, { extra: [{ timeS: lightS(9) - 0.0008, level: false }], settings: { debounceMs: 0.5 } });
    const undecided = [...near].filter(([, match]) => typeof match === "string");
    expect(undecided).toEqual([[9, "ambiguous"]]);
  });

  test("T14: a line that is low where the patch is white is found out, and used", () => {
    const matches = run(10, { inverted: true });
    for (let k = 0; k < 10; k++) expect(matches.get(k)).toBeCloseTo(lightS(k), 6);
  });

  test("T14: a polarity that the experiment file states is held to", () => {
    const matches = run(10, { inverted: true, settings: { polarity: "normal" } });
    expect([...matches.values()]).toEqual(Array(10).fill("no-lock"));
    expect(run(10, { inverted: true, settings: { polarity: "inverted" } }).get(5)).toBeCloseTo(lightS(5), 6);
  });

  test("T15: edges from before the first presentation that is known lead nobody astray", () => {
    const before = Array.from({ length: 4 }, (_, i) => ({ timeS: lightS(-4 + i), level: i % 2 === 0 }));
    const matches = run(10, { extra: before });
    for (let k = 0; k < 10; k++) expect(matches.get(k)).toBeCloseTo(lightS(k), 6);
  });

  test("T11: no edge at all: every presentation is given up, none waits for ever", () => {
    expect([...run(5, { lost: [0, 1, 2, 3, 4] }).values()]).toEqual(Array(5).fill("no-lock"));
  });

  test("T16: after a restart nothing of before is matched, and the polarity is remembered", () => {
    let state: PhotodiodeState = { ...initPhotodiode(settings), inverted: true };
    state = expectPulse(state, { presentation: 4, serverMs: 5, patch: true });
    const [fresh, matches] = restartPhotodiode(state);
    expect(matches).toEqual([{ presentation: 4, onsetS: null, why: "no-lock" }]);
    expect(fresh).toEqual({ ...initPhotodiode(settings), inverted: true });
  });

  test("T12, T13: with any edges missing and any extra ones, no presentation ever has another's edge", () => {
    const n = 40;
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.nat({ max: n - 1 }), { maxLength: 12 }),
        fc.array(fc.record({ timeS: fc.double({ min: 0.9, max: 9, noNaN: true }), level: fc.boolean() }), {
          maxLength: 12,
        }),
        fc.boolean(),
        fc.constantFrom(100, 200),
        (lost, extra, inverted, periodMs) => {
          for (const [k, match] of run(n, { lost, extra, inverted }, periodMs)) {
            if (typeof match === "string") continue;
            // An extra edge within the tolerance of a lost one passes for it: its time is then right to 4 ms.
            expect(Math.abs(match - lightS(k, periodMs))).toBeLessThanOrEqual(0.004);
          }
        },
      ),
      { numRuns: 150 },
    );
  });
});

describe("T13 debouncing", () => {
  const settled = (edges: Edge[], debounceMs = 2): Edge[] => {
    let unrest: Unrest | null = null;
    const out: Edge[] = [];
    for (const edge of [...edges, { timeS: 1e9, level: false }]) {
      const [next, done] = settle(unrest, edge.timeS, debounceMs);
      if (done) out.push(done);
      unrest = takeEdge(next, edge);
    }
    return out;
  };

  test("a bouncing edge is one, at its first change; a short pulse is none", () => {
    const up = { timeS: 1, level: true };
    expect(settled([up, { timeS: 1.0004, level: false }, { timeS: 1.0009, level: true }])).toEqual([up]);
    expect(settled([up, { timeS: 1.0015, level: false }])).toEqual([]);
    expect(settled([up, { timeS: 1.0025, level: false }])).toEqual([up, { timeS: 1.0025, level: false }]);
  });

  test("an edge to the level that the line had already is kept: the one between them was lost", () => {
    const edges = [1, 2, 3].map((timeS) => ({ timeS, level: true }));
    expect(settled(edges)).toEqual(edges);
  });

  test("however a line bounces, its edges are those of the steady line", () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 20 }), (seed, n) => {
        const { uniform } = random(seed);
        const steady = Array.from({ length: n }, (_, i) => ({ timeS: 1 + i / 10, level: i % 2 === 0 }));
        const bouncing = steady.flatMap((edge) => {
          const bounces = Math.floor(4 * uniform());
          return Array.from({ length: 1 + 2 * bounces }, (_, b) => ({
            timeS: edge.timeS + 0.0008 * b,
            level: b % 2 === 0 ? edge.level : !edge.level,
          }));
        });
        expect(settled(bouncing)).toEqual(steady);
      }),
    );
  });
});
