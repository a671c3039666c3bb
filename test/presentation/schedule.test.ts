import fc from "fast-check";
import { expect, test } from "vitest";
import {
  initSchedule,
  type ScheduleInput,
  type ScheduleReport,
  type ScheduleState,
  stepSchedule,
} from "../../stimulus-client/schedule.ts";

const FRAME_MS = 1000 / 60;

/** Runs inputs through the schedule; `frames(n)` are n punctual frames. */
function rehearsal(frameMs = FRAME_MS) {
  let state: ScheduleState = initSchedule(frameMs);
  let nowMs = 1000;
  const reports: ScheduleReport[] = [];
  const feed = (input: ScheduleInput) => {
    const [next, more] = stepSchedule(state, input);
    state = next;
    reports.push(...more);
  };
  return {
    feed,
    reports,
    state: () => state,
    face: (face: number) => feed({ type: "ready", face }),
    show: (presentation: number, face: number, periodMs: number | null = null, onMs = 100) =>
      feed({ type: "show", presentation, face, onMs, periodMs }),
    frames(n: number, jitterMs = 0) {
      for (let i = 0; i < n; i++) feed({ type: "frame", displayMs: (nowMs += frameMs) + jitterMs });
    },
    /** `n` frames go by without a callback. */
    drop(n: number) {
      nowMs += n * frameMs;
    },
    shown: () => reports.filter((report) => report.op === "shown"),
    hidden: () => reports.filter((report) => report.op === "hidden"),
  };
}

test("S4: a face is on for the whole number of frames nearest to onMs", () => {
  const { face, show, frames, hidden } = rehearsal();
  face(0);
  // 100 ms / 16.67 ms = 6 frames; 90 ms = 5.4 → 5; 1 ms would be 0, but no face is shown for less than a frame.
  for (const [presentation, onMs] of [100, 90, 1].entries()) {
    show(presentation, 0, null, onMs);
    frames(10);
  }
  expect(hidden().map(({ frames }) => frames)).toEqual([6, 5, 1]);
});

test("S5: the next face is due a whole number of frames after the onset before it", () => {
  const { face, show, frames, shown } = rehearsal();
  face(0);
  frames(1);
  show(0, 0);
  for (let presentation = 1; presentation < 4; presentation++) show(presentation, 0, 200);
  frames(60);
  // 200 ms are 12 frames; the first is due at the frame after it was asked for.
  expect(shown().map(({ frame }) => frame)).toEqual([1, 13, 25, 37]);
  expect(shown().every(({ lateFrames, cause }) => lateFrames === 0 && cause === "none")).toBe(true);
});

test("S5: faces back to back follow each other without a background between", () => {
  const { face, show, frames, shown, hidden, state } = rehearsal();
  face(0);
  face(1);
  show(0, 0, null, 50);
  show(1, 1, 50, 50);
  frames(3);
  expect(state().picture.face).toBe(0);
  frames(1);
  expect(state().picture.face).toBe(1);
  expect([hidden()[0].frame, shown()[1].frame]).toEqual([3, 3]);
});

test("S5: the next face never cuts the one before it short", () => {
  const { face, show, frames, shown, hidden } = rehearsal();
  face(0);
  show(0, 0);
  show(1, 0, 50);
  frames(2);
  show(2, 0);
  frames(30);
  expect(hidden().map(({ frames }) => frames)).toEqual([6, 6, 6]);
  expect(shown().map(({ lateFrames }) => lateFrames)).toEqual([0, 0, 0]);
});

test("S6: a face that is not ready when due is shown once it is, and never another in its place", () => {
  const { face, show, frames, shown, state } = rehearsal();
  face(0);
  frames(1);
  show(0, 0);
  show(1, 9, 200);
  frames(20);
  expect(state().picture.face).toBeNull();
  face(9);
  frames(1);
  // Due at frame 1 + 12 = 13, shown at frame 21.
  expect(shown()[1]).toMatchObject({ face: 9, frame: 21, lateFrames: 8, cause: "face-missing" });
});

test("S6: a show that comes after its due frame is late", () => {
  const { face, show, frames, shown } = rehearsal();
  face(0);
  show(0, 0);
  frames(13);
  show(1, 0, 200);
  frames(1);
  expect(shown()[1]).toMatchObject({ frame: 13, lateFrames: 1, cause: "show-late" });
});

