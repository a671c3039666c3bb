import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type DisplayClock,
  initDisplayClock,
  stepDisplayClock,
  toServerMs,
} from "../../server/presentation/display-clock.ts";
import { random } from "../../server/random.ts";

/** Exchanges once a second between a server and a display whose clock runs `ppm` fast, with random waits either way. */
function exchanges({
  n,
  ppm,
  offsetMs,
  seed,
  queueMs,
}: {
  n: number;
  ppm: number;
  offsetMs: number;
  seed: number;
  queueMs: number;
}) {
  const { uniform } = random(seed);
  const display = (serverMs: number) => (serverMs - offsetMs) * (1 + ppm * 1e-6);
  let clock: DisplayClock = initDisplayClock;
  let serverMs = offsetMs;
  for (let i = 0; i < n; i++) {
    // Most ways take a fraction of a millisecond; some wait behind faces being sent.
    const way = () => 0.1 + 0.3 * uniform() + (uniform() < 0.3 ? queueMs * uniform() : 0);
    const answered = serverMs + way();
    clock = stepDisplayClock(clock, {
      t0ServerMs: serverMs,
      displayMs: display(answered),
      t1ServerMs: answered + way(),
    });
    serverMs += 1000;
  }
  return { clock, display, serverMs };
}

test("S10: a converted time is right to within its stated uncertainty, under drift and queueing", () => {
  fc.assert(
    fc.property(
      fc.record({
        n: fc.integer({ min: 1, max: 100 }),
        ppm: fc.integer({ min: -95, max: 95 }),
        offsetMs: fc.integer({ min: -1e9, max: 2e12 }),
        seed: fc.nat(),
        queueMs: fc.constantFrom(0, 5, 80),
      }),
      (setup) => {
        const { clock, display, serverMs } = exchanges(setup);
        const trueMs = serverMs + 300;
        const converted = toServerMs(clock, display(trueMs));
        // 1 µs for the rounding of times in ms since 1970.
        expect(Math.abs(converted.serverMs - trueMs)).toBeLessThanOrEqual(converted.uncertaintyMs + 1e-3);
      },
    ),
  );
});

test("S10: with some quick exchanges among slow ones the uncertainty stays below 1 ms", () => {
  const { clock, display, serverMs } = exchanges({ n: 200, ppm: 50, offsetMs: 1.7e12, seed: 5, queueMs: 200 });
  expect(toServerMs(clock, display(serverMs)).uncertaintyMs).toBeLessThan(1);
});

test("S10: the cost of an exchange does not grow", () => {
  expect(exchanges({ n: 500, ppm: 0, offsetMs: 0, seed: 1, queueMs: 0 }).clock).toHaveLength(30);
});

test("S10: no exchange, no conversion", () => {
  expect(() => toServerMs(initDisplayClock, 1)).toThrow(RangeError);
});

test("S10: a clock that was set, either way, is followed from the next exchange on", () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: -10_000, max: 10_000 }), (seed, jumpMs) => {
      const { clock, display, serverMs } = exchanges({ n: 40, ppm: 50, offsetMs: 1e6, seed, queueMs: 5 });
      const jumped = (ms: number) => display(ms) + jumpMs;
      const after = stepDisplayClock(clock, {
        t0ServerMs: serverMs,
        displayMs: jumped(serverMs + 0.3),
        t1ServerMs: serverMs + 0.5,
      });
      const converted = toServerMs(after, jumped(serverMs + 200));
      expect(Math.abs(converted.serverMs - serverMs - 200)).toBeLessThanOrEqual(converted.uncertaintyMs + 1e-3);
    }),
  );
});
