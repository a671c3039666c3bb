import { expect, test } from "vitest";
import { createTimeline } from "../../server/exports/timeline.ts";

test("F1: the first clock is kept; others, and runs after a restart, are laid on it through the server's", () => {
  // Probe A's clock as it first ran; B runs 40 ppm fast; A begins again at zero.
  const a = (server: number) => server - 100;
  const b = (server: number) => (server - 70) * (1 + 4e-5);
  const again = (server: number) => server - 500;
  const pairs = (clock: (server: number) => number, from: number) =>
    Array.from({ length: 50 }, (_, i) => ({ serverS: from + i, neuralS: clock(from + i) }));
  const timeline = createTimeline([
    { stream: "A", run: 0, pairs: pairs(a, 200) },
    { stream: "B", run: 0, pairs: pairs(b, 200) },
    { stream: "A", run: 1, pairs: pairs(again, 600) },
  ]);
  expect(timeline.place({ stream: "A", run: 0 }, 123.456)).toBe(123.456);
  expect(timeline.place({ stream: "B", run: 0 }, b(222.5))).toBeCloseTo(a(222.5), 6);
  expect(timeline.place({ stream: "A", run: 1 }, again(610.25))).toBeCloseTo(a(610.25), 6);
  expect(timeline.place({ stream: "C", run: 0 }, 1)).toBeNull();
  expect(timeline.placeServer(333)).toBeCloseTo(a(333), 9);
  expect(timeline.serverOf(timeline.placeServer(333))).toBeCloseTo(333, 9);
});

test("F1: one pair gives the offset, and clocks that run alike", () => {
  const timeline = createTimeline([
    { stream: "A", run: 0, pairs: [{ neuralS: 10, serverS: 1010 }] },
    { stream: "A", run: 1, pairs: [{ neuralS: 2, serverS: 1050 }] },
  ]);
  expect(timeline.place({ stream: "A", run: 1 }, 3)).toBeCloseTo(51, 9);
});
