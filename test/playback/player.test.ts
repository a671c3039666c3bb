import { describe, expect, test } from "vitest";
import type { DisplayMessage } from "../../protocols/wire/display.ts";
import {
  closedBy,
  initPlayer,
  isOver,
  type PlayerInput,
  stepPlayer,
  wakeServerMs,
} from "../../server/playback/player.ts";
import { type Script, scriptOf } from "../../server/playback/script.ts";
import type { SessionEvent } from "../../server/session/view.ts";
import { openVirtualSession } from "../../sim/study/virtual.ts";
import { initSchedule, stepSchedule } from "../../stimulus-client/schedule.ts";
import { virtualExperiment } from "../experiment.ts";

const FRAME_MS = 1000 / 60;
const TRIALS = 12;
const experiment = virtualExperiment("again", TRIALS, "{ objective: random }");
function virtualEvents(): SessionEvent[] {
  const events: SessionEvent[] = [];
  const session = openVirtualSession(experiment, 3, (event) => events.push(event));
  while (session.advance());
  return events;
}
const events = virtualEvents();
const script = scriptOf(events, experiment.stimulus.onMs);

interface Seen {
  face: number;
  serverMs: number;
  closed: number;
}

/** Plays to the display's own schedule on virtual frames, with the worst that a timer may do; `hidden`: while the tab is not in front. */
function playOn(script: Script, speed: number, hidden: [number, number] | null = null) {
  let state = initPlayer(script, speed);
  let schedule = initSchedule(FRAME_MS);
  let ms = 0;
  const seen: Seen[] = [];
  const sent: number[] = [];
  const arrived: number[] = [];
  const take = (input: PlayerInput) => {
    const [next, output] = stepPlayer(state, input);
    state = next;
    sent.push(...output.faces);
    arrived.push(...output.faces);
    for (const message of output.messages)
      if (message.op === "show") display({ type: "show", ...message });
      else if (message.op === "clear") display({ type: "clear" });
  };
  const display = (input: Parameters<typeof stepSchedule>[1]) => {
    const [next, reports] = stepSchedule(schedule, input);
    schedule = next;
    for (const report of reports) take(eventOf(report, ms));
  };
  take({ type: "connected", agent: "", frameMs: FRAME_MS, unsteady: 0, last: null, serverMs: ms });
  for (let frame = 1; frame < 10_000 && !isOver(state, ms); frame++) {
    ms = frame * FRAME_MS;
    if (hidden && Math.abs(ms - hidden[0]) < FRAME_MS / 2) take({ type: "visibility", visible: false, serverMs: ms });
    if (hidden && Math.abs(ms - hidden[1]) < FRAME_MS / 2) take({ type: "visibility", visible: true, serverMs: ms });
    for (const face of arrived.splice(0)) display({ type: "ready", face });
    if (!hidden || ms < hidden[0] || ms >= hidden[1]) display({ type: "frame", displayMs: ms });
    if ((wakeServerMs(state, ms) ?? Number.POSITIVE_INFINITY) <= ms) take({ type: "tick", serverMs: ms });
  }
  return { seen, sent, endMs: ms, closed: closedBy(state, ms), isOver: isOver(state, ms) };

  function eventOf(report: Extract<DisplayMessage, { op: "shown" | "hidden" | "cancelled" }>, serverMs: number) {
    const { op: type, ...body } = report;
    if (report.op === "shown") seen.push({ face: report.face, serverMs, closed: closedBy(state, serverMs) });
    return { type, ...body, onsetServerMs: serverMs, uncertaintyMs: 0, retold: false, serverMs } as PlayerInput;
  }
}

const intervals = (times: readonly number[]) => times.slice(1).map((ms, i) => ms - times[i]);

