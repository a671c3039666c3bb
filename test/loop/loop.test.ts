import { concat, EMPTY, map, type Observable, of, Subject } from "rxjs";
import { TestScheduler } from "rxjs/testing";
import { describe, expect, test } from "vitest";
import type { ServerMessage } from "../../protocols/wire/display.ts";
import type { AcquisitionEvent } from "../../server/acquisition/spike-batch.ts";
import type { Lesson } from "../../server/choice/decider.ts";
import { runLoop } from "../../server/loop.ts";
import type { DisplayEvent } from "../../server/presentation/display-server.ts";
import type { SessionEvent, SessionView } from "../../server/session/view.ts";
import { experimentOf } from "../experiment.ts";

const experiment = experimentOf(`
name: marbles
trials: 3
model: faces-64
latents: 1
stimulus: { onMs: 2, gapMs: 0 }
response: { latencyMs: 0, windowMs: 2 }
alignment: { transportMs: 0 }
choice: { objective: random, lookahead: 2 }
`);

/**
 * One frame of virtual time is 1 ms. Batches: letter b, at frame f the stream's time is f ms and 1 µs, which is more
 * than clocks could have drifted apart in a few milliseconds.
 */
const batchAt = (frame: number): AcquisitionEvent => ({
  type: "batch",
  stream: "a",
  untilS: frame / 1000 + 1e-6,
  reachedS: frame / 1000 + 1e-6,
  unit: Uint16Array.of(0),
  timeS: Float64Array.of(frame / 1000 - 0.0001),
  count: null,
  arrivedServerMs: frame + 1e-3,
});

interface Run {
  sent: string[];
  lessons: (Lesson | null)[];
  told: SessionEvent[];
  views: SessionView[];
  endedAt: number | null;
}

/** Drives the loop with marbles: when batches come, what the display says, how long deciding and synthesis take. */
function drive(marbles: {
  spikes: string;
  display: string;
  decide?: string;
  synthesise?: string;
  commands?: string;
}): Run {
  const scheduler = new TestScheduler(() => {});
  const run: Run = { sent: [], lessons: [], told: [], views: [], endedAt: null };
  scheduler.run(({ cold, hot }) => {
    let face = 0;
    const take = <T>(value: T, diagram?: string): Observable<T> => (diagram ? cold(diagram, { x: value }) : of(value));
    const display: Record<string, DisplayEvent> = {
      c: { type: "connected", agent: "marbles", frameMs: 1, unsteady: 0, last: null, serverMs: 0 },
      l: { type: "lost", reason: "closed", serverMs: 0 },
    };
    for (const n of [0, 1, 2, 3]) {
      display[String(n)] = { type: "ready", face: n, serverMs: 0 };
      // p, q, r, s: presentations 0 to 3 are confirmed.
      display["pqrs"[n]] = {
        type: "shown",
        presentation: n,
        face: n,
        frame: 0,
        displayMs: 0,
        onsetServerMs: Number.NaN,
        uncertaintyMs: 0,
        dropped: 0,
        lateFrames: 0,
        cause: "none",
        patch: true,
        dueMs: 0,
        callbackLateMs: 0,
        intervalsMs: [],
        retold: false,
        serverMs: 0,
      };
    }
    const now = () => scheduler.now();
    const commands: Record<string, "pause" | "resume" | "abort"> = { P: "pause", R: "resume", A: "abort" };
    runLoop(experiment, ["unit"], {
      acquisition$: hot(marbles.spikes).pipe(map(() => batchAt(now()))),
      display: {
        events$: hot(marbles.display, display).pipe(
          map((event) => (event.type === "shown" ? { ...event, onsetServerMs: now() } : event)),
        ),
        send(message: ServerMessage) {
          run.sent.push(`${now()} ${message.op}${message.op === "show" ? ` ${message.presentation}` : ""}`);
          return true;
        },
      },
      decider: {
        decide(lesson, count) {
          run.lessons.push(lesson);
          const choices = Array.from({ length: count }, () => ({
            latents: Float64Array.of(face++),
            reason: {
              objective: "random" as const,
              value: null,
              runnerUp: null,
              moved: null,
              candidates: 1,
              special: null,
            },
          }));
          return take(choices, marbles.decide);
        },
        change: () => EMPTY,
        adjust: () => EMPTY,
        check: () => EMPTY,
        refine: () => of({ bestUnit: null, refits: [], stop: null, digest: "" }),
      },
      realise: () => of([]),
      synthesise: (faces) =>
        concat(...faces.map(() => take({ width: 1, height: 1, pixels: new Uint8Array(4) }, marbles.synthesise))),
      unitOrders$: EMPTY,
      settingOrders$: EMPTY,
      marks$: EMPTY,
      commands$: marbles.commands ? hot(marbles.commands, commands) : new Subject(),
      gate$: EMPTY,
      told: (event) => run.told.push(event),
    }).subscribe({
      next: (view) => run.views.push(view),
      complete: () => {
        run.endedAt = now();
      },
    });
  });
  return run;
}

