/** A past session, opened to be read: what its journal has, what was believed after each trial, and the pages that look at it. */
import { join } from "node:path";
import type { WebSocket } from "ws";
import type { Picture, SessionInfo } from "../../protocols/wire/dashboard.ts";
import { ConfigurationError } from "../failure.ts";
import { openModel } from "../model/backends.ts";
import { experimentModel } from "../model/experiment-model.ts";
import { readModel } from "../model/model-folder.ts";
import { type FoundSession, readSession } from "../session/folder.ts";
import type { SessionEvent, SessionView } from "../session/view.ts";
import { isBroken } from "../trials/trial.ts";
import { openWorker, type WorkerHandle } from "../worker.ts";
import { createFeed, type Feed } from "./feed.ts";
import { sessionInfo } from "./info.ts";
import type { PastAnalyst, PastData, PastProgress, Taught } from "./past-analyst.ts";
import { openPastView, type PastView } from "./past-view.ts";

/** What all pages of a past session share. */
export interface PastSession {
  found: FoundSession;
  info: SessionInfo;
  events: readonly { event: SessionEvent; serverMs: number }[];
  /** Of `events`, those before this index had happened when so many trials had closed and the next one had not. */
  ends: readonly number[];
  /** What records' times are ahead of those that the loop knows: a session in virtual time begins at 0. */
  aheadMs: number;
  whole: Feed;
  /** Its log, and points of its plots, as far as pages are told of them. */
  told: Feed;
  /** Trials that a page may follow to. */
  head(): number;
  analyst: WorkerHandle<PastAnalyst>;
  progress(): PastProgress;
  picture(face: string, latents: Float64Array): Promise<Picture>;
}

export interface Past extends Pick<PastSession, "found" | "info" | "events" | "picture"> {
  attend(socket: WebSocket): void;
  /** Pages follow to after so many trials: of a session that is played. */
  playTo(trials: number): void;
  /** What pages are told of, folded. */
  view(): SessionView;
  pages(): number;
  dispose(): Promise<void>;
}

const PROGRESS_MS = 100;
/** Faces that stay decoded. */
const MOST_PICTURES = 400;

/**
 * @param isPlayed pages begin at the beginning and follow `playTo`; else at the end
 * @throws ConfigurationError where the folder has no session that decided something, or its model is gone
 */
export async function openPast(folder: string, failed: (error: Error) => void, isPlayed = false): Promise<Past> {
  const events: PastSession["events"][number][] = [];
  const ends: number[] = [];
  const taught: Taught[] = [];
  let whole: Feed | null = null;
  let closed = 0;
  let aheadMs = 0;
  const found = await readSession(folder, (event, serverMs, { experiment, decider, options }) => {
    whole ??= createFeed(experiment, serverMs);
    const closes = event.kind === "trial" && !isBroken(event.trial);
    if (closes) ends.push(events.length);
    if (closes && closed === 0 && options.virtual === true) aheadMs = serverMs - event.trial.closedServerMs;
    closed += Number(closes);
    if (!isEmptyBatch(event)) events.push({ event, serverMs });
    const usable = whole.trials.length;
    whole.told(event, serverMs);
    if (whole.trials.length > usable) {
      const { trial, latents, counts, windowS } = whole.trials[usable];
      taught.push({ after: closed, trial, seen: { latents, counts, windowS } });
    }
    if (event.kind === "unit" && event.order.op === "reset")
      taught.push({ after: closed, reset: decider!.settings.units.indexOf(event.order.unit) });
  });
  const { decider, experiment, isOver } = found;
  if (!decider || !whole)
    throw new ConfigurationError(`${folder}: expected a session that decided something, found none in its journal`);
  ends.push(events.length);
  const last = events.at(-1)!.serverMs;
  const session: Feed = whole;
  session.say("session", isOver ? "a past session, as it ended" : "a past session that was broken off", last);

  const modelFolder = found.model ?? (await experimentModel(experiment, join(folder, "experiment.yaml"))).folder;
  const model = await readModel(modelFolder);
  const { decoder } = await openModel(model);
  const { width, height } = model.card.image;
  const isSimulated = found.options.rig === "sim" || found.options.virtual === true;
  const info = {
    ...sessionInfo(experiment, decider.settings.units, model.card, folder, "a past session", isSimulated),
    past: true,
  };

  const data: PastData = { ...decider, folder, taught };
  const analyst = openWorker<PastAnalyst>("server/dashboard/past-worker.js", data, failed);
  let progress: PastProgress = {
    known: 0,
    stride: 1,
    isRead: false,
    isPlotted: false,
    difference: null,
    failed: null,
    points: [],
  };
  let points = 0;
  /** Of plots, those of trials that pages are still to be told of. */
  let ahead: PastProgress["points"] = [];
  const told = isPlayed ? createFeed(experiment, events[0].serverMs) : session;
  let toldEvents = isPlayed ? 0 : events.length;
  let head = isPlayed ? 0 : closed;
  const plot = () => {
    for (const point of ahead) if (point.trial <= head) told.plot(point);
    ahead = ahead.filter((point) => point.trial > head);
  };
  const views = new Set<PastView>();
  const playTo = (trials: number) => {
    head = trials;
    for (; toldEvents < ends[trials]; toldEvents++) told.told(events[toldEvents].event, events[toldEvents].serverMs);
    plot();
    for (const view of views) view.progressed();
  };
  if (isPlayed) playTo(0);
  let asking: NodeJS.Timeout | null = null;
  const ask = async () => {
    progress = await analyst.call("progress", points);
    points += progress.points.length;
    ahead.push(...progress.points);
    plot();
    for (const view of views) view.progressed();
    if (!progress.isPlotted && progress.failed === null) asking = setTimeout(again, PROGRESS_MS);
  };
  const again = () => void ask().catch(() => {});
  again();

  const pictures = new Map<string, Promise<Picture>>();
  const shared: PastSession = {
    found,
    info,
    events,
    ends,
    aheadMs,
    whole: session,
    told,
    head: () => head,
    analyst,
    progress: () => progress,
    picture(face, latents) {
      const kept =
        pictures.get(face) ??
        decoder.decode(Float32Array.from(latents)).then((pixels): Picture => ({ width, height, pixels }));
      pictures.delete(face);
      pictures.set(face, kept);
      if (pictures.size > MOST_PICTURES) pictures.delete(pictures.keys().next().value!);
      return kept;
    },
  };
  return {
    ...shared,
    playTo,
    view: told.view,
    pages: () => views.size,
    attend(socket) {
      const view = openPastView(shared, socket, () => views.delete(view), failed);
      views.add(view);
    },
    async dispose() {
      if (asking) clearTimeout(asking);
      await analyst.dispose();
      decoder.dispose();
    },
  };
}

/** A message without spikes: there are hundreds a second, and no page shows them. */
const isEmptyBatch = (event: SessionEvent): boolean =>
  event.kind === "acquisition" && event.event.type === "batch" && event.event.unit.length === 0;
