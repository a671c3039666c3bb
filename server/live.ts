/** A live session: opens the edges (live-edges.ts), runs the loop over them, closes them in reverse order. */
import { existsSync } from "node:fs";
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
import { onOneStream } from "../sim/neurons/unit.ts";
import { scoreSession } from "../sim/study/score.ts";
import type { DeciderData, Findings } from "./choice/decider.ts";
import type { DeciderService, Restored } from "./choice/decider-worker.ts";
import { superviseDecider } from "./choice/supervised-decider.ts";
import { serverNow } from "./clock.ts";
import { openDashboard } from "./dashboard/dashboard.ts";
import { sessionInfo, tunablesOf } from "./dashboard/info.ts";
import { ConfigurationError, LostEdgeError } from "./failure.ts";
import { gateOf } from "./gate/gate.ts";
import { type LiveOptions, openLiveEdges } from "./live-edges.ts";
import { type Edges, runLoop } from "./loop.ts";
import { refusal } from "./operator/desk.ts";
import { clientFolder } from "./package-root.ts";
import { arePagesBuilt } from "./presentation/client-pages.ts";
import { entryAddress } from "./security/entry.ts";
import { Disposers } from "./session/disposers.ts";
import { openSessionFolder, type Reopened, reopenSessionFolder } from "./session/folder.ts";
import { createHold, type Hold } from "./session/hold.ts";
import type { JournalTrouble } from "./session/journal.ts";
import { createLatencyBudget } from "./session/latency.ts";
import { publicEventOf, readoutOf, rewardEvent, stateEvent } from "./session/published.ts";
import { complaints, initQuiet, stepQuiet } from "./session/quiet.ts";
import { type Resumption, resumedView } from "./session/resumption.ts";
import { deciderSettings } from "./session/settings.ts";
import { createSnapshotKeeper } from "./session/snapshot-keeper.ts";
import { type SessionSummary, summarise } from "./session/summary.ts";
import { planWarnings, transportWarnings } from "./session/timing.ts";
import { otherVersions, versions } from "./session/versions.ts";
import { type SessionEvent, type SessionView, type WorkerState, waitingView } from "./session/view.ts";
import { createAnnouncer, isSaidAgain, recoveredWords, stalledWords, validityWords } from "./session/words.ts";
import { isBroken, isUsable } from "./trials/trial.ts";
import type { WorkerHandle } from "./worker.ts";

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
export const runLive = (
  experiment: Experiment,
  options: LiveOptions,
  interrupts$: Observable<OperatorOp>,
  watcher: Watcher,
): Promise<LiveResult> => {
  const run = options.rig === "sim" ? onOneStream(experiment) : experiment;
  return runSession(run, options, interrupts$, watcher, createWatch(watcher), null);
};

/**
 * Goes on with a session whose server died, from its journal: nothing that was journalled is lost, and what was on the screen then is
 * marked and comes again.
 *
 * @param given options that are not as they were when it began
 */
export async function resumeLive(
  path: string,
  given: Partial<LiveOptions>,
  interrupts$: Observable<OperatorOp>,
  watcher: Watcher,
): Promise<LiveResult> {
  const watch = createWatch(watcher);
  const reopened = await reopenSessionFolder(path, watch.disk);
  const { experiment, options, model } = reopened.found;
  if (options.virtual) {
    await reopened.folder.close(null, null);
    throw new ConfigurationError(`--resume: expected a live session, ${path} ran in virtual time: run it again`);
  }
  return runSession(
    { ...experiment, ...(model !== null && { model }) },
    { ...(options as unknown as LiveOptions), ...given },
    interrupts$,
    watcher,
    watch,
    reopened,
  );
}

