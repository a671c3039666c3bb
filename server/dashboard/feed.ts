/** What dashboards show of a session, folded from its events. Cheap while nobody watches: the loop's own thread runs it. */
import type { Experiment } from "../../protocols/experiment.ts";
import { periodMs } from "../../protocols/experiment.ts";
import type {
  ChosenFace,
  LogKind,
  LogLine,
  NowMessage,
  Picture,
  SeriesPoint,
  StabilityCheck,
} from "../../protocols/wire/dashboard.ts";
import { bytesOf } from "../../protocols/wire/message.ts";
import { quantile } from "../session/quantile.ts";
import { complaints, initQuiet, stepQuiet } from "../session/quiet.ts";
import { type SessionEvent, type SessionView, stepView, waitingView } from "../session/view.ts";
import { createAnnouncer } from "../session/words.ts";
import { isBroken, isUsable } from "../trials/trial.ts";
import type { SeenTrial } from "./analyst.ts";
import { kindOf, quietWords } from "./log.ts";
import { createRaster, type Raster } from "./raster.ts";
import { createStability } from "./stability.ts";

/** A usable trial, with what of it is shown. */
export interface FeedTrial extends SeenTrial {
  trial: number;
  face: number;
  serverMs: number;
}

export interface Feed {
  told(event: SessionEvent, serverMs: number): void;
  view(): SessionView;
  /** All usable trials, oldest first. */
  trials: FeedTrial[];
  raster: Raster;
  /** Of everything said so far, the lines from number `n` on; likewise points of plots. */
  logFrom(n: number): LogLine[];
  seriesFrom(n: number): SeriesPoint[];
  say(kind: LogKind, text: string, serverMs: number): void;
  plot(point: Omit<SeriesPoint, "n">): void;
  pictures: ReadonlyMap<number, Picture>;
  onScreen(serverMs: number): ChosenFace | null;
  next(): ChosenFace[];
  stability(): StabilityCheck[];
  pace(serverMs: number): Pick<NowMessage, "perMin" | "elapsedMs" | "etaMs" | "endsBy">;
  edges(serverMs: number): Edges;
}

/** What is known of the edges, for health and alerts. */
export interface Edges {
  complaints: string[];
  displayVisible: boolean;
  linkUp: boolean;
  displayUncertaintyMs: number | null;
  streamUncertaintyMs: number | null;
  streamOffsetS: number | null;
  alignedBy: string | null;
  /** Over the last minute. */
  lately: { deadlineMisses: number; droppedFrames: number; trials: number; unusable: number };
}

/** Lines and points that a page which comes late still gets. */
const KEPT_LINES = 2000;
const KEPT_POINTS = 20_000;
const LATELY_MS = 60_000;
/** A trial's time is the median over so many. */
const PACE_TRIALS = 20;