test("S6: a due frame that the display dropped makes the face late", () => {
  const { face, show, frames, drop, shown } = rehearsal();
  face(0);
  show(0, 0);
  show(1, 0, 200);
  frames(11);
  drop(3);
  frames(1);
  // Frames 11 to 13 were lost, 12 was due.
  expect(shown()[1]).toMatchObject({ frame: 14, lateFrames: 2, cause: "frame-dropped", dropped: 3 });
});

test("S6: the cause is the condition met last; one met during the due frame itself is already late", () => {
  const lateness = (happen: (rig: ReturnType<typeof rehearsal>) => void) => {
    const rig = rehearsal();
    rig.face(0);
    rig.show(0, 0);
    // Onset at frame 0; what follows 200 ms later is due at frame 12.
    happen(rig);
    rig.frames(1);
    const { lateFrames, cause } = rig.shown()[1];
    return [lateFrames, cause];
  };
  const ready = (after: number, show: (rig: ReturnType<typeof rehearsal>) => void) =>
    lateness((rig) => {
      show(rig);
      rig.frames(after);
      rig.face(1);
    });
  const early = (rig: ReturnType<typeof rehearsal>) => rig.show(1, 1, 200);
  expect(ready(12, early)).toEqual([0, "none"]);
  expect(ready(13, early)).toEqual([1, "face-missing"]);
  expect(
    lateness((rig) => {
      rig.frames(14);
      rig.face(1);
      rig.frames(2);
      rig.show(1, 1, 200);
    }),
  ).toEqual([4, "show-late"]);
  expect(
    lateness((rig) => {
      rig.frames(14);
      rig.show(1, 1, 200);
      rig.frames(2);
      rig.face(1);
    }),
  ).toEqual([4, "face-missing"]);
});

test("S6: the period runs from the true onset, so one late face does not make the next one late", () => {
  const { face, show, frames, shown } = rehearsal();
  show(0, 0);
  show(1, 0, 200);
  frames(5);
  face(0);
  frames(30);
  expect(shown().map(({ frame, lateFrames }) => [frame, lateFrames])).toEqual([
    [5, 5],
    [17, 0],
  ]);
});

test("S7: frames dropped while a face was on count as time that it was on", () => {
  const { face, show, frames, drop, hidden } = rehearsal();
  face(0);
  show(0, 0);
  frames(3);
  drop(2);
  frames(2);
  // On at frame 0; frames 3 and 4 lost; 5 is the last of six.
  expect(hidden()[0]).toMatchObject({ frame: 6, frames: 6 });
});

test("S7: each onset tells of the frames dropped since the one before it", () => {
  const { face, show, frames, drop, shown } = rehearsal();
  face(0);
  frames(1);
  drop(2);
  frames(1);
  for (const lost of [0, 3, 0]) {
    show(shown().length, 0);
    frames(2);
    drop(lost);
    frames(20);
  }
  show(3, 0);
  frames(1);
  expect(shown().map(({ dropped }) => dropped)).toEqual([2, 0, 3, 0]);
});

test("S7: late callbacks within a frame are no dropped frames, whole gaps are", () => {
  const { feed, state } = rehearsal(10);
  // Callbacks run up to 7 ms after their frame began.
  for (let i = 0; i < 500; i++) feed({ type: "frame", displayMs: 50 + i * 10 + [0, 7, 2, 0, 5][i % 5] });
  expect(state().count.frame).toBe(499);
  feed({ type: "frame", displayMs: 50 + 503 * 10 });
  expect(state().count).toMatchObject({ frame: 503, missed: 3 });
});

test("S7: an interval measured a little wrong does not add or lose frames over an hour", () => {
  for (const error of [-0.002, 0.002]) {
    const { feed, state } = rehearsal(FRAME_MS * (1 + error));
    for (let i = 0; i < 216_000; i++) feed({ type: "frame", displayMs: 7 + i * FRAME_MS });
    expect(state().count.frame).toBe(215_999);
  }
});

test("S8: clear takes the face off at the next frame and cancels what was due, by number", () => {
  const { face, show, frames, feed, reports, state } = rehearsal();
  face(0);
  show(0, 0);
  show(1, 0, 200);
  show(2, 0, 200);
  frames(2);
  feed({ type: "clear" });
  frames(30);
  expect(state().picture.face).toBeNull();
  expect(reports.slice(1)).toMatchObject([
    { op: "cancelled", presentation: 1, reason: "cleared" },
    { op: "cancelled", presentation: 2, reason: "cleared" },
    { op: "hidden", presentation: 0, frame: 2, frames: 2 },
  ]);
  show(3, 0);
  frames(1);
  expect(reports.at(-1)).toMatchObject({ op: "shown", presentation: 3, lateFrames: 0 });
});