async function runSession(
  experiment: Experiment,
  options: LiveOptions,
  interrupts$: Observable<OperatorOp>,
  watcher: Watcher,
  watch: Watch,
  reopened: Reopened | null,
): Promise<LiveResult> {
  const disposers = new Disposers();
  const resumptions = reopened ? reopened.found.resumptions + 1 : 0;
  let folder = reopened?.folder ?? null;
  const broken = new Subject<never>();
  const failed = (error: Error) => broken.error(error);

  try {
    let view = reopened ? resumedView(reopened.folder.progress) : waitingView(experiment.trials);
    watch.state = () => view.state;
    /** Told of what happens outside the loop too; null before it begins. */
    let told: ((event: SessionEvent) => void) | null = null;
    let gateRejections = 0;
    const supervision = (worker: WorkerState["worker"]) => ({
      lost(why: string) {
        told?.({ kind: "worker", worker, up: false, why });
        watch.hold.begin(worker);
      },
      back(tookMs: number) {
        told?.({ kind: "worker", worker, up: true, why: `after ${Math.round(tookMs)} ms` });
        watch.hold.end(worker);
      },
      failed,
    });
    const openDecider = (data: DeciderData) =>
      disposers.opened(
        superviseDecider(data, {
          ...supervision("decider"),
          journalled() {
            if (!told || !folder) return null;
            const { path, place, written } = folder;
            if (!existsSync(path))
              throw new LostEdgeError(
                `the part that learns and chooses was lost, and the session's folder, from which it would go on, has gone (${path}): put it back as it was, then run --resume`,
              );
            const { n: records } = place();
            return written().then(() => ({ folder: path, records }));
          },
        }),
      );
    // The decider of a session that goes on is taken to where it was while all else is opened.
    const goingOn = reopened?.found.decider
      ? { data: reopened.found.decider, decider: openDecider(reopened.found.decider) }
      : null;
    const early = reopened && goingOn && restore(reopened, goingOn.decider);
    const {
      model,
      truth,
      units,
      synthesis,
      decider,
      deciderData,
      desk,
      watchDoor,
      display,
      headless,
      displayToken,
      events,
      acquisition,
      gate,
      luminance,
      rigOriginMs,
    } = await openLiveEdges(experiment, options, goingOn, {
      state: () => view.state,
      disposers,
      failed,
      supervision,
      openDecider,
      changed: reopened?.folder.progress.changed ?? null,
      gateRejected(detail) {
        if (isSaidAgain(++gateRejections))
          watcher.said(`gate message rejected${gateRejections > 1 ? ` (${gateRejections} so far)` : ""}: ${detail}`);
      },
    });
    const { card } = model;
    const then = reopened?.found.modelDigest ?? model.digest;
    if (then !== model.digest)
      throw new ConfigurationError(
        `--resume: expected model ${model.folder} as it was when the session ran (digest ${then.slice(0, 16)}), found another (${model.digest.slice(0, 16)}): its faces would not be those that were learned from`,
      );
    const { image } = card;
    const latentNames = card.latents.each.map((latent) => latent.name);
    const restored = reopened && resumptionOf(reopened, await (early ?? restore(reopened, decider)), watcher);
    const session = (folder ??= await openSessionFolder(options.out, experiment, options, watch.disk));
    let summary: SessionSummary | null = null;
    let findings: Findings | null = null;
    let result: LiveResult | null = null;
    try {
      const { backend, warnings, validity } = synthesis;
      if (restored) {
        const { tookOverFrom, torn, snapshot, passedOver } = reopened!;
        const { difference } = restored;
        session.note("resumed", serverNow(), { ...versions(), tookOverFrom, torn, snapshot, passedOver, difference });
      }
      session.note("model", serverNow(), { ...model, backend, warnings, validity });
      if (!reopened?.found.decider) session.note("decider", serverNow(), deciderData);
      const passedOver = backend.passedOver.map(({ name, reason }) => `${name} (${reason})`).join(", ");
      watcher.said(`backend ${backend.name} ${backend.version}${passedOver && `; passed over: ${passedOver}`}`);
      watcher.said(`model ${card.name}, ${card.latents.count} latents`);
      for (const warning of warnings) watcher.said(`warning: ${warning}`);
      if (validity) for (const line of validityWords(validity, latentNames)) watcher.said(line);
      watcher.said(`spikes from ${acquisition.address}; public events on ${events.address}`);
      if (gate) watcher.said(`gate from ${gate.address}; closed until it says otherwise`);
      watcher.said(`session ${session.path}`);
      watcher.said(`dashboard: ${entryAddress(`${display.url}dashboard`, options, displayToken)}`);
      if (headless) watcher.said(`display: headless, at ${display.url}`);
      else watcher.said(`display: open ${entryAddress(display.url, options, displayToken)} in a browser`);
      if (!arePagesBuilt(clientFolder))
        watcher.said("warning: the pages of display and dashboard are not built; `npm run build` makes them");
      for (const warning of [...planWarnings(experiment), ...(truth ? transportWarnings(experiment, false) : [])])
        watcher.said(`warning: ${warning}`);

      /** Faces that were read back and are still to be shown. */
      const realised = new Map(restored?.progress.realised.map(({ face, latents }) => [face, latents]));
      const keepSnapshots = createSnapshotKeeper({
        folder: session,
        session: {
          experiment,
          options: { ...options },
          versions: reopened?.found.versions ?? versions(),
          decider: deciderData,
          model: model.folder,
          modelDigest: model.digest,
          resumptions,
        },
        everyTrials: experiment.session.snapshotTrials,
        write: (head) => decider.call("snapshot", session.path, head),
        now: serverNow,
        said: watcher.said,
      });
      const inWords = createAnnouncer(experiment);
      const streams = experiment.recording.streams.map(({ name }) => name);
      let quiet = initQuiet(serverNow(), streams, acquisition.address);
      let failure: Error | null = null;
      let usable = view.trials.usable;
      const budget = createLatencyBudget(desk.tunables.experiment(), rigOriginMs);
      const dashboard = disposers.opened(
        openDashboard({
          experiment,
          info: sessionInfo(
            experiment,
            units,
            card,
            session.path,
            `${backend.name} ${backend.version}`,
            truth !== null,
          ),
          settings: deciderSettings(experiment, units, validity?.region ?? null),
          beliefs: () => decider.call("beliefs"),
          picture: async (latents) => {
            const [pixels] = await synthesis.synthesise([latents]);
            return { width: image.width, height: image.height, pixels: luminance.face(pixels) };
          },
          counts: acquisition.counts,
          latency: budget.table,
          desk: { tunables: () => tunablesOf(desk.tunables.experiment(), units), undo: desk.tunables.undoable },
          failed: (error) => watcher.said(`warning: the dashboard can't go on, the session does: ${error.message}`),
        }),
      );
      watchDoor.attend = dashboard.attend;
      const announce = (ended = false) =>
        events.publish(stateEvent(session.path, view, ended ? "ended" : view.state, serverNow()));
      const rehearseFor = (onsetServerMs: number) => {
        const { latencyMs, windowMs } = desk.tunables.experiment().response;
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
          adjust: (adjustment) => from(decider.call("adjust", adjustment)),
          check: (faces) => from(decider.call("check", faces)),
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
        // A tick late: once the whole loop listens.
        commands$: merge(
          options.hold ? Promise.resolve("pause" as const) : NEVER,
          interrupts$,
          desk.commands$,
          pressed$,
          watch.hold.commands$,
        ),
        unitOrders$: desk.unitOrders$,
        settingOrders$: desk.settingOrders$.pipe(tap(dashboard.ordered)),
        marks$: desk.marks$,
        gate$: gate
          ? gateOf(gate.messages$, experiment.gate!).pipe(map((event) => ({ ...event, serverMs: serverNow() })))
          : NEVER,
        told(event) {
          budget.told(event, serverNow());
          dashboard.told(event, serverNow());
          quiet = stepQuiet(quiet, event, serverNow());
          const words = inWords(event);
          if (words) watcher.said(words);
          session.record(event, serverNow());
          keepSnapshots(event);
          if (event.kind === "realised") realised.set(event.face, event.latents);
          for (const told of publicEventOf(event, session.path, experiment, units, realised)) events.publish(told);
          // A broken trial's face is shown again, as it came out.
          if (event.kind === "trial" && !isBroken(event.trial)) realised.delete(event.trial.face);
          if (event.kind === "trial" && isUsable(event.trial))
            for (const told of rewardEvent(session.path, experiment, ++usable, event.trial.trial, serverNow()))
              events.publish(told);
          if (event.kind !== "plan") return;
          for (const onset of event.output.onsets) rehearseFor(onset.onsetServerMs);
        },
      };
      told = edges.told;
      const readouts$ = new Subject<SessionView>();
      readouts$.pipe(auditTime(READOUT_EVERY_MS)).subscribe((latest) => display.send(readoutOf(latest, latentNames)));
      const heartbeat = setInterval(announce, HEARTBEAT_MS);
      const complaining = setInterval(() => {
        const missing = complaints(quiet, view, periodMs(experiment.stimulus), serverNow());
        if (missing.length > 0) watcher.said(`waiting: ${missing.join("; ")}`);
      }, COMPLAIN_EVERY_MS);
      announce();

      const loop$ = runLoop(experiment, units, edges, restored).pipe(
        tap((latest) => {
          const changed = latest.state !== view.state;
          view = latest;
          if (changed) announce();
          readouts$.next(view);
          watcher.changed(view, latentNames);
        }),
        takeUntil(broken),
      );
      headless?.connect({ url: display.socketUrl, token: displayToken });
      try {
        await lastValueFrom(loop$, { defaultValue: view });
      } catch (error) {
        failure = error as Error;
      } finally {
        clearInterval(heartbeat);
        clearInterval(complaining);
        announce(true);
        dashboard.ended(endWords(view, failure));
        // What acquisition still holds back belongs to the journal too.
        acquisition.events$.subscribe((event) => session.record({ kind: "acquisition", event }, serverNow()));
        acquisition.dispose();
      }
      findings = await decider.call("conclude").catch((error: Error) => {
        throw failure ?? error;
      });
      summary = summarise({
        experiment,
        view,
        resumptions,
        counts: { ...acquisition.counts(), spikes: session.progress.spikes },
        findings,
        score: truth && scoreSession(experiment, truth, findings.units, view.trials.closed),
        lastSpikeToReadyMs: session.progress.lastSpikeToReadyMs,
        differences: session.progress.differences,
        latencyMs: budget.table(),
        backend: `${backend.name} ${backend.version}`,
        sessionDir: session.path,
      });
      result = { summary, latentNames, failure };
    } finally {
      folder = null;
      told = null;
      const unwritten = await session.close(summary, findings);
      if (unwritten && result) result.failure ??= unwritten;
    }
    return result;
  } finally {
    // One that goes on and could not be opened is left as it was found.
    await folder?.close(null, null);
    await disposers.dispose();
  }
}

