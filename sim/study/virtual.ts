import { EMPTY, from, type Observable, of, Subject, VirtualTimeScheduler } from "rxjs";
import type { Experiment } from "../../protocols/experiment.ts";
import type { DisplayMessage, ServerMessage } from "../../protocols/wire/display.ts";
import type { AcquisitionEvent } from "../../server/acquisition/spike-batch.ts";
import { createDecider, type Findings, refitterSettings } from "../../server/choice/decider.ts";
import { runLoop } from "../../server/loop.ts";
import type { DisplayEvent } from "../../server/presentation/display-server.ts";
import { random } from "../../server/random.ts";
import { deciderSettings } from "../../server/session/settings.ts";
import { type SessionEvent, type SessionView, waitingView } from "../../server/session/view.ts";
import type { Edge } from "../../server/trials/edges.ts";
import { refitsHere } from "../../server/tuning/refits-here.ts";
import type { UnitReport } from "../../server/tuning/report.ts";
import { initSchedule, stepSchedule } from "../../stimulus-client/schedule.ts";
import { createBrain } from "../neurons/brain.ts";
import { createPopulation, onOneStream, type SimulatedUnit, standInNames } from "../neurons/unit.ts";
import { PANEL_MS } from "../rig/photodiode.ts";

export interface VirtualSession {
  view: SessionView;
  reports: UnitReport[];
  units: SimulatedUnit[];
  spikes: number;
}

const FRAME_MS = 1000 / 60;
/** Spikes come in blocks, as from an Open Ephys GUI. */
const BLOCK_MS = 20;
const STREAM = "sim";
/** The recording system's clock begins somewhere else than the server's. */
const STREAM_STARTS_AT_S = 1000;

/**
 * A whole session on simulated neurons in virtual time, run to its end: see `openVirtualSession`.
 */
export function runVirtualSession(
  experiment: Experiment,
  seed: number,
  told: (event: SessionEvent, virtualMs: number) => void = () => {},
): VirtualSession {
  const session = openVirtualSession(experiment, seed, told);
  while (session.advance());
  return session.result();
}

export interface RunningVirtualSession {
  /** Computes a second of the session; false once it has ended. Throws if nothing happens any more, or what the loop throws. */
  advance(): boolean;
  view(): SessionView;
  units: SimulatedUnit[];
  /** What is known by now; may be asked in the middle of the session, also from within `told`, and changes nothing. */
  reports(): UnitReport[];
  /** The same, with every unit examined for what the model of its tuning leaves out: as of when it is called. */
  examine(): Promise<UnitReport[]>;
  /** All that the session has found; to be asked at its end. */
  conclude(): Promise<Findings>;
  /** Ends the session; what is known by now. */
  result(): VirtualSession;
}

/** Virtual seconds without a trial after which a session never will have one: the longest period and window are shorter. */
const STALLED_S = 3600;

/**
 * A session on simulated neurons in virtual time: the loop of a live session, with the display's own schedule and the
 * rig's own neurons on a virtual clock. Nothing waits, and the same seed gives the same session bit for bit. Faces are not
 * decoded: nobody looks.
 */
