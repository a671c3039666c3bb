/** The dashboards of a live session: what is folded from its events, what the analyst makes of beliefs, and the sockets it goes to. */
import { statfs } from "node:fs/promises";
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { WebSocket } from "ws";
import { type Experiment, periodMs } from "../../protocols/experiment.ts";
import type {
  EstimatesMessage,
  Health,
  NowMessage,
  Picture,
  ReadFace,
  SessionInfo,
  Tunables,
} from "../../protocols/wire/dashboard.ts";
import { bytesOf, pack } from "../../protocols/wire/message.ts";
import type { AcquisitionCounts } from "../acquisition/spike-batch.ts";
import type { Beliefs, DeciderSettings } from "../choice/decider.ts";
import { serverNow } from "../clock.ts";
import { type Latency, type LatencyStep, latencyWords } from "../session/latency.ts";
import type { SessionEvent, WorkerState } from "../session/view.ts";
import { handAllOver, openWorker } from "../worker.ts";
import { alertsOf } from "./alerts.ts";
import type { Analyst } from "./analyst.ts";
import { createFeed, type FeedTrial } from "./feed.ts";
import { emptyHealth } from "./health.ts";
import { unitMessage } from "./unit-message.ts";
import { createWatchers } from "./watchers.ts";

export interface DashboardOptions {
  experiment: Experiment;
  info: SessionInfo;
  settings: DeciderSettings;
  /** What is believed now; null where this is not the moment. */
  beliefs(): Promise<Beliefs | null>;
  /** A face as it would be on the screen. */
  picture(latents: Float64Array): Promise<Picture>;
  counts(): AcquisitionCounts;
  latency(last: number): Partial<Record<LatencyStep, Latency>>;
  desk: { tunables(): Tunables; undo(): string | null };
  failed(error: Error): void;
}

export interface Dashboard {
  told(event: SessionEvent, serverMs: number): void;
  attend(socket: WebSocket): void;
  /** An operator asked for something that is done after the next trial. */
  ordered(): void;
  /** No more will happen; pages are told why and keep what they have. */
  ended(reason: string): void;
  dispose(): Promise<void>;
}

/** Estimates go out at most so often, and take at most this share of the analyst's time. */
const ESTIMATES_MS = 250;
const SHARE = 0.5;
const POPULATION_MS = 5000;
const LOOK_MS = 1000;
const SAMPLE_MS = 1000;
/** Without a trial for so long, a pause need not be waited for. */
const CALM_MS = 1500;
/** Faces decoded for dashboards in one pause. */
const PICTURES_A_PAUSE = 2;
/** Of latencies that are shown. */
const LAST = 100;

