import { expect, test, vi } from "vitest";
import { waitUntil } from "../../server/playback/wait.ts";

const HOUR_MS = 3_600_000;
const clock = vi.hoisted(() => ({ nowMs: 1000, slept: [] as number[] }));
vi.mock("../../server/clock.ts", () => ({ serverNow: () => clock.nowMs }));
vi.mock("node:timers/promises", () => ({
  async setTimeout(ms: number) {
    clock.slept.push(ms);
    clock.nowMs += ms;
  },
}));

test("J16 what is due in two months is waited for, though a timer can't: hour by hour", async () => {
  await waitUntil(1000 + 60 * 24 * HOUR_MS + 5, new AbortController().signal);
  expect(clock.slept).toEqual([...new Array(60 * 24).fill(HOUR_MS), 5]);
});
