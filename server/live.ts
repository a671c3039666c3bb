/** A live session: opens the edges, runs the loop over them, closes them in reverse order. */
import { auditTime, from, lastValueFrom, merge, type Observable, Subject, takeUntil, tap } from "rxjs";
import { type Experiment, periodMs } from "../protocols/experiment.ts";
import { OPERATOR_PATH, type OperatorOp } from "../protocols/wire/operator.ts";
import { createPopulation } from "../sim/neurons/unit.ts";
import { scoreSession } from "../sim/study/score.ts";
import { openAcquisition } from "./acquisition/acquisition.ts";
import { createRoster } from "./acquisition/roster.ts";
import type { Decider, DeciderData } from "./choice/decider.ts";
import { serverNow } from "./clock.ts";
import { ConfigurationError } from "./failure.ts";
import { type Edges, runLoop } from "./loop.ts";
import type { BackendName } from "./model/backends.ts";
import { experimentModel } from "./model/experiment-model.ts";
import { openSynthesis } from "./model/synthesis.ts";
import { createOperatorDesk } from "./operator/desk.ts";
import { clientFolder } from "./package-root.ts";
import { openDisplayServer } from "./presentation/display-server.ts";
import { random } from "./random.ts";
import { Disposers } from "./session/disposers.ts";
import { openSessionFolder } from "./session/folder.ts";
import { openPublicEvents } from "./session/public-events.ts";
import { publicEventOf, readoutOf, stateEvent } from "./session/published.ts";
import { complaints, initQuiet, stepQuiet } from "./session/quiet.ts";
import { deciderSettings } from "./session/settings.ts";
import { type SessionSummary, summarise } from "./session/summary.ts";
import { timingWarnings } from "./session/timing.ts";
import { type SessionView, waitingView } from "./session/view.ts";
import { createAnnouncer } from "./session/words.ts";
import { forkHeadlessDisplay, forkSimulatedRig } from "./simulated-edges.ts";
import { openWorker } from "./worker.ts";

