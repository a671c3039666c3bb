import { describe, expect, test } from "vitest";
import { initPlan, type PlanInput, type PlanOutput, stepPlan } from "../../server/presentation/plan.ts";

const face = (n: number, answersServerMs: number | null = null): PlanInput => ({
  type: "face",
  face: n,
  choice: {
    latents: Float64Array.of(n),
    reason: { objective: "random", value: null, runnerUp: null, moved: null, candidates: 1, special: null },
  },
  width: 1,
  height: 1,
  pixels: new Uint8Array(4),
  answersServerMs,
});
const connected: PlanInput = { type: "connected", agent: "test", frameMs: 16, unsteady: 0, last: null, serverMs: 0 };
const ready = (n: number, serverMs = 0): PlanInput => ({ type: "ready", face: n, serverMs });
const shown = (presentation: number, n: number, cause: "none" | "face-missing" | "show-late" = "none"): PlanInput => ({
  type: "shown",
  presentation,
  face: n,
  frame: 0,
  displayMs: 0,
  onsetServerMs: 100 * presentation,
  uncertaintyMs: 1,
  dropped: 0,
  lateFrames: cause === "none" ? 0 : 3,
  cause,
  patch: presentation % 2 === 0,
  dueMs: 0,
  callbackLateMs: 0,
  intervalsMs: [],
  retold: false,
  serverMs: 0,
});

function run(inputs: PlanInput[], gated = false): PlanOutput[] {
  let state = initPlan({ onMs: 200, periodMs: 250, gatedMs: 200, gated });
  return inputs.map((input) => {
    const [next, output] = stepPlan(state, input);
    state = next;
    return output;
  });
}
const ops = (outputs: PlanOutput[]) =>
  outputs.map(({ messages }) => messages.map((m) => (m.op === "show" ? `show ${m.presentation}/${m.face}` : m.op)));

describe("S plan", () => {
  test("the first face waits for display, spikes and texture; the next is asked for when the one before is on", () => {
    const outputs = run([
      face(0),
      connected,
      { type: "streaming" },
      ready(0),
      face(1),
      shown(0, 0),
      face(2),
      shown(1, 1),
    ]);
    expect(ops(outputs)).toEqual([
      [],
      ["face"],
      [],
      ["show 0/0"],
      ["face"],
      ["show 1/1"],
      ["face"],
      ["release", "show 2/2"],
    ]);
    const shows = outputs.flatMap((o) => o.messages).filter((m) => m.op === "show");
    expect(shows.map((m) => m.periodMs)).toEqual([null, 250, 250]);
    expect(outputs[5].onsets[0]).toMatchObject({ presentation: 0, face: 0, onsetServerMs: 0 });
  });

  test("a display that is lost: what was asked and not confirmed is aborted, and shown again under a new number", () => {
    const outputs = run([
      { type: "streaming" },
      face(0),
      face(1),
      connected,
      ready(0),
      { type: "lost", reason: "closed", serverMs: 0 },
      connected,
      ready(0),
    ]);
    expect(outputs[6].aborted).toEqual([{ presentation: 0, face: 0 }]);
    expect(ops(outputs).slice(6)).toEqual([["face", "face"], ["show 1/0"]]);
  });

  test("S3: what was shown and not told before the connection was lost is told once more, and never shown again", () => {
    const outputs = run([
      { type: "streaming" },
      face(0),
      face(1),
      connected,
      ready(0),
      { type: "lost", reason: "closed", serverMs: 0 },
      { ...connected, last: 0 } as PlanInput,
      { ...shown(0, 0), retold: true } as PlanInput,
      ready(0),
      ready(1),
    ]);
    expect(outputs.flatMap((o) => o.aborted)).toEqual([]);
    expect(outputs[7].onsets).toMatchObject([{ presentation: 0, face: 0, interrupted: true }]);
    expect(ops(outputs).slice(6)).toEqual([["face", "face"], ["release"], [], ["show 1/1"]]);
  });

  test("S14: nothing is asked for while the page is hidden", () => {
    const visibility = (visible: boolean): PlanInput => ({ type: "visibility", visible, serverMs: 0 });
    const outputs = run([
      { type: "streaming" },
      face(0),
      connected,
      ready(0),
      visibility(false),
      { type: "cancelled", presentation: 0, reason: "cleared", serverMs: 0 },
      visibility(true),
    ]);
    expect(ops(outputs).slice(3)).toEqual([["show 0/0"], ["clear"], [], ["show 1/0"]]);
  });

  test("pause holds the next face back; after resume it comes at the next frame, not a period after", () => {
    const outputs = run([
      { type: "streaming" },
      connected,
      face(0),
      ready(0),
      { type: "pause" },
      shown(0, 0),
      face(1),
      ready(1),
      { type: "resume" },
    ]);
    expect(ops(outputs).slice(4)).toEqual([[], [], ["face"], [], ["show 1/1"]]);
    const last = outputs[8].messages[0];
    expect(last.op === "show" && last.periodMs).toBeNull();
  });

  test("deadline missed: the face was due and not there; the first face has no deadline", () => {
    const outputs = run([
      { type: "streaming" },
      connected,
      face(0),
      ready(0),
      shown(0, 0, "show-late"),
      face(1),
      shown(1, 1, "face-missing"),
    ]);
    expect(outputs.map((o) => o.deadlineMissed)).toEqual([false, false, false, false, false, false, true]);
  });

  test("last spike to ready is told once, from the message that completed the trial to the first ready", () => {
    const outputs = run([connected, face(3, 1000), ready(3, 1011.5), ready(3, 1020)]);
    expect(outputs.map((o) => o.lastSpikeToReadyMs)).toEqual([[], [], [11.5], []]);
  });

  test("a face that waited for a display says nothing about the loop's speed", () => {
    const lost: PlanInput = { type: "lost", reason: "closed", serverMs: 0 };
    const outputs = run([face(0, 1000), connected, ready(0, 61_000), lost, connected, ready(0, 90_000)]);
    expect(outputs.flatMap((o) => o.lastSpikeToReadyMs)).toEqual([]);
  });

  test("a report for a presentation that was not asked for changes nothing", () => {
    const outputs = run([{ type: "streaming" }, connected, face(0), ready(0), shown(7, 0)]);
    expect(outputs[4]).toMatchObject({ messages: [], onsets: [] });
  });

  const gate = (open: boolean, serverMs: number): PlanInput => ({ type: "gate", open, why: "", sent: null, serverMs });

  test("G2, G3: no face before the gate opens; one that it closes on is taken off and comes again, before the others", () => {
    const outputs = run(
      [
        { type: "streaming" },
        connected,
        face(0),
        ready(0),
        gate(true, 0),
        shown(0, 0),
        face(1),
        ready(1),
        gate(false, 150),
        { type: "cancelled", presentation: 1, reason: "cleared", serverMs: 151 },
        gate(true, 400),
        shown(2, 0),
      ],
      true,
    );
    expect(ops(outputs).slice(3)).toEqual([
      [],
      ["show 0/0"],
      [],
      ["face", "show 1/1"],
      [],
      ["clear"],
      [],
      ["show 2/0"],
      ["show 3/1"],
    ]);
    expect(outputs[8].broken).toEqual([{ presentation: 0, face: 0 }]);
    expect(outputs[9].aborted).toEqual([{ presentation: 1, face: 1 }]);
    const again = outputs[10].messages[0];
    expect(again.op === "show" && again.periodMs).toBeNull();
  });

  test("G3: a face that has had its time is not broken", () => {
    const outputs = run(
      [{ type: "streaming" }, connected, face(0), ready(0), gate(true, 0), shown(0, 0), gate(false, 200)],
      true,
    );
    expect(outputs[6]).toMatchObject({ broken: [], messages: [{ op: "clear" }] });
  });

  test("G3: a face that comes on while the gate's closing is on its way is broken at once", () => {
    const outputs = run(
      [{ type: "streaming" }, connected, face(0), ready(0), gate(true, 0), gate(false, 1), shown(0, 0), gate(true, 9)],
      true,
    );
    expect(outputs[6]).toMatchObject({ onsets: [{ presentation: 0 }], broken: [{ presentation: 0, face: 0 }] });
    expect(ops(outputs)[7]).toEqual(["show 1/0"]);
  });
});

