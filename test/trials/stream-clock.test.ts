import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { random } from "../../server/random.ts";
import { initStreamClock, type StreamClock, stepStreamClock, toNeural } from "../../server/trials/stream-clock.ts";

const TRANSPORT_MS = 2;
/** Rounding of milliseconds since 1970 in seconds. */
const ROUNDING_S = 1e-6;

interface Setup {
  seed: number;
  ppm: number;
  /** Queues: in one second of five, messages wait for up to so long. */
  burstMs: number;
  /** At 20 s the stream's clock jumps by so much. */
  jumpMs: number;
}

/** Forty seconds of messages every 5 ms, and the stream's true time for any moment after the jump. */
function messages({ seed, ppm, burstMs, jumpMs }: Setup, untilMs = 40_000) {
  const { uniform } = random(seed);
  const startMs = 1.7e12;
  const streamMs = (ms: number) => 1e6 + ms * (1 + 1e-6 * ppm) + (ms >= 20_000 ? jumpMs : 0);
  let clock: StreamClock = initStreamClock();
  let queuedMs = 0;
  let arrivedMs = 0;
  for (let ms = 0; ms < untilMs; ms += 5) {
    if (ms % 1000 === 0) queuedMs = uniform() < 0.2 ? burstMs : 0;
    arrivedMs = Math.max(arrivedMs, ms + 0.2 - 0.4 * Math.log(1 - uniform()) + queuedMs * uniform());
    clock = stepStreamClock(clock, streamMs(ms) / 1000, startMs + arrivedMs);
  }
  return { clock, place: (ms: number) => toNeural(clock, startMs + ms, TRANSPORT_MS)!, streamMs };
}

const setup = fc.record({
  seed: fc.nat(),
  ppm: fc.integer({ min: -50, max: 50 }),
  burstMs: fc.constantFrom(0, 20, 200),
  jumpMs: fc.constant(0),
});

describe("T6 software alignment", () => {
  test("the true time lies within the stated uncertainty, with 50 ppm of drift and queues", () => {
    fc.assert(
      fc.property(setup, fc.integer({ min: 38_000, max: 40_000 }), (given, ms) => {
        const { place, streamMs } = messages(given);
        const { neuralS, uncertaintyMs, earliestS, latestS } = place(ms);
        const trueS = streamMs(ms) / 1000;
        expect(Math.abs(neuralS - trueS)).toBeLessThanOrEqual(uncertaintyMs / 1000 + ROUNDING_S);
        expect(earliestS - ROUNDING_S).toBeLessThanOrEqual(trueS);
        expect(latestS + ROUNDING_S).toBeGreaterThanOrEqual(trueS);
      }),
      { numRuns: 60 },
    );
  });

  test("with bursts of 20 ms the uncertainty stays a few milliseconds", () => {
    const { place } = messages({ seed: 7, ppm: 50, burstMs: 20, jumpMs: 0 });
    // 2 ms of transport, 100 ppm of the 15 s that the oldest message is old, and the burst itself if one is on.
    expect(place(40_000).uncertaintyMs).toBeLessThan(2 + 1.5 + 20);
    expect(messages({ seed: 7, ppm: 50, burstMs: 0, jumpMs: 0 }).place(40_000).uncertaintyMs).toBeLessThan(4);
  });

  test("a clock that jumps is covered from half a second after, forwards and back, unless messages queue since", () => {
    fc.assert(
      fc.property(
        setup,
        fc.integer({ min: -900, max: 900 }),
        fc.integer({ min: 500, max: 19_000 }),
        (base, jumpMs, age) => {
          const given = { ...base, jumpMs, burstMs: 0 };
          const { place, streamMs } = messages(given, 20_000 + age);
          const ms = 20_000 + age - 5;
          const { earliestS, latestS } = place(ms);
          expect(earliestS - ROUNDING_S).toBeLessThanOrEqual(streamMs(ms) / 1000);
          expect(latestS + ROUNDING_S).toBeGreaterThanOrEqual(streamMs(ms) / 1000);
        },
      ),
      { numRuns: 100 },
    );
  });

  test("fifteen seconds after a jump it is as certain as before", () => {
    const { place } = messages({ seed: 1, ppm: 20, burstMs: 0, jumpMs: -400 });
    expect(place(40_000).uncertaintyMs).toBeLessThan(4);
  });

  test("the quickest message sets the offset, and half of the transport goes off it", () => {
    let clock = initStreamClock();
    for (const [untilS, delayMs] of [
      [0.1, 5],
      [0.5, 0.4],
      [0.9, 30],
    ])
      clock = stepStreamClock(clock, untilS, 1000 * untilS + 1e6 + delayMs);
    expect(toNeural(clock, 1e6 + 3000, 0)!.neuralS).toBeCloseTo(3 - 0.0004, 9);
    expect(toNeural(clock, 1e6 + 3000, 2)!.neuralS).toBeCloseTo(3 - 0.0004 + 0.001, 9);
  });

  test("nothing is converted before the stream was heard", () => {
    expect(toNeural(initStreamClock(), 0, 2)).toBeNull();
  });

  test("the cost of a message does not grow", () => {
    expect(messages({ seed: 1, ppm: 0, burstMs: 0, jumpMs: 0 }).clock.quickest.length).toBeLessThanOrEqual(151);
  });
});
