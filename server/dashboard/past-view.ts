/** One page's view of a past session, at the trial that it asks for. */
import type { WebSocket } from "ws";
import type { Experiment } from "../../protocols/experiment.ts";
import type {
  Alert,
  ChosenFace,
  EstimatesMessage,
  NowMessage,
  Picture,
  ReadFace,
} from "../../protocols/wire/dashboard.ts";
import { bytesOf, pack } from "../../protocols/wire/message.ts";
import { float64s } from "../session/recorded.ts";
import { createFeed, type Feed } from "./feed.ts";
import { emptyHealth } from "./health.ts";
import { tunablesOf } from "./info.ts";
import type { PastSession } from "./past.ts";
import { unitMessage } from "./unit-message.ts";
import { createWatchers } from "./watchers.ts";

export interface PastView {
  /** More of the journal has been made again. */
  progressed(): void;
}

/** Units that are examined before what was found is sent. */
const EXAMINED_AT_ONCE = 8;

export function openPastView(
  past: PastSession,
  socket: WebSocket,
  closed: () => void,
  failed: (error: Error) => void,
): PastView {
  const { info, ends, analyst, whole, told } = past;
  const names = info.units.map(({ name }) => name);
  const trials = ends.length - 1;
  /** Until the page asks for a trial, it follows what is known and, of a session that is played, has come again. */
  let asked: number | null = null;
  /** The trial that was gone to, and the one that stands for it. */
  let went = 0;
  let at = 0;
  let turn = 0;
  let gone = false;
  /** Whether all that belongs to this trial is shown, and not what comes quickly alone. */
  let isWhole = false;
  let looked: ReadonlySet<string> = new Set();
  let readBack: ReadFace | null = null;
  let pictures = new Map<number, Picture>();
  const moment = createMoment(past);
  const newest = () => Math.min(past.progress().known, past.head());

  const watchers = createWatchers({
    info,
    now(n) {
      const { feed, experiment, excluded, serverMs, loopMs } = moment.state();
      const { known, stride, isRead } = past.progress();
      const view = feed.view();
      const { displayUncertaintyMs, streamUncertaintyMs, streamOffsetS, alignedBy } = feed.edges(serverMs);
      return {
        op: "now",
        n,
        serverMs,
        state: "ended",
        past: { at, trials, known, stride, isRead },
        gateClosed: view.gateClosed,
        displayConnected: view.displayConnected,
        alerts: alertsOf(past),
        trials: view.trials,
        ...feed.pace(loopMs),
        flags: view.flags,
        onScreen: at < trials ? feed.onScreen(loopMs) : null,
        next: at < trials ? feed.next() : [],
        readBack,
        health: {
          ...emptyHealth(info.backend),
          droppedFrames: view.droppedFrames,
          deadlineMisses: view.deadlineMisses,
          abortedPresentations: view.abortedPresentations,
          displayUncertaintyMs,
          streamUncertaintyMs,
          streamOffsetS,
          alignedBy,
        },
        tunables: tunablesOf(experiment, names),
        undo: null,
        excluded: [...excluded],
        pending: 0,
        stability: feed.stability(),
      } satisfies Omit<NowMessage, "faces" | "log" | "series">;
    },
    logFrom: told.logFrom,
    seriesFrom: told.seriesFrom,
    pictures: () => pictures,
    watched(any) {
      if (any) return void show(newest());
      turn++;
      gone = true;
      closed();
    },
    looked(units) {
      looked = units;
      look(turn).catch(broken);
    },
    at(wanted) {
      asked = wanted;
      show(wanted);
    },
  });
  const broken = (error: Error) => {
    // What a page waited for may end with the session's thread, once it has gone.
    if (gone) return;
    watchers.goodbye(`the page can't go on: ${error.message}`);
    failed(error);
  };

  let fetching = 0;
  function show(wanted: number): void {
    const own = ++turn;
    fetching++;
    went = Math.min(wanted, past.progress().known, trials);
    fetchAt(went, own)
      .finally(() => fetching--)
      .then((isAll) => (isAll ? examine(own) : undefined))
      .catch(broken);
  }

  /** What comes quickly; whether the rest may follow. */
  async function fetchAt(wanted: number, own: number): Promise<boolean> {
    const isCurrent = () => own === turn;
    const { at: kept, estimates } = await analyst.call("estimates", wanted, false);
    if (!isCurrent()) return false;
    at = kept;
    const feed = moment.goTo(at);
    // What stands at the end is not known before the whole journal is.
    const isFollowed = asked === null && (went < newest() || (went === trials && !past.progress().isRead));
    const faces = [feed.onScreen(moment.state().loopMs), ...feed.next()].filter((face) => face !== null);
    pictures = await drawn(faces);
    if (!isCurrent()) return false;
    watchers.anew();
    watchers.estimates(pack({ op: "estimates", ...estimates, population: null } satisfies EstimatesMessage));
    watchers.flush();
    isWhole = !isFollowed;
    if (isFollowed) return false;
    await read(own);
    await look(own);
    return isCurrent();
  }

  async function examine(own: number): Promise<void> {
    const isCurrent = () => own === turn;
    for (let more = true; more && isCurrent(); ) {
      const { estimates: all } = await analyst.call("estimates", at, true);
      if (!isCurrent()) return;
      watchers.estimates(pack({ op: "estimates", ...all } satisfies EstimatesMessage));
      for (let i = 0; i < EXAMINED_AT_ONCE && more && isCurrent(); i++) more = await analyst.call("examine", at);
    }
    if (isCurrent()) await look(own);
  }

  const drawn = async (faces: readonly ChosenFace[]): Promise<Map<number, Picture>> =>
    new Map(
      await Promise.all(
        faces.map(
          async ({ face, latentsF64 }) => [face, await past.picture(String(face), float64s(latentsF64))] as const,
        ),
      ),
    );

  async function read(own: number): Promise<void> {
    const found = await analyst.call("read", at);
    if (own !== turn) return;
    const trial = whole.trials.find((one) => one.trial === found?.trial);
    if (!found || !trial) {
      readBack = null;
      return;
    }
    const picture = await past.picture(`read ${found.trial}`, found.latents);
    const shown = await past.picture(String(trial.face), found.shown);
    if (own !== turn) return;
    pictures.set(trial.face, shown);
    readBack = {
      trial: found.trial,
      face: trial.face,
      latentsF64: bytesOf(found.latents),
      shownF64: bytesOf(found.shown),
      distance: found.distance,
      cells: found.cells,
      units: names.length,
      picture,
    };
    watchers.anew();
  }

  async function look(own: number): Promise<void> {
    for (const unit of looked) {
      const u = names.indexOf(unit);
      if (u < 0) continue;
      const found = await analyst.call("look", at, u);
      if (own !== turn || !found) return;
      const { feed } = moment.state();
      const send = (drawn: readonly (Picture | null)[]) =>
        watchers.detail(unit, pack(unitMessage(unit, u, feed.trials, feed.raster, found, drawn)));
      const faces = [...found.strip.map(({ latents }) => latents), Float64Array.from(found.report.peak.latents)];
      send(faces.map(() => null));
      const all = await Promise.all(faces.map((face, i) => past.picture(`${unit} ${at} ${i}`, face)));
      if (own !== turn) return;
      send(all);
    }
  }

  watchers.attend(socket);
  return {
    progressed() {
      if (asked !== null || fetching > 0) return;
      const isNewer = newest() > went;
      if (isNewer || (went === trials && past.progress().isRead && !isWhole)) show(newest());
    },
  };
}

