import { expect, test } from "vitest";
import { complaints, initQuiet, stepQuiet } from "../../server/session/quiet.ts";
import { type SessionEvent, waitingView } from "../../server/session/view.ts";

const batchOf = (stream: string) => ({ kind: "acquisition", event: { type: "batch", stream } }) as SessionEvent;
const batch = batchOf("probe");
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

test("of several streams, the one that is silent is named", () => {
  const heard = stepQuiet(stepQuiet(initQuiet(0, ["A", "B"]), batchOf("A"), 8000), shown, 8500);
  expect(complaints(heard, view, 250, 9000)).toEqual(["no spikes of stream B for 9 s"]);
  expect(complaints(stepQuiet(heard, batchOf("B"), 9000), view, 250, 9000)).toEqual([]);
});

test("an address where there never was a connection is named, until there is one", () => {
  const start = stepQuiet(initQuiet(0, [], "tcp://10.0.0.9:5556"), shown, 8500);
  expect(complaints(start, view, 250, 1000)).toEqual([]);
  expect(complaints(start, view, 250, 9000)).toEqual(["no connection at tcp://10.0.0.9:5556 yet", "no spikes for 9 s"]);
  const link = { kind: "acquisition", event: { type: "link", up: true } } as SessionEvent;
  expect(complaints(stepQuiet(start, link, 8000), view, 250, 9000)).toEqual(["no spikes for 9 s"]);
});
