/**
 * The story of a session, one Observable per arrow of the README's picture:
 *
 *   spikes, onsets → trials → choices → faces → display → onsets
 *
 * Everything that acts on the world is an edge and is passed in: sockets and workers when live, a virtual clock in a study.
 */
import {
  concat,
  concatMap,
  defer,
  distinctUntilChanged,
  EMPTY,
  filter,
  from,
  ignoreElements,
  map,
  merge,
  mergeMap,
  type Observable,
  of,
  pipe,
  Subject,
  scan,
  share,
  startWith,
  take,
  takeUntil,
  tap,
} from "rxjs";
import { type Experiment, periodMs } from "../protocols/experiment.ts";
import type { ServerMessage } from "../protocols/wire/display.ts";
import type { OperatorOp, UnitOrder } from "../protocols/wire/operator.ts";
import type { AcquisitionEvent } from "./acquisition/spike-batch.ts";
import type { Choice } from "./choice/choice.ts";
import type { Adjustment, Lesson, Refined } from "./choice/decider.ts";
import { adjustmentOf, lessonOf } from "./choice/replay.ts";
import type { GateEvent } from "./gate/gate.ts";
import type { Realised } from "./model/synthesis-worker.ts";
import type { SettingOrder } from "./operator/desk.ts";
import type { DisplayEvent } from "./presentation/display-server.ts";
import {
  initPlan,
  type PlanInput,
  type PlannedFace,
  type PlanOutput,
  type PlanSettings,
  type PlanState,
  stepPlan,
} from "./presentation/plan.ts";
import { givenUp, interruptedTrials, type Resumption, resumedView } from "./session/resumption.ts";
import { type SessionEvent, type SessionView, stepView, waitingView } from "./session/view.ts";
import { trialInputsOf } from "./trials/inputs.ts";
import { initStreams, type StreamSettings, type StreamsState, stepStreams } from "./trials/streams.ts";
import { isBroken, type Trial, type TrialInput } from "./trials/trial.ts";

export interface Edges {
  acquisition$: Observable<AcquisitionEvent>;
  display: { events$: Observable<DisplayEvent>; send(message: ServerMessage): boolean };
  decider: {
    decide(lesson: Lesson | null, count: number): Observable<Choice[]>;
    refine(realised: Float64Array[]): Observable<Refined>;
    change(unit: string, change: UnitOrder["op"]): Observable<unknown>;
    adjust(adjustment: Adjustment): Observable<unknown>;
    check(faces: number): Observable<unknown>;
  };
  /** Latents to faces, in order. */
  synthesise(faces: Float64Array[]): Observable<Pick<PlannedFace, "width" | "height" | "pixels">>;
  /** The same faces as they came out; none where they are not read back. */
  realise(faces: Float64Array[]): Observable<Realised[]>;
  commands$: Observable<OperatorOp>;
  unitOrders$: Observable<UnitOrder>;
  /** Done in the next pause after a trial. */
  settingOrders$: Observable<SettingOrder>;
  marks$: Observable<string>;
  /** Whether faces may be shown, where the experiment has a gate. */
  gate$: Observable<GateEvent & { serverMs: number }>;
  /** Told of everything that happens, in order: the journal and the public events. */
  told(event: SessionEvent): void;
}

/**
 * Runs the loop for as many trials as the experiment asks; emits what is known at each step, completes at the end.
 *
 * @param resumed what a session begins with whose server died; null for a new one
 */