export interface LiveOptions {
  /** Path of the experiment file: a model folder is relative to it. */
  experimentFile: string;
  /** "sim", or the endpoint of the recording system (sub: its PUB; pull: where to listen). */
  rig: string;
  /** What the simulated rig speaks. */
  rigFormat: "latentloop" | "open-ephys";
  display: "browser" | "headless";
  host: string;
  port: number;
  /** Where the public events are published. */
  events: string;
  backend?: BackendName;
  /** Folder that session folders are made in. */
  out: string;
}

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
  const opened = <T extends { dispose(): unknown }>(thing: T): T =>
    disposers.keep(thing, async () => void (await thing.dispose()));
  const broken = new Subject<never>();
  const failed = (error: Error) => broken.error(error);

  try {
    const { folder: modelFolder, card } = await experimentModel(experiment, options.experimentFile);
    const truth = options.rig === "sim" ? simulatedUnits(experiment) : null;
    const roster = createRoster(truth ?? recordedUnits(experiment));
    const units = [...roster.names];

    const synthesis = opened(await openSynthesis({ modelFolder, forced: options.backend ?? null }, failed));
    const decider = opened(
      openWorker<Decider>(
        "server/choice/decider-worker.js",
        { settings: deciderSettings(experiment, units), seed: experiment.seed } satisfies DeciderData,
        failed,
      ),
    );
    const { image } = card;
    const latentNames = card.latents.each.map((latent) => latent.name);
    const { background, faceFraction, photodiode } = experiment.stimulus;
    let view = waitingView(experiment.trials);
    const desk = createOperatorDesk(() => view.state);
    const display = opened(
      await openDisplayServer({
        others: { [OPERATOR_PATH]: desk.attend },
        host: options.host,
        port: options.port,
        clientFolder,
        welcome: {
          session: experiment.name,
          width: image.width,
          height: image.height,
          background,
          faceFraction,
          photodiode,
        },
      }),
    );
    const events = opened(await openPublicEvents(options.events));
    const rig = truth ? opened(await forkSimulatedRig(experiment, events.address, options.rigFormat, failed)) : null;
    const { format, socket, stream, sampleRate } = experiment.recording;
    const acquisition = opened(
      await openAcquisition({
        address: rig?.address ?? options.rig,
        socket: rig ? "sub" : socket,
        format: rig ? options.rigFormat : format,
        roster,
        ...(!rig && stream && { stream }),
        ...(!rig && sampleRate && { sampleRate }),
      }),
    );
    const folder = await openSessionFolder(options.out, experiment, failed);
    let summary: SessionSummary | null = null;
    try {
      const { backend } = synthesis;
      folder.note("model", serverNow(), { folder: modelFolder, card, backend });
      const passedOver = backend.passedOver.map(({ name, reason }) => `${name} (${reason})`).join(", ");
      watcher.said(`backend ${backend.name} ${backend.version}${passedOver && `; passed over: ${passedOver}`}`);
      watcher.said(`model ${card.name}, ${card.latents.count} latents`);
      watcher.said(`spikes from ${acquisition.address}; public events on ${events.address}`);
      watcher.said(`session ${folder.path}`);
      if (options.display === "browser") watcher.said(`display: open ${display.url} in a browser`);
      else watcher.said(`display: headless, at ${display.url}`);
      if (options.display === "headless") opened(forkHeadlessDisplay(display.socketUrl, failed));
      for (const warning of timingWarnings(experiment)) watcher.said(`warning: ${warning}`);

      const lastSpikeToReadyMs: number[] = [];
      const spikesInWindows = units.map(() => 0);
      const inWords = createAnnouncer(experiment.stimulus.onMs);
      let quiet = initQuiet(serverNow());
      let failure: Error | null = null;
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
      const edges: Edges = {
        acquisition$: acquisition.events$,
        display,
        decider: {
          decide: (lesson, count) => from(decider.call("decide", lesson, count)),
          refine: () => from(decider.call("refine")),
        },
        synthesise: (latents) =>
          from(synthesis.synthesise(latents).then((pixels) => ({ width: image.width, height: image.height, pixels }))),
        commands$: merge(interrupts$, desk.commands$),
        told(event) {
          quiet = stepQuiet(quiet, event, serverNow());
          const words = inWords(event);
          if (words) watcher.said(words);
          if (event.kind === "trial") for (const [u, n] of event.trial.counts.entries()) spikesInWindows[u] += n;
          folder.record(event, serverNow());
          for (const told of publicEventOf(event, folder.path, experiment, units)) events.publish(told);
          if (event.kind === "plan") for (const onset of event.output.onsets) rehearseFor(onset.onsetServerMs);
          if (event.kind === "plan") lastSpikeToReadyMs.push(...event.output.lastSpikeToReadyMs);
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
      const reports = await decider.call("report").catch((error: Error) => {
        throw failure ?? error;
      });
      summary = summarise({
        experiment: { name: experiment.name, objective: experiment.choice.objective },
        seed: experiment.seed,
        view,
        counts: acquisition.counts(),
        reports,
        spikesInWindows,
        score: truth && scoreSession(truth, reports),
        lastSpikeToReadyMs,
        backend: `${backend.name} ${backend.version}`,
        sessionDir: folder.path,
      });
      return { summary, latentNames, failure };
    } finally {
      await folder.close(summary);
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

function simulatedUnits(experiment: Experiment) {
  return createPopulation(checkSimulation(experiment), experiment.latents, random(experiment.seed).split("population"));
}

/** Throws ConfigurationError where an experiment has no simulated units. */
export function checkSimulation({ simulation }: Experiment) {
  if (!simulation) throw new ConfigurationError("simulation: expected the simulated units' kinds, found nothing");
  if (Object.values(simulation).every((n) => n === 0))
    throw new ConfigurationError("simulation: expected at least one unit, found none");
  return simulation;
}

function recordedUnits({ recording }: Experiment) {
  if (recording.units.length === 0)
    throw new ConfigurationError("recording.units: expected at least one unit for a real rig, found none");
  return recording.units;
}
