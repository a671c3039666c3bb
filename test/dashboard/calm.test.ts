import { expect, test } from "vitest";
import { createCalm } from "../../server/dashboard/calm.ts";
import type { SessionEvent } from "../../server/session/view.ts";

/** Presentations go by their onsets here; then the face that is sent to the display, and a trial's end. */
const plan = (output: object): SessionEvent =>
  ({ kind: "plan", output: { onsets: [], messages: [], ...output } }) as unknown as SessionEvent;
const onset = (ms: number) => plan({ onsets: [{ presentation: ms, onsetServerMs: ms }] });
const sent = plan({ messages: [{ op: "face" }] });
const closed = (presentation: number) => ({ kind: "trial", trial: { presentation } }) as unknown as SessionEvent;

test("D9: pages wait from shortly before a window's end until its face has gone to the display", () => {
  const calm = createCalm({ latencyMs: 80, windowMs: 200 });
  expect(calm.is(0)).toBe(true);
  calm.told(onset(1000), 1005);
  // The window ends at 1000 + 80 + 200.
  expect([1006, 1271, 1272, 1279].map(calm.is)).toEqual([true, true, false, false]);
  calm.told(closed(1000), 1281);
  expect(calm.is(1285)).toBe(false);
  calm.told(sent, 1290);
  expect(calm.is(1290)).toBe(true);
});

test("D9: one window after another, each is waited for", () => {
  const calm = createCalm({ latencyMs: 80, windowMs: 200 });
  calm.told(onset(1000), 1005);
  calm.told(onset(1100), 1105);
  calm.told(closed(1000), 1281);
  calm.told(sent, 1285);
  expect([1300, 1371, 1372].map(calm.is)).toEqual([true, true, false]);
});

test("D9: a window that does not close, and a decision that takes long, hold nobody up", () => {
  const calm = createCalm({ latencyMs: 80, windowMs: 200 });
  calm.told(onset(1000), 1005);
  expect([1319, 1320].map(calm.is)).toEqual([false, true]);
  calm.told(closed(1000), 1330);
  expect([1389, 1390].map(calm.is)).toEqual([false, true]);
});
