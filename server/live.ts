/** A live session: opens the edges (live-edges.ts), runs the loop over them, closes them in reverse order. */
import {
  auditTime,
  concatMap,
  filter,
  from,
  lastValueFrom,
  map,
  merge,
  NEVER,
  type Observable,
  of,
  Subject,
  takeUntil,
  tap,
} from "rxjs";
import { type Experiment, periodMs } from "../protocols/experiment.ts";
import type { OperatorOp } from "../protocols/wire/operator.ts";
import { scoreSession } from "../sim/study/score.ts";
import type { Findings } from "./choice/decider.ts";
import { serverNow } from "./clock.ts";
import { gateOf } from "./gate/gate.ts";
import { type LiveOptions, openLiveEdges } from "./live-edges.ts";
import { type Edges, runLoop } from "./loop.ts";
import { refusal } from "./operator/desk.ts";
import { entryAddress } from "./security/entry.ts";
import { Disposers } from "./session/disposers.ts";
import { openSessionFolder } from "./session/folder.ts";
import { createLatencyBudget } from "./session/latency.ts";
import { publicEventOf, readoutOf, rewardEvent, stateEvent } from "./session/published.ts";
import { complaints, initQuiet, stepQuiet } from "./session/quiet.ts";
import { type SessionSummary, summarise } from "./session/summary.ts";
import { planWarnings } from "./session/timing.ts";
import { type SessionView, waitingView } from "./session/view.ts";
import { createAnnouncer, validityWords } from "./session/words.ts";
import { forkHeadlessDisplay } from "./simulated-edges.ts";
import { isBroken, isUsable } from "./trials/trial.ts";

/** What is told to whoever watches the terminal. */
export interface Watcher {
  said(line: string): void;
  changed(view: SessionView, latentNames: readonly string[]): void;
  /** Puts the terminal in order. */
  stop(): void;
}

export interface LiveResult {
  summary: SessionSummary;
  latentNames: readonly string[];
  /** What ended the session before its time, where something broke. */
  failure: Error | null;
}

/**
 * Runs a session to its end or to an abort. What breaks in the middle ends it too, with its journal and summary.
 *
 * @throws ConfigurationError before the session begins, for what the user must mend; whatever leaves nothing to sum up
 */