export function openDashboard(options: DashboardOptions): Dashboard {
  const { experiment, info, settings } = options;
  const feed = createFeed(experiment, serverNow());
  const names = info.units.map(({ name }) => name);
  const excluded = new Set<string>();
  const workersDown = new Set<WorkerState["worker"]>();
  let pending = 0;
  let changedWarnings: string[] = [];
  let analyst: ReturnType<typeof openWorker<Analyst>> | null = null;
  let watched = false;
  let state: NowMessage["state"] | null = null;
  let readBack: ReadFace | null = null;
  let lastTrialMs = 0;
  let lastToldMs = serverNow();
  let taught = 0;
  /** Looking on must not end a session: pages keep what they have, and nothing more is computed for them. */
  const failed = (error: Error) => {
    const broken = analyst;
    if (!broken) return;
    analyst = null;
    watched = false;
    void broken.dispose().catch(() => {});
    watchers.goodbye(`the dashboard can't go on: ${error.message}`);
    options.failed(error);
  };

  /** The analyst serves calls in order: what it is asked next is asked of all trials so far. */
  function teach(): void {
    const fresh = feed.trials.slice(taught).map(({ latents, counts, windowS }) => ({ latents, counts, windowS }));
    taught += fresh.length;
    if (fresh.length > 0) void analyst?.call("learn", fresh).catch(failed);
  }

  // Estimates.
  let busy = false;
  let estimatesDueMs = 0;
  let populationDueMs = 0;
  async function estimate(): Promise<void> {
    if (!watched || busy || serverNow() < estimatesDueMs) return;
    busy = true;
    try {
      const begunMs = serverNow();
      const beliefs = await options.beliefs();
      if (!beliefs || !analyst) return;
      teach();
      const withPopulation = begunMs >= populationDueMs;
      const { mean, precision, covariance, dispersion } = beliefs;
      const estimates = await analyst.call(
        "take",
        handAllOver(beliefs, [mean, precision, covariance, dispersion]),
        withPopulation,
      );
      const tookMs = serverNow() - begunMs;
      estimatesDueMs = begunMs + Math.max(ESTIMATES_MS, tookMs / SHARE);
      if (withPopulation) populationDueMs = begunMs + POPULATION_MS;
      watchers.estimates(pack({ op: "estimates", ...estimates } satisfies EstimatesMessage));
      const { population } = estimates;
      if (population && feed.seriesFrom(0).findLast(({ kind }) => kind === "alignment")?.trial !== estimates.trials)
        feed.plot({
          kind: "alignment",
          trial: estimates.trials,
          value: population.estimate,
          low: population.low,
          high: population.high,
        });
    } finally {
      busy = false;
    }
  }

  // Faces that only dashboards see.
  let jobs: { latents: Float64Array; isRead: boolean; done(picture: Picture): void }[] = [];
  async function draw(): Promise<void> {
    const now = jobs.splice(0, PICTURES_A_PAUSE);
    for (const { latents, done } of now) done(await options.picture(latents));
  }

  // One unit's page.
  let looked: ReadonlySet<string> = new Set();
  const looks = new Map<string, { dueMs: number; drawing: boolean }>();
  async function look(): Promise<void> {
    for (const unit of looked) {
      const own = looks.get(unit) ?? { dueMs: 0, drawing: false };
      looks.set(unit, own);
      if (own.drawing || serverNow() < own.dueMs) continue;
      own.dueMs = serverNow() + LOOK_MS;
      const found = await analyst?.call("look", names.indexOf(unit));
      if (!found) continue;
      const pictures: (Picture | null)[] = [...found.strip.map(() => null), null];
      const faces = [...found.strip.map(({ latents }) => latents), Float64Array.from(found.report.peak.latents)];
      const send = () =>
        watchers.detail(unit, pack(unitMessage(unit, names.indexOf(unit), feed.trials, feed.raster, found, pictures)));
      if (!drawn.has(unit)) send();
      own.drawing = true;
      let left = faces.length;
      for (const [i, latents] of faces.entries())
        jobs.push({
          latents,
          isRead: false,
          done(picture) {
            pictures[i] = picture;
            if (--left > 0) return;
            own.drawing = false;
            drawn.add(unit);
            send();
          },
        });
    }
  }
  const drawn = new Set<string>();

  // What is left out of the model of tuning, a unit at a time.
  let examining = false;
  let examineDueMs = 0;
  async function examine(): Promise<void> {
    if (!watched || examining || !analyst || serverNow() < examineDueMs) return;
    examining = true;
    const begunMs = serverNow();
    await analyst.call("examineNext");
    examining = false;
    const endMs = serverNow();
    // One part in five of a core at most.
    examineDueMs = endMs + Math.max(500, 4 * (endMs - begunMs));
  }

  // The face read from the last trial's counts, by what was believed before it.
  let unread: FeedTrial | null = null;
  async function read(): Promise<void> {
    if (!unread) return;
    const { trial, face, ...seen } = unread;
    unread = null;
    const found = await analyst?.call("read", seen, trial);
    if (!found) return;
    feed.plot({ kind: "distance", trial: trial + 1, value: found.distance });
    const own: ReadFace = {
      trial,
      face,
      latentsF64: bytesOf(found.latents),
      shownF64: bytesOf(seen.latents),
      distance: found.distance,
      cells: found.cells,
      units: names.length,
      picture: null,
    };
    // A newer face to draw makes an older one needless.
    jobs = jobs.filter(({ isRead }) => !isRead);
    jobs.unshift({
      latents: found.latents,
      isRead: true,
      done(picture) {
        readBack = { ...own, picture };
      },
    });
  }

  const pause = () => {
    if (!watched || !analyst) return;
    read().then(estimate).then(draw).then(look).then(examine).catch(failed);
  };

  // Health, once a second.
  const loopDelay = monitorEventLoopDelay({ resolution: 10 });
  let health: Health = emptyHealth(info.backend);
  let before: { serverMs: number; counts: AcquisitionCounts } | null = null;
  let minute: { serverMs: number; lost: number; rejected: number }[] = [];
  let diskFreeBytes: number | null = null;
  let diskDueMs = 0;
  async function sample(): Promise<void> {
    const serverMs = serverNow();
    if (serverMs >= diskDueMs) {
      diskDueMs = serverMs + 5000;
      statfs(info.folder).then(
        ({ bavail, bsize }) => {
          diskFreeBytes = bavail * bsize;
        },
        () => {
          diskFreeBytes = null;
        },
      );
    }
    const counts = options.counts();
    const seconds = before ? (serverMs - before.serverMs) / 1000 : 0;
    const rejected = Object.values(counts.rejected).reduce((a, b) => a + b, 0) - counts.rejected["unknown-unit"];
    minute = [
      ...minute.filter((one) => serverMs - one.serverMs < 60_000),
      { serverMs, lost: counts.lostMessages, rejected },
    ];
    const view = feed.view();
    const edges = feed.edges(serverMs);
    const latency = options.latency(LAST);
    health = {
      latency: (Object.entries(latency) as [LatencyStep, Latency][]).map(([step, { n, p50, p99 }]) => ({
        step,
        words: latencyWords[step],
        n,
        p50,
        p99,
      })),
      spikesPerS: before && seconds > 0 ? (counts.spikes - before.counts.spikes) / seconds : 0,
      messagesPerS: before && seconds > 0 ? (counts.messages - before.counts.messages) / seconds : 0,
      lostMessages: counts.lostMessages,
      reorderedMessages: counts.reorderedMessages,
      lateSpikes: counts.lateSpikes,
      restarts: counts.restarts,
      rejected: Object.fromEntries(Object.entries(counts.rejected).filter(([, n]) => n > 0)),
      loopDelayMs:
        loopDelay.count > 0
          ? {
              p50: Math.max(loopDelay.percentile(50) / 1e6 - 10, 0),
              p99: Math.max(loopDelay.percentile(99) / 1e6 - 10, 0),
            }
          : null,
      droppedFrames: view.droppedFrames,
      deadlineMisses: view.deadlineMisses,
      abortedPresentations: view.abortedPresentations,
      displayUncertaintyMs: edges.displayUncertaintyMs,
      streamUncertaintyMs: edges.streamUncertaintyMs,
      streamOffsetS: edges.streamOffsetS,
      alignedBy: edges.alignedBy,
      diskFreeBytes,
      memoryBytes: process.memoryUsage.rss(),
      backend: info.backend,
      watchers: watchers.count(),
    };
    before = { serverMs, counts };
    if (serverMs - loopResetMs > 10_000) {
      loopDelay.reset();
      loopResetMs = serverMs;
    }
    if (serverMs - lastTrialMs > CALM_MS) pause();
  }
  let loopResetMs = serverNow();
  let sampling: NodeJS.Timeout | null = null;

  const watchers = createWatchers({
    info,
    now(n): Omit<NowMessage, "faces" | "log" | "series"> {
      // When it is over, time stands still.
      const serverMs = state === "ended" ? lastToldMs : serverNow();
      const view = feed.view();
      const edges = feed.edges(serverMs);
      const own = state ?? view.state;
      return {
        op: "now",
        n,
        serverMs,
        state: own,
        past: null,
        gateClosed: view.gateClosed,
        displayConnected: view.displayConnected,
        alerts: alertsOf({
          state: own,
          complaints: edges.complaints,
          displayConnected: view.displayConnected,
          displayVisible: edges.displayVisible,
          linkUp: edges.linkUp,
          gateClosed: view.gateClosed,
          workersDown: [...workersDown],
          health,
          lately: {
            ...edges.lately,
            lostMessages: minute.length > 0 ? minute.at(-1)!.lost - minute[0].lost : 0,
            rejected: minute.length > 0 ? minute.at(-1)!.rejected - minute[0].rejected : 0,
          },
          periodMs: periodMs(experiment.stimulus),
          planWarnings: changedWarnings,
        }),
        trials: view.trials,
        ...feed.pace(serverMs),
        flags: view.flags,
        onScreen: own === "ended" ? null : feed.onScreen(serverMs),
        next: feed.next(),
        readBack,
        health,
        tunables: options.desk.tunables(),
        undo: options.desk.undo(),
        excluded: [...excluded],
        pending,
        stability: feed.stability(),
      };
    },
    logFrom: feed.logFrom,
    seriesFrom: feed.seriesFrom,
    pictures: () => feed.pictures,
    watched(any) {
      watched = any;
      if (!any) {
        if (sampling) clearInterval(sampling);
        sampling = null;
        loopDelay.disable();
        return;
      }
      analyst ??= openWorker<Analyst>("server/dashboard/analyst-worker.js", settings, failed);
      loopDelay.enable();
      sampling = setInterval(() => void sample().catch(failed), SAMPLE_MS);
      void sample().catch(failed);
      pause();
    },
    looked(units) {
      looked = units;
      for (const unit of [...looks.keys()]) if (!units.has(unit)) looks.delete(unit);
      if (serverNow() - lastTrialMs > CALM_MS) pause();
    },
  });

  return {
    told(event, serverMs) {
      lastToldMs = serverMs;
      feed.told(event, serverMs);
      if (event.kind === "worker") workersDown[event.up ? "delete" : "add"](event.worker);
      if (event.kind === "setting") {
        pending = Math.max(pending - 1, 0);
        if (event.order.op === "change")
          analyst
            ?.call("warnings", event.order.experiment)
            .then((warnings) => {
              changedWarnings = warnings;
            })
            .catch(failed);
      }
      if (event.kind === "unit") {
        if (event.order.op === "exclude") excluded.add(event.order.unit);
        if (event.order.op === "include") excluded.delete(event.order.unit);
        if (event.order.op === "reset" && analyst) {
          teach();
          void analyst?.call("reset", names.indexOf(event.order.unit)).catch(failed);
        }
      }
      if (event.kind === "trial") {
        lastTrialMs = serverMs;
        const last = feed.trials.at(-1);
        if (last?.trial === event.trial.trial) unread = last;
      }
      if (event.kind === "refined") pause();
    },
    attend: watchers.attend,
    ordered() {
      pending++;
    },
    ended(reason) {
      state = "ended";
      feed.say("session", reason, serverNow());
      watchers.flush();
      watchers.goodbye(reason);
    },
    async dispose() {
      if (sampling) clearInterval(sampling);
      sampling = null;
      watched = false;
      loopDelay.disable();
      const closing = analyst;
      analyst = null;
      await closing?.dispose();
    },
  };
}