test("O2: skip takes off the face on the screen; what was asked for comes again once the display has let go of it", () => {
  const outputs = run([
    face(0),
    connected,
    { type: "streaming" },
    ready(0),
    face(1),
    ready(1),
    shown(0, 0),
    { type: "skip" },
    { type: "cancelled", presentation: 1, reason: "cleared", serverMs: 0 },
  ]);
  expect(outputs[7]).toMatchObject({ skipped: [0], messages: [{ op: "clear" }, { op: "release", face: 0 }] });
  expect(outputs[8].messages).toMatchObject([{ op: "show", presentation: 2, face: 1, periodMs: null }]);
});

const whileOneIsAsked = (...inputs: PlanInput[]) =>
  run([
    { type: "streaming" },
    connected,
    face(0),
    ready(0),
    face(1),
    ready(1),
    shown(0, 0),
    face(2),
    ready(2),
    ...inputs,
  ]);

test("T4, O5: a face that comes on while skip's clear is on its way is cut short: aborted, and not skipped", () => {
  const outputs = whileOneIsAsked({ type: "skip" }, shown(1, 1)).slice(9);
  expect(outputs[0]).toMatchObject({ skipped: [0] });
  expect(outputs[1]).toMatchObject({ onsets: [{ presentation: 1, interrupted: true }], skipped: [], broken: [] });
  expect(ops(outputs)[1]).toEqual(["release", "show 2/2"]);
});

test("T4, S14: so is one that comes on between a hidden page's return and the clear", () => {
  const visibility = (visible: boolean): PlanInput => ({ type: "visibility", visible, serverMs: 0 });
  const outputs = whileOneIsAsked(visibility(false), visibility(true), shown(1, 1)).slice(9);
  expect(outputs[2].onsets).toMatchObject([{ presentation: 1, interrupted: true }]);
});

test("O5, G3: a gate that closes after a skip does not bring the skipped face again", () => {
  const closed: PlanInput = { type: "gate", open: false, why: "", sent: null, serverMs: 50 };
  const outputs = whileOneIsAsked({ type: "skip" }, closed).slice(9);
  expect(outputs[1].broken).toEqual([]);
});