export function createFeed(experiment: Experiment, startedServerMs: number): Feed {
  const announce = createAnnouncer(experiment);
  const raster = createRaster();
  const stability = createStability();
  const trials: FeedTrial[] = [];
  const chosen = new Map<number, ChosenFace>();
  const realised = new Map<number, Float64Array>();
  const pictures = new Map<number, Picture>();
  const waiting = new Set<number>();
  /** Of presentations on their way to a trial, with the latency that an operator had set by then. */
  const onsets = new Map<number, { serverMs: number; latencyMs: number }>();
  let { latencyMs } = experiment.response;
  let log: LogLine[] = [];
  let series: SeriesPoint[] = [];
  let lines = 0;
  let points = 0;
  let view = waitingView(experiment.trials);
  let quiet = initQuiet(startedServerMs);
  let screen: { face: number; sinceMs: number } | null = null;
  let visible = true;
  let linkUp = true;
  let displayUncertaintyMs: number | null = null;
  let stream: { uncertaintyMs: number; offsetS: number; by: string } | null = null;
  let closings: number[] = [];
  let events: { serverMs: number; what: "miss" | "trial" | "unusable" | "frame"; n: number }[] = [];

  const say = (kind: LogKind, text: string, serverMs: number) => {
    log.push({ n: lines++, serverMs, kind, text });
    if (log.length > 2 * KEPT_LINES) log = log.slice(-KEPT_LINES);
  };
  const plot = (point: Omit<SeriesPoint, "n">) => {
    series.push({ n: points++, ...point });
    if (series.length > 2 * KEPT_POINTS) series = series.slice(-KEPT_POINTS);
  };
  const happened = (what: (typeof events)[number]["what"], serverMs: number, n = 1) => {
    events.push({ serverMs, what, n });
    if (events.length > 5000) events = events.filter((one) => serverMs - one.serverMs < LATELY_MS);
  };

  function take(event: SessionEvent, serverMs: number): void {
    switch (event.kind) {
      case "acquisition":
        if (event.event.type === "batch") raster.take(event.event);
        else if (event.event.type === "restart") raster.restarted();
        else if (event.event.type === "link") linkUp = event.event.up;
        return;
      case "choice": {
        const { latents, reason } = event.choice;
        chosen.set(event.face, { face: event.face, latentsF64: bytesOf(latents), reason });
        waiting.add(event.face);
        stability.chosen(event.face, reason.special);
        return;
      }
      case "realised":
        realised.set(event.face, event.latents);
        return;
      case "plan":
        takePlan(event.output, serverMs);
        return;
      case "display":
        if (event.event.type === "visibility") visible = event.event.visible;
        if (event.event.type === "connected") visible = true;
        if (event.event.type === "shown") {
          displayUncertaintyMs = event.event.uncertaintyMs;
          if (event.event.dropped > 0) happened("frame", serverMs, event.event.dropped);
        }
        return;
      case "setting":
        if (event.order.op !== "stability") latencyMs = event.order.experiment.response.latencyMs;
        return;
      case "trial":
        takeTrial(event, serverMs);
    }
  }

  function takePlan(output: Extract<SessionEvent, { kind: "plan" }>["output"], serverMs: number): void {
    for (const message of output.messages)
      if (message.op === "face") {
        const { face, width, height, pixels } = message;
        pictures.set(face, { width, height, pixels });
      }
    for (const onset of output.onsets) {
      if (screen && screen.face !== onset.face) pictures.delete(screen.face);
      screen = { face: onset.face, sinceMs: onset.onsetServerMs };
      waiting.delete(onset.face);
      onsets.set(onset.presentation, { serverMs: onset.onsetServerMs, latencyMs });
    }
    for (const { face } of output.broken) waiting.add(face);
    if (output.deadlineMissed) happened("miss", serverMs);
    for (const ms of output.lastSpikeToReadyMs) plot({ trial: view.trials.closed, kind: "toReady", value: ms });
  }

  function takeTrial({ trial }: Extract<SessionEvent, { kind: "trial" }>, serverMs: number): void {
    const onset = onsets.get(trial.presentation);
    onsets.delete(trial.presentation);
    happened("trial", serverMs);
    if (!isUsable(trial)) happened("unusable", serverMs);
    if (isBroken(trial)) return;
    closings.push(trial.closedServerMs);
    if (closings.length > PACE_TRIALS + 1) closings = closings.slice(-PACE_TRIALS - 1);
    const { window, face } = trial;
    const latents = realised.get(face) ?? trial.latents;
    realised.delete(face);
    chosen.delete(face - 64);
    if (window && onset) {
      const onsetS = window.startS - onset.latencyMs / 1000;
      stream = { uncertaintyMs: window.uncertaintyMs, offsetS: onsetS - onset.serverMs / 1000, by: window.by };
      if (isUsable(trial)) raster.closed(trial.trial, onsetS);
    }
    if (!isUsable(trial) || !window) return;
    const counts = Float64Array.from(trial.counts);
    trials.push({ trial: trial.trial, face, latents, counts, windowS: window.endS - window.startS, serverMs });
    stability.closed(face, counts);
  }

  return {
    told(event, serverMs) {
      view = stepView(view, event);
      quiet = stepQuiet(quiet, event, serverMs);
      take(event, serverMs);
      const words = announce(event);
      if (words) for (const line of words.split("\n")) say(kindOf(event), line, serverMs);
      const quietly = quietWords(event);
      if (quietly) say(quietly.kind, quietly.text, serverMs);
    },
    view: () => view,
    trials,
    raster,
    logFrom: (n) => from(log, n),
    seriesFrom: (n) => from(series, n),
    say,
    plot,
    pictures,
    onScreen(serverMs) {
      if (!screen || serverMs - screen.sinceMs > 2 * periodMs(experiment.stimulus)) return null;
      return chosen.get(screen.face) ?? null;
    },
    next: () => [...waiting].sort((a, b) => a - b).flatMap((face) => chosen.get(face) ?? []),
    stability: stability.checks,
    pace(serverMs) {
      const { closed, planned } = view.trials;
      const gaps = closings.slice(1).map((ms, i) => ms - closings[i]);
      const eachMs = gaps.length > 0 ? quantile(gaps, 0.5) : null;
      const elapsedMs = view.firstTrialServerMs === null ? null : serverMs - view.firstTrialServerMs;
      const byTrialsMs = eachMs === null ? null : (planned - closed) * eachMs;
      const { minutes, identifiedAt, uncertaintyBelow } = experiment.stop;
      const byTimeMs = minutes === null || elapsedMs === null ? null : Math.max(60_000 * minutes - elapsedMs, 0);
      const sooner = identifiedAt !== null || uncertaintyBelow !== null ? ", or sooner by the stop rule" : "";
      const isByTime = byTimeMs !== null && (byTrialsMs === null || byTimeMs < byTrialsMs);
      return {
        perMin: eachMs ? 60_000 / eachMs : 0,
        elapsedMs,
        etaMs: isByTime ? byTimeMs : byTrialsMs,
        endsBy: `${isByTime ? `after ${minutes} minutes` : `after ${planned} trials`}${sooner}`,
      };
    },
    edges(serverMs) {
      events = events.filter((one) => serverMs - one.serverMs < LATELY_MS);
      const count = (what: string) => events.reduce((sum, one) => sum + (one.what === what ? one.n : 0), 0);
      return {
        complaints: complaints(quiet, view, periodMs(experiment.stimulus), serverMs),
        displayVisible: visible,
        linkUp,
        displayUncertaintyMs,
        streamUncertaintyMs: stream?.uncertaintyMs ?? null,
        streamOffsetS: stream?.offsetS ?? null,
        alignedBy: stream?.by ?? null,
        lately: {
          deadlineMisses: count("miss"),
          droppedFrames: count("frame"),
          trials: count("trial"),
          unusable: count("unusable"),
        },
      };
    },
  };
}

/** Items are numbered without gaps; those before the first that is kept are gone. */
function from<T extends { n: number }>(items: readonly T[], n: number): T[] {
  return items.length === 0 || n > items[items.length - 1].n ? [] : items.slice(Math.max(0, n - items[0].n));
}