export function openVirtualSession(
  given: Experiment,
  seed: number,
  told: (event: SessionEvent, virtualMs: number) => void,
): RunningVirtualSession {
  const experiment = onOneStream(given);
  const time = new VirtualTimeScheduler();
  const root = random(seed);
  const { simulation, latents, alignment } = experiment;
  const units = createPopulation(simulation ?? {}, latents, root.split("population"), standInNames(experiment));
  const brain = createBrain(units, STREAM_STARTS_AT_S, root.split("brain"), simulation?.adaptation);
  const neuralS = (ms: number) => STREAM_STARTS_AT_S + ms / 1000;
  const names = units.map((unit) => unit.name);
  const settings = deciderSettings(experiment, names);
  const decider = createDecider(settings, root.split("decider"), refitsHere(refitterSettings(settings)));
  const latentsOf = new Map<number, Float64Array>();
  const display = createVirtualDisplay(time);
  let spikes = 0;

  const panelMs = alignment.method === "photodiode" ? PANEL_MS : 0;
  /** Changes of the patch that are still to come on the screen, where a photodiode sees them. */
  let edges: Edge[] = [];
  const acquisition$ = ticks(time, BLOCK_MS, (ms): AcquisitionEvent[] => {
    const untilS = neuralS(ms);
    const heard = { stream: STREAM, arrivedServerMs: ms };
    const passed = edges.filter(({ timeS }) => timeS < untilS);
    edges = edges.filter(({ timeS }) => timeS >= untilS);
    const fired = brain.fire(untilS);
    spikes += fired.unit.length;
    return [
      ...passed.map(({ timeS, level: state }) => ({
        ...heard,
        type: "ttl" as const,
        line: alignment.line,
        state,
        timeS,
      })),
      { ...heard, type: "batch", untilS, reachedS: untilS, ...fired, count: null },
    ];
  });

  let view = waitingView(experiment.trials);
  let closedAtMs = 0;
  let failure: unknown;
  let completed = false;
  const session = runLoop(experiment, names, {
    acquisition$,
    display: { events$: display.events$, send: display.send },
    decider: {
      decide: (lesson, count) => of(decider.decide(lesson, count)),
      refine: () => of(decider.refine()),
      change: (unit, change) => of(decider.change(unit, change)),
      adjust: (adjustment) => of(decider.adjust(adjustment)),
      check: (faces) => of(decider.check(faces)),
    },
    synthesise: (faces) => from(faces.map(() => ({ width: 1, height: 1, pixels: new Uint8Array(4) }))),
    realise: () => of([]),
    commands$: EMPTY,
    unitOrders$: EMPTY,
    settingOrders$: EMPTY,
    marks$: EMPTY,
    gate$: EMPTY,
    told(event) {
      if (event.kind === "choice") latentsOf.set(event.face, event.choice.latents);
      if (event.kind === "display" && event.event.type === "shown") {
        const { presentation, face, onsetServerMs, patch } = event.event;
        const lightMs = onsetServerMs + panelMs;
        const offMs = lightMs + experiment.stimulus.onMs;
        brain.see(presentation, latentsOf.get(face)!, neuralS(lightMs), neuralS(offMs));
        if (alignment.method === "photodiode") edges.push({ timeS: neuralS(lightMs), level: patch });
        latentsOf.delete(face);
      }
      told(event, time.now());
    },
  }).subscribe({
    next: (latest) => {
      if (latest.trials.closed > view.trials.closed) closedAtMs = time.now();
      view = latest;
    },
    error: (error) => {
      failure = error;
    },
    complete: () => {
      completed = true;
      time.actions.splice(0);
    },
  });
  display.connect();
  time.maxFrames = 0;
  return {
    advance() {
      time.maxFrames += 1000;
      time.flush();
      if (failure) throw failure;
      if (!completed && time.maxFrames - closedAtMs > 1000 * STALLED_S)
        throw new Error(`the session stalled after ${view.trials.closed} of ${experiment.trials} trials`);
      return !completed;
    },
    view: () => view,
    units,
    reports: () => decider.report(),
    examine: () => decider.examine(),
    conclude: () => decider.conclude(),
    result() {
      session.unsubscribe();
      return { view, reports: decider.report(), units, spikes };
    },
  };
}

/** Emits what `make(ms)` gives every `everyMs` of virtual time while subscribed. */
function ticks<T>(time: VirtualTimeScheduler, everyMs: number, make: (ms: number) => T[]): Observable<T> {
  const out = new Subject<T>();
  // Scheduled anew each time: an action that schedules itself again keeps all that went before it.
  const tick = () => {
    for (const one of make(time.now())) out.next(one);
    if (out.observed) time.schedule(tick, everyMs);
  };
  time.schedule(tick, everyMs);
  return out;
}

/** The schedule that the real displays run, on virtual frames; a face is ready at the next frame. */
function createVirtualDisplay(time: VirtualTimeScheduler) {
  const events$ = new Subject<DisplayEvent>();
  let schedule = initSchedule(FRAME_MS);
  const step = (input: Parameters<typeof stepSchedule>[1]) => {
    const [next, reports] = stepSchedule(schedule, input);
    schedule = next;
    for (const report of reports) events$.next(displayEvent(report, time.now()));
  };
  let arrived: number[] = [];
  return {
    events$,
    send(message: ServerMessage): boolean {
      if (message.op === "face") arrived.push(message.face);
      else if (message.op === "show") step({ type: "show", ...message });
      else if (message.op === "release") step({ type: "release", face: message.face });
      return true;
    },
    connect() {
      events$.next({
        type: "connected",
        agent: "virtual",
        frameMs: FRAME_MS,
        unsteady: 0,
        last: null,
        serverMs: time.now(),
      });
      const frame = () => {
        const ready = arrived;
        arrived = [];
        for (const face of ready) {
          step({ type: "ready", face });
          events$.next({ type: "ready", face, serverMs: time.now() });
        }
        step({ type: "frame", displayMs: time.now() });
        if (events$.observed) time.schedule(frame, FRAME_MS);
      };
      time.schedule(frame, FRAME_MS);
    },
  };
}

function displayEvent(
  report: Extract<DisplayMessage, { op: "shown" | "hidden" | "cancelled" }>,
  ms: number,
): DisplayEvent {
  switch (report.op) {
    case "shown": {
      const { op, ...shown } = report;
      return { type: op, ...shown, onsetServerMs: shown.displayMs, uncertaintyMs: 0, retold: false, serverMs: ms };
    }
    case "hidden": {
      const { op, ...hidden } = report;
      return { type: op, ...hidden, serverMs: ms };
    }
    case "cancelled": {
      const { op, ...cancelled } = report;
      return { type: op, ...cancelled, serverMs: ms };
    }
  }
}