/** Takes the decider to where the journal has it. */
function restore(
  { found, folder, snapshot }: Reopened,
  decider: WorkerHandle<DeciderService>,
): Promise<Restored & { tookMs: number }> {
  const startedMs = serverNow();
  const restoring = decider
    .call("restore", folder.path, found.end.n, snapshot === null ? [] : [snapshot])
    .then((restored) => ({ ...restored, tookMs: serverNow() - startedMs }));
  // Where something else can't be opened, nobody waits for it.
  restoring.catch(() => {});
  return restoring;
}

/** What a session goes on with; what was found is said. */
function resumptionOf(
  { found, torn, tookOverFrom, folder, snapshot, passedOver }: Reopened,
  { faces, difference, tookMs }: Restored & { tookMs: number },
  watcher: Watcher,
): Resumption & Pick<Restored, "difference"> {
  const progress = structuredClone(folder.progress);
  for (const line of passedOver) watcher.said(`warning: ${line}`);
  watcher.said(
    `session ${folder.path} goes on after ${progress.view.trials.closed} trials (${Math.round(tookMs)} ms, from ${snapshot ?? "the journal's beginning"})`,
  );
  if (tookOverFrom) watcher.said(`process ${tookOverFrom.pid}, which wrote it since ${tookOverFrom.since}, is gone`);
  if (torn) watcher.said(`the journal's end was cut off, and kept beside it: ${torn}`);
  for (const { presentation } of progress.open)
    watcher.said(
      `presentation ${presentation} was on the screen: its trial is flagged interrupted, the face comes again`,
    );
  for (const line of otherVersions(found.versions)) watcher.said(`warning: ${line}`);
  if (difference)
    watcher.said(
      `warning: what was decided comes out differently here, first ${difference.what} after trial ${difference.afterTrial ?? "none"}: ${difference.journal} then, ${difference.replay} now`,
    );
  return { progress, faces, serverMs: serverNow(), difference };
}

interface Watch {
  hold: Hold;
  /** The session's state now. */
  state(): SessionView["state"];
  disk: JournalTrouble;
}

/** A session is paused while its journal can't be written, and goes on once it can. */
function createWatch(watcher: Watcher): Watch {
  const watch: Watch = {
    hold: createHold(() => watch.state()),
    state: () => "waiting",
    disk: {
      stalled(error) {
        watcher.said(stalledWords(error));
        watch.hold.begin("disk");
      },
      recovered() {
        watcher.said(recoveredWords);
        watch.hold.end("disk");
      },
    },
  };
  return watch;
}

const endWords = (view: SessionView, failure: Error | null): string =>
  failure
    ? `the session broke: ${failure.message}; what was recorded until then is kept`
    : (view.stopped ??
      (view.trials.closed >= view.trials.planned ? "all trials are recorded" : "ended by an operator"));

/** A subscriber that comes late learns of the session within this time. */
const HEARTBEAT_MS = 1000;
/** How long before a window's end the deciding and the decoding are rehearsed: a processor that slept is slow at first. */
const REHEARSED_MS = 12;
const COMPLAIN_EVERY_MS = 5000;
const READOUT_EVERY_MS = 250;