const trials = (run: Run) => run.told.flatMap((e) => (e.kind === "trial" ? [e.trial] : []));

describe("the loop in virtual time", () => {
  test("two faces ahead, one more for each answer, and the end with the last window", () => {
    // Onsets at 4, 6 and 8 ms; windows of 2 ms close with the batches at 6, 8 and 10 ms.
    const run = drive({ spikes: "b-b-b-b-b-b-b", display: "-c01p-q2r" });
    expect(run.sent.filter((s) => s.includes("show"))).toEqual(["2 show 0", "4 show 1", "6 show 2"]);
    expect(run.lessons.map((l) => l?.latents[0] ?? null)).toEqual([null, 0, 1, 2]);
    expect(trials(run).map((t) => [t.presentation, t.counts[0], t.flags[0]])).toEqual([
      [0, 1, "complete"],
      [1, 1, "complete"],
      [2, 1, "complete"],
    ]);
    expect(run.endedAt).toBe(10);
    expect(run.views.at(-1)!.trials).toEqual({ closed: 3, usable: 3, planned: 3 });
  });

  test("spikes go on being counted while deciding and synthesis are slow; only the faces wait", () => {
    const run = drive({
      spikes: "b-".repeat(30),
      display: "-c-------------------01p-q-------------------2-r",
      decide: "10ms (x|)",
      synthesise: "4ms (x|)",
    });
    const [first] = run.told.filter((e) => e.kind === "choice");
    expect(first).toBeDefined();
    // Decided at 10 ms, and two faces of 4 ms each, one after the other.
    expect(run.sent.filter((s) => s.endsWith("face"))).toEqual(["14 face", "18 face", "40 face"]);
    // The first window closed at 26 ms while nobody waited for it; its lesson took until 36 ms to become a choice.
    expect(trials(run).map((t) => Math.floor(t.closedServerMs))).toEqual([26, 28, 50]);
  });

  test("pause holds the next face back, resume asks for it at once", () => {
    const run = drive({
      spikes: "b-b-b-b-b-b-b-b-b-b-b-b",
      display: "-c01p-------q2r",
      commands: "---P------R",
    });
    expect(run.sent.filter((s) => s.includes("show"))).toEqual(["2 show 0", "10 show 1", "12 show 2"]);
    expect(run.views.map((v) => v.state)).toContain("paused");
  });

  test("abort ends the session at once, with what was known", () => {
    const run = drive({ spikes: "b-b-b-b-b-b-b-b-b", display: "-c01p-q", commands: "-------A" });
    expect(run.endedAt).toBe(7);
    expect(run.views.at(-1)!.trials.closed).toBe(1);
  });

  test("a lost display marks the trial that was on it, and the unconfirmed face is shown again", () => {
    const run = drive({ spikes: "b-b-b-b-b-b-b-b-b-b-b-b-b", display: "-c01pl-c-1---r2------s" });
    expect(trials(run)[0].flags).toEqual(["aborted"]);
    expect(run.lessons[1]).toMatchObject({ counts: null });
    expect(run.told.flatMap((e) => (e.kind === "plan" ? e.output.aborted : []))).toEqual([
      { presentation: 1, face: 1 },
    ]);
    expect(run.sent.filter((s) => s.includes("show"))).toEqual(["2 show 0", "4 show 1", "9 show 2", "13 show 3"]);
  });
});