export function runLoop(
  experiment: Experiment,
  units: readonly string[],
  edges: Edges,
  resumed: Resumption | null = null,
): Observable<SessionView> {
  const firstView = resumed ? resumedView(resumed.progress) : waitingView(experiment.trials);
  const interrupted = resumed ? interruptedTrials(resumed, units.length) : [];
  return defer(() => {
    const { display, decider } = edges;
    const tell$ = new Subject<SessionEvent>();
    const tell = (event: SessionEvent) => {
      edges.told(event);
      tell$.next(event);
    };

    const acquisition$ = edges.acquisition$.pipe(
      tap((event) => tell({ kind: "acquisition", event })),
      share(),
    );
    // As operators have changed it, in a session that goes on.
    const now = resumed?.progress.changed ?? experiment;
    const onsets$ = new Subject<TrialInput>();
    const learned$ = new Subject<"all">();
    const plans$ = new Subject<PlanInput>();
    const waitingOrders: SettingOrder[] = [];
    const displayLost$ = display.events$.pipe(concatMap((event) => trialInputsOf({ kind: "display", event })));

    const trials$ = merge(acquisition$, onsets$, displayLost$).pipe(
      scan(([state], input: TrialInput) => stepStreams(state, input), [
        initStreams(streamSettings(now, units.length), (resumed?.progress.trials ?? 0) + interrupted.length),
        [],
      ] as [StreamsState, Trial[]]),
      concatMap(([, closed]) => from(closed)),
      tap((trial) => tell({ kind: "trial", trial })),
      // The face of a broken trial is shown again: it neither counts nor teaches.
      filter((trial) => !isBroken(trial)),
      take(experiment.trials - firstView.trials.closed),
      share(),
    );

    const ahead = Math.min(experiment.choice.lookahead, experiment.trials);
    const lessons = resumed?.progress.lessons ?? 0;
    const faces$ = trials$.pipe(
      startWith<Trial | "beginning">("beginning", ...(resumed?.progress.unlearned ?? [])),
      concatMap((turn, i) =>
        turn === "beginning" ? (resumed?.progress.begun ? goOn(resumed) : decide(null, 0)) : decide(turn, lessons + i),
      ),
      concatMap(({ choices, first, answersServerMs }) =>
        edges
          .synthesise(choices.map(({ latents }) => latents))
          .pipe(map((image, i): PlannedFace => ({ face: first + i, choice: choices[i], answersServerMs, ...image }))),
      ),
      tap({ complete: () => learned$.next("all") }),
    );
    function decide(trial: Trial | null, closed: number) {
      const first = trial ? ahead + closed - 1 : 0;
      const count = trial ? Number(first < experiment.trials) : ahead;
      tell({ kind: "decide", trial: trial?.trial ?? null, count });
      return decider.decide(trial && lessonOf(trial, experiment.response.windowMs), count).pipe(
        tap((choices) => {
          choices.forEach((choice, i) => {
            tell({ kind: "choice", face: first + i, choice, after: trial?.trial ?? null });
          });
        }),
        concatMap((choices) =>
          merge(
            choices.length > 0 ? of({ choices, first, answersServerMs: trial?.closedServerMs ?? null }) : EMPTY,
            refine(choices, first, trial?.trial ?? null),
          ),
        ),
      );
    }
    /** Between trials, off the path from spike to face. */
    const refine = (choices: Choice[], first: number, after: number | null) =>
      realised(choices, first).pipe(
        concatMap((faces) =>
          concat(
            settled(after),
            defer(() => {
              tell({ kind: "refine", faces: faces.map((_, i) => first + i) });
              return decider.refine(faces.map(({ latents }) => latents));
            }),
          ),
        ),
        tap((refined) => tell({ kind: "refined", ...refined })),
        ignoreElements(),
      );
    /** What was on the screen is marked, and every face that was chosen and not answered comes (again). */
    function goOn(session: Resumption) {
      const { faces, progress } = session;
      for (const trial of interrupted) tell({ kind: "trial", trial });
      tell({ kind: "plan", output: givenUp(session) });
      for (const { face, choice } of faces)
        if (face >= progress.nextFace) tell({ kind: "choice", face, choice, after: progress.lastLesson });
      const unanswered = faces.filter(({ face }) => progress.unlearned.every((trial) => trial.face !== face));
      const choices = unanswered.map(({ choice }) => choice);
      const last = progress.lastCount === 0 ? [] : faces.slice(-progress.lastCount);
      return merge(
        choices.length > 0 ? of({ choices, first: unanswered[0].face, answersServerMs: null }) : EMPTY,
        progress.unrefined
          ? refine(
              last.map(({ choice }) => choice),
              last[0]?.face ?? 0,
              progress.lastLesson,
            )
          : EMPTY,
      );
    }

    /** Does what operators have asked for since the last trial. */
    const settled = (after: number | null): Observable<never> =>
      defer(() => from(waitingOrders.splice(0))).pipe(
        tap((order) => {
          const event = { kind: "setting", order, after } as const;
          tell(event);
          for (const input of trialInputsOf(event)) onsets$.next(input);
          if (order.op !== "change") return;
          plans$.next({ type: "gatedMs", gatedMs: planSettings(order.experiment).gatedMs });
        }),
        concatMap((order) => {
          if (order.op === "stability") return decider.check(order.faces);
          return decider.adjust(adjustmentOf(order.experiment, units));
        }),
        ignoreElements(),
      );

    const realised = (choices: Choice[], first: number) =>
      edges.realise(choices.map(({ latents }) => latents)).pipe(
        tap((faces) => {
          for (const [i, face] of faces.entries()) tell({ kind: "realised", face: first + i, ...face });
        }),
      );

    const streaming$ = acquisition$.pipe(
      filter((event) => event.type === "batch"),
      take(1),
      map((): PlanInput => ({ type: "streaming" })),
    );
    const commands$ = edges.commands$.pipe(
      tap((command) => tell({ kind: "command", command })),
      share(),
    );
    const plan$ = merge(
      faces$.pipe(map((face): PlanInput => ({ type: "face", ...face }))),
      display.events$.pipe(tap((event) => tell({ kind: "display", event }))),
      streaming$,
      plans$,
      edges.gate$.pipe(tap((event) => tell({ kind: "gate", event }))),
      commands$.pipe(concatMap((command) => (command === "abort" ? EMPTY : from([{ type: command }])))),
    ).pipe(
      scan(([state], input: PlanInput) => stepPlan(state, input), [
        initPlan(planSettings(now), {
          paused: firstView.state === "paused",
          nextPresentation: resumed?.progress.nextPresentation ?? 0,
        }),
        null,
      ] as [PlanState, PlanOutput | null]),
      tap(([, output]) => {
        // Journalled before it is acted upon.
        const event = { kind: "plan", output: output! } as const;
        tell(event);
        for (const message of event.output.messages) display.send(message);
        for (const input of trialInputsOf(event)) onsets$.next(input);
      }),
      ignoreElements(),
    );

    const unitOrders$ = edges.unitOrders$.pipe(
      tap((order) => tell({ kind: "unit", order })),
      // Called as it is journalled: its place among the decider's other calls is then known.
      mergeMap(({ unit, op }) => decider.change(unit, op)),
      ignoreElements(),
    );

    const said$ = merge(
      edges.settingOrders$.pipe(tap((order) => waitingOrders.push(order))),
      edges.marks$.pipe(tap((text) => tell({ kind: "mark", text }))),
    ).pipe(ignoreElements());

    const stopped$ = merge(
      tell$.pipe(map((event) => (event.kind === "refined" ? event.stop : null))),
      trials$.pipe(timeUp(experiment.stop.minutes, firstView.firstTrialServerMs)),
    ).pipe(
      filter((reason) => reason !== null),
      take(1),
      tap((reason) => tell({ kind: "stopped", reason })),
    );
    // Over when the last trial has been learned from, or at once where the operator or a rule of the experiment says so.
    const over$ = merge(learned$, stopped$, commands$.pipe(filter((command) => command === "abort")));
    return merge(tell$, plan$, unitOrders$, said$).pipe(
      takeUntil(over$),
      scan((view, event: SessionEvent) => stepView(view, event), firstView),
      distinctUntilChanged(),
    );
  });
}