const alertsOf = ({ progress }: PastSession): Alert[] => {
  const { failed, difference } = progress();
  if (failed !== null)
    return [
      {
        level: "stop",
        text: `The journal can't be made again any further: ${failed}.`,
        todo: "What is shown stands at the last trial that could be read.",
      },
    ];
  if (difference === null) return [];
  return [
    {
      level: "warning",
      text: `Decisions come out differently here, first ${difference.what} after trial ${(difference.afterTrial ?? -1) + 1}.`,
      todo: "Another version or another machine made this session: replay --verify says more.",
    },
  ];
};

/** The session folded to one moment; back is from the beginning again. */
function createMoment({ events, ends, found, aheadMs }: PastSession) {
  let feed: Feed;
  let experiment: Experiment;
  let excluded: Set<string>;
  let index: number;
  const restart = () => {
    feed = createFeed(found.experiment, events[0].serverMs);
    experiment = found.experiment;
    excluded = new Set();
    index = 0;
  };
  restart();
  return {
    goTo(trials: number): Feed {
      const end = ends[trials];
      if (end < index) restart();
      for (; index < end; index++) {
        const { event, serverMs } = events[index];
        feed.told(event, serverMs);
        if (event.kind === "setting" && event.order.op === "change") experiment = event.order.experiment;
        if (event.kind === "unit" && event.order.op === "exclude") excluded.add(event.order.unit);
        if (event.kind === "unit" && event.order.op === "include") excluded.delete(event.order.unit);
      }
      return feed;
    },
    state() {
      const { serverMs } = events[Math.max(index - 1, 0)];
      return { feed, experiment, excluded, serverMs, loopMs: serverMs - aheadMs };
    },
  };
}