test("S8: a presentation asked for again, or out of order, is refused", () => {
  const { face, show, frames, reports, shown } = rehearsal();
  face(0);
  show(4, 0);
  frames(10);
  show(4, 0);
  show(3, 0);
  frames(10);
  expect(shown()).toHaveLength(1);
  expect(reports.filter(({ op }) => op === "cancelled")).toMatchObject([
    { presentation: 4, reason: "repeated" },
    { presentation: 3, reason: "repeated" },
  ]);
});

test("S12: the patch toggles at each onset and at nothing else", () => {
  const { face, show, frames, state } = rehearsal();
  face(0);
  const levels: boolean[] = [];
  for (let presentation = 0; presentation < 4; presentation++) {
    show(presentation, 0);
    frames(1);
    levels.push(state().picture.patch);
    frames(15);
    expect(state().picture).toMatchObject({ face: null, patch: levels.at(-1) });
  }
  expect(levels).toEqual([true, false, true, false]);
});

/** Any mixture of punctual and late frames, drops, shows, faces, releases and clears. */
const happenings = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: fc.record({ do: fc.constant("frames" as const), n: fc.integer({ min: 1, max: 20 }) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("drop" as const), n: fc.integer({ min: 1, max: 5 }) }) },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant("show" as const),
        face: fc.integer({ min: 0, max: 3 }),
        onMs: fc.integer({ min: 1, max: 200 }),
        periodMs: fc.option(fc.integer({ min: 1, max: 300 })),
      }),
    },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("face" as const), face: fc.integer({ min: 0, max: 3 }) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("release" as const), face: fc.integer({ min: 0, max: 3 }) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("clear" as const) }) },
  ),
  { maxLength: 60 },
);

test("S4 to S8 hold whatever happens in whatever order", () => {
  fc.assert(
    fc.property(happenings, (script) => {
      const { feed, frames, drop, reports, state, shown, hidden } = rehearsal();
      const asked: { onMs: number; face: number }[] = [];
      const ready = new Set<number>();
      const cleared = new Set<number>();
      let justDropped = false;
      let lateWithoutDrop = 0;
      for (const step of script) {
        switch (step.do) {
          case "frames":
            for (let i = 0; i < step.n; i++) {
              const before = reports.length;
              frames(1);
              for (const report of reports.slice(before)) {
                if (report.op !== "shown") continue;
                // Never a face that is not on the GPU, and never another than the one asked for.
                expect(ready.has(report.face)).toBe(true);
                expect(report.face).toBe(asked[report.presentation].face);
                if (report.cause === "frame-dropped" && !justDropped) lateWithoutDrop++;
              }
              justDropped = false;
            }
            break;
          case "drop":
            drop(step.n);
            justDropped = true;
            break;
          case "show":
            feed({
              type: "show",
              presentation: asked.length,
              face: step.face,
              onMs: step.onMs,
              periodMs: step.periodMs,
            });
            asked.push(step);
            break;
          case "face":
            ready.add(step.face);
            feed({ type: "ready", face: step.face });
            break;
          case "release":
            ready.delete(step.face);
            feed({ type: "release", face: step.face });
            break;
          case "clear": {
            const on = state().showing;
            if (on !== null) cleared.add(on.presentation);
            feed({ type: "clear" });
          }
        }
      }
      const onsets = shown();
      const numbers = onsets.map(({ presentation }) => presentation);
      expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
      expect(lateWithoutDrop).toBe(0);
      for (const { lateFrames, cause } of onsets) expect(lateFrames === 0).toBe(cause === "none");
      for (const off of hidden()) {
        const onset = onsets.find(({ presentation }) => presentation === off.presentation)!;
        expect(off.frames).toBe(off.frame - onset.frame);
        const whole = Math.max(1, Math.round(asked[off.presentation].onMs / FRAME_MS));
        if (!cleared.has(off.presentation)) expect(off.frames).toBeGreaterThanOrEqual(whole);
      }
      // Every presentation asked for has come to exactly one end, is on the screen, or still waits.
      const waiting = state().waiting.length;
      const cancelled = reports.filter(({ op }) => op === "cancelled").length;
      expect(onsets.length + cancelled + waiting).toBe(asked.length);
      expect(onsets.length - hidden().length).toBe(state().showing === null ? 0 : 1);
    }),
    { numRuns: 500 },
  );
});