export async function runLive(
  experiment: Experiment,
  options: LiveOptions,
  interrupts$: Observable<OperatorOp>,
  watcher: Watcher,
): Promise<LiveResult> {
  const disposers = new Disposers();
  const broken = new Subject<never>();
  const failed = (error: Error) => broken.error(error);

  try {
    let view = waitingView(experiment.trials);
    const {
      model,
      truth,
      units,
      synthesis,
      decider,
      desk,
      display,
      displayToken,
      events,
      acquisition,
      gate,
      luminance,
      rigOriginMs,
    } = await openLiveEdges(experiment, options, {
      state: () => view.state,
      disposers,
      failed,
      gateRejected: (detail) => watcher.said(`gate message rejected: ${detail}`),
    });
    const { card } = model;
    const { image } = card;
    const latentNames = card.latents.each.map((latent) => latent.name);
    const folder = await openSessionFolder(options.out, experiment, failed);
    let summary: SessionSummary | null = null;
    let findings: Findings | null = null;
    try {
      const { backend, warnings, validity } = synthesis;
      folder.note("model", serverNow(), { ...model, backend, warnings, validity });
      const passedOver = backend.passedOver.map(({ name, reason }) => `${name} (${reason})`).join(", ");
      watcher.said(`backend ${backend.name} ${backend.version}${passedOver && `; passed over: ${passedOver}`}`);
      watcher.said(`model ${card.name}, ${card.latents.count} latents`);
      for (const warning of warnings) watcher.said(`warning: ${warning}`);
      if (validity) for (const line of validityWords(validity, latentNames)) watcher.said(line);
      watcher.said(`spikes from ${acquisition.address}; public events on ${events.address}`);
      if (gate) watcher.said(`gate from ${gate.address}; closed until it says otherwise`);
      watcher.said(`session ${folder.path}`);
      if (options.display === "headless") {
        watcher.said(`display: headless, at ${display.url}`);
        disposers.opened(forkHeadlessDisplay(display.socketUrl, displayToken, failed));
      } else watcher.said(`display: open ${entryAddress(display.url, options, displayToken)} in a browser`);
      for (const warning of planWarnings(experiment)) watcher.said(`warning: ${warning}`);

      const lastSpikeToReadyMs: number[] = [];
      const differences: number[] = [];
      /** Faces that were read back and are still to be shown. */
      const realised = new Map<number, Float64Array>();
      const inWords = createAnnouncer(experiment.stimulus);
      let quiet = initQuiet(serverNow(), truth ? [] : experiment.recording.streams.map(({ name }) => name));
      let failure: Error | null = null;
      let usable = 0;
      const budget = createLatencyBudget(experiment, rigOriginMs);
      const announce = (ended = false) =>
        events.publish(stateEvent(folder.path, view, ended ? "ended" : view.state, serverNow()));
      const rehearseFor = (onsetServerMs: number) => {
        const { latencyMs, windowMs } = experiment.response;
        const delayMs = onsetServerMs + latencyMs + windowMs - REHEARSED_MS - serverNow();
        const rehearsal = setTimeout(() => {
          decider.call("rehearse").catch(() => {});
          synthesis.rehearse().catch(() => {});
        }, delayMs);
        rehearsal.unref();
      };
      // A key that makes no sense now is no command.
      const pressed$ = display.events$.pipe(
        filter((event) => event.type === "command"),
        map(({ command }) => command),
        filter((op) => refusal(op, view.state) === null),
      );
      const edges: Edges = {
        acquisition$: acquisition.events$,
        display: {
          events$: display.events$,
          send(message) {
            const isSent = display.send(message);
            if (message.op === "face") budget.sent(message.face, serverNow());
            return isSent;
          },
        },
        decider: {
          decide: (lesson, count) => from(decider.call("decide", lesson, count)),
          refine: (realised) => from(decider.call("refine", realised)),
          change: (unit, change) => from(decider.call("change", unit, change)),
        },
        synthesise: (faces) =>
          from(synthesis.synthesise(faces)).pipe(
            concatMap((all) =>
              all.map((pixels, i) => {
                const face = { width: image.width, height: image.height, pixels: luminance.face(pixels) };
                budget.decoded(faces[i], serverNow());
                return face;
              }),
            ),
          ),
        realise: (faces) => (synthesis.validity ? from(synthesis.realise(faces)) : of([])),
        commands$: merge(interrupts$, desk.commands$, pressed$),
        unitOrders$: desk.unitOrders$,
        gate$: gate
          ? gateOf(gate.messages$, experiment.gate!).pipe(map((event) => ({ ...event, serverMs: serverNow() })))
          : NEVER,
        told(event) {
          budget.told(event, serverNow());
          quiet = stepQuiet(quiet, event, serverNow());
          const words = inWords(event);
          if (words) watcher.said(words);
          folder.record(event, serverNow());
          if (event.kind === "realised") {
            differences.push(event.difference);
            realised.set(event.face, event.latents);
          }
          for (const told of publicEventOf(event, folder.path, experiment, units, realised)) events.publish(told);
          // A broken trial's face is shown again, as it came out.
          if (event.kind === "trial" && !isBroken(event.trial)) realised.delete(event.trial.face);
          if (event.kind === "trial" && isUsable(event.trial))
            for (const told of rewardEvent(folder.path, experiment, ++usable, event.trial.trial, serverNow()))
              events.publish(told);
          if (event.kind !== "plan") return;
          for (const onset of event.output.onsets) rehearseFor(onset.onsetServerMs);
          lastSpikeToReadyMs.push(...event.output.lastSpikeToReadyMs);
        },
      };
      const readouts$ = new Subject<SessionView>();
      readouts$.pipe(auditTime(READOUT_EVERY_MS)).subscribe((latest) => display.send(readoutOf(latest, latentNames)));
      const heartbeat = setInterval(announce, HEARTBEAT_MS);
      const complaining = setInterval(() => {
        const missing = complaints(quiet, view, periodMs(experiment.stimulus), serverNow());
        if (missing.length > 0) watcher.said(`waiting: ${missing.join("; ")}`);
      }, COMPLAIN_EVERY_MS);
      announce();

      const loop$ = runLoop(experiment, units, edges).pipe(
        tap((latest) => {
          const changed = latest.state !== view.state;
          view = latest;
          if (changed) announce();
          readouts$.next(view);
          watcher.changed(view, latentNames);
        }),
        takeUntil(broken),
      );
      try {
        await lastValueFrom(loop$, { defaultValue: view });
      } catch (error) {
        failure = error as Error;
      } finally {
        clearInterval(heartbeat);
        clearInterval(complaining);
        announce(true);
        // What acquisition still holds back belongs to the journal too.
        acquisition.events$.subscribe((event) => folder.record({ kind: "acquisition", event }, serverNow()));
        acquisition.dispose();
      }
      findings = await decider.call("conclude").catch((error: Error) => {
        throw failure ?? error;
      });
      summary = summarise({
        experiment,
        view,
        counts: acquisition.counts(),
        findings,
        score: truth && scoreSession(experiment, truth, findings.units, view.trials.closed),
        lastSpikeToReadyMs,
        differences,
        latencyMs: budget.table(),
        backend: `${backend.name} ${backend.version}`,
        sessionDir: folder.path,
      });
      return { summary, latentNames, failure };
    } finally {
      await folder.close(summary, findings);
    }
  } finally {
    await disposers.dispose();
  }
}

/** A subscriber that comes late learns of the session within this time. */
const HEARTBEAT_MS = 1000;
/** How long before a window's end the deciding and the decoding are rehearsed: a processor that slept is slow at first. */
const REHEARSED_MS = 12;
const COMPLAIN_EVERY_MS = 5000;
const READOUT_EVERY_MS = 250;
