import { expect, test } from "vitest";
import { complaints, initQuiet, stepQuiet } from "../../server/session/quiet.ts";
import { type SessionEvent, waitingView } from "../../server/session/view.ts";

const batch = { kind: "acquisition", event: { type: "batch" } } as SessionEvent;
const shown = { kind: "display", event: { type: "shown" } } as SessionEvent;
const view = { ...waitingView(10), displayConnected: true, state: "running" as const };

test("what is missing is said: display, spikes, faces; nothing where all is well", () => {
  const start = initQuiet(0);
  expect(complaints(start, { ...view, displayConnected: false }, 250, 1000)).toEqual(["no display"]);
  expect(complaints(start, { ...view, displayConnected: false }, 250, 9000)).toEqual([
    "no display",
    "no spikes for 9 s",
  ]);
  const heard = stepQuiet(start, batch, 8000);
  expect(complaints(heard, view, 250, 9000)).toEqual(["the display has shown nothing for 9 s"]);
  expect(complaints(heard, { ...view, state: "paused" }, 250, 9000)).toEqual([]);
  const well = stepQuiet(heard, shown, 8500);
  expect(complaints(well, view, 250, 9000)).toEqual([]);
  expect(complaints(well, view, 250, 14_000)).toEqual(["no spikes for 6 s"]);
});