/** Why the session is over once so many minutes have passed since the first trial; null until then. */
const timeUp = (minutes: number | null, firstServerMs: number | null) =>
  pipe(
    scan(({ firstMs }, trial: Trial) => ({ firstMs: Math.min(firstMs, trial.closedServerMs), now: trial }), {
      firstMs: firstServerMs ?? Number.POSITIVE_INFINITY,
      now: null as Trial | null,
    }),
    map(({ firstMs, now }) =>
      minutes !== null && now && now.closedServerMs - firstMs >= 60_000 * minutes
        ? `${minutes} minutes have passed since the first trial`
        : null,
    ),
  );
/** The streams whose spikes are counted; one that is not named is whichever is heard. */
export const streamSettings = ({ recording, response, alignment }: Experiment, units: number): StreamSettings[] =>
  (recording.streams.length > 0 ? recording.streams : [null]).map((stream) => ({
    stream: stream?.name ?? null,
    settings: { units, ...response, alignment: { ...alignment, line: stream?.line ?? alignment.line } },
  }));
const planSettings = ({ stimulus, response, gate }: Experiment): PlanSettings => ({
  onMs: stimulus.onMs,
  periodMs: periodMs(stimulus),
  gatedMs: Math.min(stimulus.onMs, response.latencyMs + response.windowMs),
  gated: gate !== undefined,
});
