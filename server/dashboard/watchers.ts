/**
 * The sockets of dashboards. Each is sent what is newest once it has drawn what it was sent before (SPEC.md, rules D): nothing is
 * queued for a slow one, and what several are to get is packed once.
 */
import type { WebSocket } from "ws";
import {
  DASHBOARD_VERSION,
  type DashboardMessage,
  decodeWatchRequest,
  type LogLine,
  type NowMessage,
  type Picture,
  type SeriesPoint,
  type SessionInfo,
} from "../../protocols/wire/dashboard.ts";
import { pack } from "../../protocols/wire/message.ts";

/** What a page is told once. */
export interface Told {
  log: number;
  series: number;
  face: number;
  readTrial: number;
}

export interface WatchersOptions {
  info: SessionInfo;
  /** The state now, without what a page is told only once. */
  now(n: number): Omit<NowMessage, "faces" | "log" | "series">;
  logFrom(n: number): LogLine[];
  seriesFrom(n: number): SeriesPoint[];
  /** Pictures of faces on the screen or to come, by face. */
  pictures(): ReadonlyMap<number, Picture>;
  /** The first page has come, or the last has gone. */
  watched(any: boolean): void;
  looked(units: ReadonlySet<string>): void;
  /** Past sessions: a page wants to see another trial. */
  at?(trials: number): void;
}

interface Watcher {
  socket: WebSocket;
  told: Told;
  /** The `now` that it has not yet drawn. */
  unseen: number | null;
  unit: string | null;
  estimates: number;
  detail: number;
}

/** Ten a second, and a little: timers come late. */
const EVERY_MS = 90;
/** Lines and points of one message: a page that comes late gets the rest with the next ones. */
const MOST_LINES = 300;
const MOST_POINTS = 3000;
/** Beyond this a socket's own buffer is no longer a matter of one message on its way. */
const MOST_BUFFERED = 4 * 2 ** 20;

export function createWatchers(options: WatchersOptions) {
  const watchers = new Set<Watcher>();
  let n = 0;
  let timer: NodeJS.Timeout | null = null;
  let estimates: { n: number; bytes: Uint8Array } | null = null;
  const details = new Map<string, { n: number; bytes: Uint8Array }>();
  let serial = 0;

  const looked = () => options.looked(new Set([...watchers].flatMap(({ unit }) => (unit === null ? [] : [unit]))));

  function tick(): void {
    const free = [...watchers].filter(({ unseen, socket }) => unseen === null && socket.bufferedAmount < MOST_BUFFERED);
    if (free.length === 0) return;
    const now = options.now(++n);
    const packed = new Map<string, Uint8Array>();
    const pictures = options.pictures();
    for (const watcher of free) {
      const { told } = watcher;
      const key = `${told.log} ${told.series} ${told.face} ${told.readTrial}`;
      const log = options.logFrom(told.log).slice(0, MOST_LINES);
      const series = options.seriesFrom(told.series).slice(0, MOST_POINTS);
      const faces = [...pictures].filter(([face]) => face > told.face).map(([face, picture]) => ({ face, ...picture }));
      const bytes = packed.get(key) ?? pack({ ...now, faces, log, series, readBack: readBackFor(now, told) });
      packed.set(key, bytes);
      watcher.told = {
        log: log.at(-1)?.n === undefined ? told.log : log.at(-1)!.n + 1,
        series: series.at(-1)?.n === undefined ? told.series : series.at(-1)!.n + 1,
        face: faces.reduce((most, { face }) => Math.max(most, face), told.face),
        readTrial: now.readBack?.trial ?? told.readTrial,
      };
      watcher.unseen = n;
      watcher.socket.send(bytes);
      sendNewest(watcher);
    }
  }

  /** The picture goes once; afterwards its numbers say which it is. */
  const readBackFor = ({ readBack }: Pick<NowMessage, "readBack">, told: Told) =>
    readBack && readBack.trial <= told.readTrial ? { ...readBack, picture: null } : readBack;

  function sendNewest(watcher: Watcher): void {
    if (estimates && estimates.n > watcher.estimates) {
      watcher.estimates = estimates.n;
      watcher.socket.send(estimates.bytes);
    }
    const detail = watcher.unit === null ? undefined : details.get(watcher.unit);
    if (detail && detail.n > watcher.detail) {
      watcher.detail = detail.n;
      watcher.socket.send(detail.bytes);
    }
  }

  function forget(watcher: Watcher): void {
    if (!watchers.delete(watcher)) return;
    looked();
    if (watchers.size > 0) return;
    if (timer) clearInterval(timer);
    timer = null;
    options.watched(false);
  }

  return {
    count: () => watchers.size,
    attend(socket: WebSocket): void {
      const watcher: Watcher = {
        socket,
        told: { log: 0, series: 0, face: -1, readTrial: -1 },
        unseen: null,
        unit: null,
        estimates: 0,
        detail: 0,
      };
      socket.on("error", () => socket.terminate());
      socket.on("close", () => forget(watcher));
      socket.on("message", (data: Buffer) => {
        const request = decodeWatchRequest(data);
        if (!request.ok) return socket.close(1002, request.detail.slice(0, 120));
        const { value } = request;
        if (value.op === "seen") {
          if (value.n === watcher.unseen) watcher.unseen = null;
        } else if (value.op === "look") {
          watcher.unit = value.unit;
          watcher.detail = 0;
          looked();
        } else options.at?.(value.trials);
      });
      socket.send(pack({ op: "hello", v: DASHBOARD_VERSION, session: options.info } satisfies DashboardMessage));
      watchers.add(watcher);
      if (watchers.size === 1) {
        options.watched(true);
        timer = setInterval(tick, EVERY_MS);
      }
    },
    /** What is known of all units: the newest is kept for pages that come or catch up. Already packed. */
    estimates(bytes: Uint8Array): void {
      estimates = { n: ++serial, bytes };
    },
    detail(unit: string, bytes: Uint8Array): void {
      details.set(unit, { n: ++serial, bytes });
    },
    /** The state has changed so that pages must know it at once, as at the end. */
    flush(): void {
      for (const watcher of watchers) watcher.unseen = null;
      tick();
    },
    /** Pictures are others from now on, also under numbers that pages were told before. */
    anew(): void {
      for (const watcher of watchers) watcher.told = { ...watcher.told, face: -1, readTrial: -1 };
    },
    goodbye(reason: string): void {
      const bytes = pack({ op: "bye", reason } satisfies DashboardMessage);
      for (const { socket } of watchers) socket.send(bytes);
    },
  };
}