describe("J15 a session's faces again", () => {
  test("a script has every face that was shown, when and for how long, and when trials closed", () => {
    expect(script.shown.map(({ face }) => face)).toEqual(Array.from({ length: TRIALS }, (_, i) => i));
    expect(script.shown[0].atMs).toBe(0);
    // 150 ms are nine frames, 100 ms six.
    for (const ms of intervals(script.shown.map(({ atMs }) => atMs))) expect(ms).toBeCloseTo(9 * FRAME_MS, 6);
    for (const { onMs } of script.shown.slice(0, -1)) expect(onMs).toBeCloseTo(6 * FRAME_MS, 6);
    expect(script.closedMs).toHaveLength(TRIALS);
    expect(Math.min(...intervals(script.closedMs))).toBeGreaterThanOrEqual(0);
    const [trial] = events.flatMap((event) => (event.kind === "trial" ? [event.trial] : []));
    const [onset] = events.flatMap((event) => (event.kind === "plan" ? event.output.onsets : []));
    expect(script.closedMs[0]).toBe(trial.closedServerMs - onset.onsetServerMs);
  });

  test("at real time each comes at the frame at which it came, and after the trials that had closed by then", () => {
    const { seen, closed, isOver } = playOn(script, 1);
    expect(isOver).toBe(true);
    expect(closed).toBe(TRIALS);
    expect(seen.map(({ face }) => face)).toEqual(script.shown.map((_, i) => i));
    const off = seen.map(({ serverMs }, i) => serverMs - seen[0].serverMs - script.shown[i].atMs);
    expect(Math.max(...off.map(Math.abs))).toBeLessThan(FRAME_MS / 2);
    const closedBefore = script.shown.map(({ atMs }) => script.closedMs.filter((ms) => ms <= atMs).length);
    expect(seen.map((one) => one.closed)).toEqual(closedBefore);
  });

  test.each([0.5, 2, 3])("at %s times, at the frame nearest to its time: rounding does not add up", (speed) => {
    const { seen, endMs } = playOn(script, speed);
    const off = seen.map(({ serverMs }, i) => serverMs - seen[0].serverMs - script.shown[i].atMs / speed);
    expect(Math.max(...off.map(Math.abs))).toBeLessThan(0.51 * FRAME_MS);
    expect(endMs - seen[0].serverMs).toBeCloseTo(script.endMs / speed, -2);
  });

  test("max: a face a frame, whatever pauses there were", () => {
    const paused = {
      ...script,
      shown: script.shown.map((one, i) => ({ ...one, atMs: one.atMs + (i > 5 ? 600_000 : 0) })),
    };
    const { seen, closed } = playOn({ ...paused, endMs: script.endMs + 600_000 }, Number.POSITIVE_INFINITY);
    for (const ms of intervals(seen.map(({ serverMs }) => serverMs))) expect(ms).toBeCloseTo(FRAME_MS, 6);
    expect(closed).toBe(TRIALS);
  });

  test("a pause is as long as it was", () => {
    const shown = script.shown.map((one, i) => ({ ...one, atMs: one.atMs + (i > 5 ? 3000 : 0) }));
    const { seen } = playOn({ ...script, shown, endMs: script.endMs + 3000 }, 1);
    expect(seen[6].serverMs - seen[5].serverMs).toBeCloseTo(3000 + 9 * FRAME_MS, -1);
  });

  test("while the display can't be seen time stands: nothing is missed, and what was to come comes as long after", () => {
    const { seen, closed } = playOn(script, 1, [60 * FRAME_MS + 400, 60 * FRAME_MS + 2400]);
    expect(seen.map(({ face }) => face)).toEqual(script.shown.map((_, i) => i));
    expect(seen[TRIALS - 1].serverMs - seen[0].serverMs).toBeCloseTo(script.shown[TRIALS - 1].atMs + 2000, -2);
    expect(closed).toBe(TRIALS);
  });

  test("a session that went on where a clock had been set back goes on where it was", () => {
    const back = events.map((event, i): SessionEvent => {
      if (i < events.length / 2) return event;
      if (event.kind === "plan") {
        const onsets = event.output.onsets.map((one) => ({ ...one, onsetServerMs: one.onsetServerMs - 3_600_000 }));
        return { ...event, output: { ...event.output, onsets } };
      }
      if (event.kind !== "trial") return event;
      return { ...event, trial: { ...event.trial, closedServerMs: event.trial.closedServerMs - 3_600_000 } };
    });
    const { shown, closedMs } = scriptOf(back, 100);
    expect(Math.min(...intervals(shown.map(({ atMs }) => atMs)))).toBeGreaterThanOrEqual(0);
    expect(Math.min(...intervals(closedMs))).toBeGreaterThanOrEqual(0);
    expect(shown.at(-1)!.atMs).toBeLessThan(script.endMs + 1000);
  });
});
