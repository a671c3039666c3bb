/** A past session played again, to a display and to dashboards (SPEC.md, J15): opens what it needs, and closes it in reverse order. */
import { concatMap, from, Subject, type Subscription } from "rxjs";
import { WATCH_PATH } from "../../protocols/wire/dashboard.ts";
import { serverNow } from "../clock.ts";
import { openPast } from "../dashboard/past.ts";
import { ConfigurationError, LostEdgeError } from "../failure.ts";
import { clientFolder } from "../package-root.ts";
import { type DisplayEvent, type DisplayServer, openDisplayServer } from "../presentation/display-server.ts";
import { createLuminance } from "../presentation/luminance.ts";
import { welcomeOf } from "../presentation/welcome.ts";
import { entryAddress, guardOptions, type Network } from "../security/entry.ts";
import { Disposers } from "../session/disposers.ts";
import type { FoundSession } from "../session/folder.ts";
import { readoutOf } from "../session/published.ts";
import { quantile } from "../session/quantile.ts";
import { forkHeadlessDisplay } from "../simulated-edges.ts";
import {
  closedBy,
  initPlayer,
  isOver,
  type PlayerInput,
  type PlayerState,
  stepPlayer,
  wakeServerMs,
} from "./player.ts";
import { scriptOf } from "./script.ts";
import { MOST_WAIT_MS } from "./wait.ts";

export interface PlaybackOptions extends Network {
  /** Times real time; infinite: as fast as the display shows faces. */
  speed: number;
  display: "browser" | "headless";
}

export interface Played {
  faces: { shown: number; all: number };
  trials: { closed: number; all: number };
  /** From the first face's onset to the end, and how long that took in the session. */
  tookS: number;
  recordedS: number;
  /** How far from where they were due onsets were; null where nothing is due at a time, or none came. */
  offMs: { median: number; most: number } | null;
}

export interface PlaybackWatcher {
  said(line: string): void;
  /** The session has been read; nothing has been shown. */
  began(found: FoundSession): Promise<void>;
  /** Trials that have come again, of all. */
  changed(closed: number, all: number): void;
  /** For so many seconds nothing is shown, as it was in the session. */
  waits(seconds: number): void;
}

/** A time in which nothing happens is worth a word. */
const LONG_MS = 10_000;

/**
 * Plays a session to its end, or until it is interrupted.
 *
 * @throws ConfigurationError where the folder has no session that showed a face, or its model is gone
 */
export async function playSession(
  folder: string,
  options: PlaybackOptions,
  interrupted: AbortSignal,
  watcher: PlaybackWatcher,
): Promise<Played> {
  const disposers = new Disposers();
  try {
    const past = disposers.opened(
      await openPast(folder, (error) => watcher.said(`dashboards can't go on: ${error.message}`), true),
    );
    await watcher.began(past.found);
    const { experiment } = past.found;
    const script = scriptOf(
      past.events.map(({ event }) => event),
      experiment.stimulus.onMs,
    );
    if (script.shown.length === 0)
      throw new ConfigurationError(`${folder}: expected a session that showed a face, found none in its journal`);
    const luminance = createLuminance(experiment);
    const guard = await guardOptions(options);
    const display = disposers.opened(
      await openDisplayServer({
        ...guard,
        port: options.port,
        clientFolder,
        welcome: welcomeOf(experiment, past.info.image, luminance),
        others: { [WATCH_PATH]: { attend: past.attend } },
      }),
    );
    watcher.said(`dashboard: ${entryAddress(`${display.url}dashboard`, options, guard.token)}`);
    const died = new AbortController();
    if (options.display === "headless") {
      watcher.said(`display: headless, at ${display.url}`);
      const failed = (error: Error) => died.abort(error);
      disposers.opened(forkHeadlessDisplay(failed)).connect({ url: display.socketUrl, token: guard.token });
    } else
      watcher.said(`display: open ${entryAddress(display.url, options, guard.token)} in a browser; it begins then`);

    return await play(initPlayer(script, options.speed), {
      display,
      picture: async (i) => {
        const { face, latents } = script.shown[i];
        const picture = await past.picture(String(face), latents);
        return { ...picture, pixels: luminance.face(picture.pixels) };
      },
      came(closed) {
        past.playTo(closed);
        display.send(readoutOf(past.view(), past.info.latents));
        watcher.changed(closed, script.closedMs.length);
      },
      said: watcher.said,
      waits: watcher.waits,
      ended: AbortSignal.any([interrupted, died.signal]),
    });
  } finally {
    await disposers.dispose();
  }
}

