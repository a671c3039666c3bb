/** What the page knows: the newest of each message, and what came only once. */
import type {
  DashboardMessage,
  EstimatesMessage,
  LogLine,
  NowMessage,
  Picture,
  SeriesPoint,
  SessionInfo,
  UnitMessage,
} from "../../protocols/wire/dashboard.ts";
import { float32 } from "./arrays.ts";

export interface Estimates extends EstimatesMessage {
  curves: Float32Array;
  shares: Float32Array;
  /** Counts the messages: whoever draws knows whether it has drawn this one. */
  serial: number;
}

export interface Store {
  session: SessionInfo | null;
  now: NowMessage | null;
  estimates: Estimates | null;
  unit: UnitMessage | null;
  faces: Map<number, Picture>;
  readPicture: { trial: number; picture: Picture } | null;
  /** In a past session, those until the trial that is looked at; `all`: until its end. */
  log: LogLine[];
  series: SeriesPoint[];
  all: { log: LogLine[]; series: SeriesPoint[] };
  /** Why the server has said goodbye. */
  bye: string | null;
  connected: boolean;
}

export const emptyStore = (): Store => ({
  session: null,
  now: null,
  estimates: null,
  unit: null,
  faces: new Map(),
  readPicture: null,
  log: [],
  series: [],
  all: { log: [], series: [] },
  bye: null,
  connected: false,
});

const MOST_FACES = 64;
const MOST_LINES = 5000;
let serial = 0;

export function take(store: Store, message: DashboardMessage): void {
  switch (message.op) {
    case "hello":
      Object.assign(store, emptyStore(), { session: message.session, connected: true });
      return;
    case "now": {
      store.now = message;
      for (const { face, ...picture } of message.faces) {
        // Last in order, so that it is the last to go.
        store.faces.delete(face);
        store.faces.set(face, picture);
      }
      for (const face of [...store.faces.keys()].slice(0, Math.max(0, store.faces.size - MOST_FACES)))
        store.faces.delete(face);
      const { readBack } = message;
      if (readBack?.picture) store.readPicture = { trial: readBack.trial, picture: readBack.picture };
      const { all } = store;
      all.log.push(...message.log);
      if (all.log.length > MOST_LINES) all.log.splice(0, all.log.length - MOST_LINES);
      all.series.push(...message.series);
      const { past, serverMs } = message;
      store.log = past ? all.log.filter((line) => line.serverMs <= serverMs) : all.log;
      store.series = past ? all.series.filter(({ trial }) => trial <= past.at) : all.series;
      return;
    }
    case "estimates":
      store.estimates = {
        ...message,
        curves: float32(message.curvesF32),
        shares: float32(message.sharesF32),
        serial: ++serial,
      };
      return;
    case "unit":
      store.unit = message;
      return;
    case "bye":
      store.bye = message.reason;
  }
}

/** One latent's curve of one unit: rate, low and high at each point. */
export function curveOf(estimates: Estimates, unit: number, latent: number) {
  const { latents, points, curves } = estimates;
  const at = (unit * latents + latent) * 3 * points;
  return {
    rate: curves.subarray(at, at + points),
    low: curves.subarray(at + points, at + 2 * points),
    high: curves.subarray(at + 2 * points, at + 3 * points),
  };
}