interface Stage extends Pick<PlaybackWatcher, "said" | "waits"> {
  display: DisplayServer;
  /** The face at a place of the script. */
  picture(place: number): Promise<{ width: number; height: number; pixels: Uint8Array }>;
  /** So many trials have come again. */
  came(closed: number): void;
  /** Aborted where it is to end before its end; an error for a reason is thrown. */
  ended: AbortSignal;
}

function play(first: PlayerState, { display, picture, came, said, waits, ended }: Stage): Promise<Played> {
  const { script, speed } = first;
  const off: number[] = [];
  let state = first;
  let closed = 0;
  let connections = 0;
  let firstOnsetServerMs: number | null = null;
  let timer: NodeJS.Timeout | undefined;
  const wanted = new Subject<{ place: number; connection: number }>();
  const listening: Subscription[] = [];

  const played = new Promise<void>((resolve, reject) => {
    const step = (input: PlayerInput) => {
      const [next, { messages, faces, lateMs }] = stepPlayer(state, input);
      if (input.type === "connected") connections++;
      if (input.type === "shown") firstOnsetServerMs ??= input.onsetServerMs;
      if (lateMs !== null) off.push(Math.abs(lateMs));
      for (const place of faces) wanted.next({ place, connection: connections });
      for (const message of messages) display.send(message);
      const waitsMs = next.asked && next.asked !== state.asked ? next.asked.dueServerMs - input.serverMs : 0;
      if (waitsMs > LONG_MS) waits(waitsMs / 1000);
      state = next;
      const now = serverNow();
      for (const all = closedBy(state, now); closed < all; ) came(++closed);
      if (isOver(state, now)) return resolve();
      clearTimeout(timer);
      const wakeMs = wakeServerMs(state, now);
      if (wakeMs === null) return;
      const tick = () => step({ type: "tick", serverMs: serverNow() });
      timer = setTimeout(tick, Math.min(Math.max(wakeMs - now, 1), MOST_WAIT_MS));
    };
    const end = () => (ended.reason instanceof LostEdgeError ? reject(ended.reason) : resolve());
    if (ended.aborted) return end();
    ended.addEventListener("abort", end, { once: true });
    listening.push(
      wanted
        .pipe(
          concatMap(({ place, connection }) => from(picture(place).then((drawn) => ({ place, connection, drawn })))),
        )
        .subscribe({
          next: ({ place, connection, drawn }) => {
            // Another display is there, and is sent all that it needs.
            if (connection === connections) display.send({ op: "face", face: place, ...drawn });
          },
          error: reject,
        }),
      display.events$.subscribe((event) => {
        const words = displayWords(event);
        if (words) said(words);
        step(event);
      }),
    );
  });
  return played
    .then(() => ({
      faces: { shown: state.next, all: script.shown.length },
      trials: { closed, all: script.closedMs.length },
      tookS: firstOnsetServerMs === null ? 0 : (serverNow() - firstOnsetServerMs) / 1000,
      recordedS: script.endMs / 1000,
      offMs: Number.isFinite(speed) && off.length > 0 ? { median: quantile(off, 0.5), most: quantile(off, 1) } : null,
    }))
    .finally(() => {
      clearTimeout(timer);
      for (const one of listening) one.unsubscribe();
    });
}

function displayWords(event: DisplayEvent): string | null {
  const waiting = "the session waits until it is back";
  switch (event.type) {
    case "connected":
      return `display connected: ${(1000 / event.frameMs).toFixed(2)} Hz`;
    case "lost":
      return `display lost: ${event.reason}; ${waiting}`;
    case "visibility":
      return event.visible ? "display visible again" : `display hidden: its tab is not in front; ${waiting}`;
    case "refused":
      return `a display was refused: ${event.message}`;
    default:
      return null;
  }
}
