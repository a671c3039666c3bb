/**
 * One clock for a whole session. A recording system's clocks may be several (two probes) and may begin again; what is exported has one:
 * that of the first stream as it first ran, which is kept exactly. Every other stretch of a clock is laid on it by the presentations
 * that both it and the server's clock saw. Pure.
 */

/** An onset on a stream's clock and on the server's. */
export interface Pair {
  neuralS: number;
  serverS: number;
}

/** A stretch of a stream's clock between two restarts. */
export interface Stretch {
  stream: string;
  /** How often the stream had begun again before. */
  run: number;
}

export interface Timeline {
  /** A time of a stretch, in seconds of the session's one clock; null where nothing ties it to that. */
  place(stretch: Stretch, neuralS: number): number | null;
  /** A server time on the one clock. */
  placeServer(serverS: number): number;
  /** The other way round. */
  serverOf(sessionS: number): number;
}

interface Line {
  at: number;
  value: number;
  slope: number;
}

const key = ({ stream, run }: Stretch): string => `${run}\n${stream}`;
const along = ({ at, value, slope }: Line, x: number): number => value + slope * (x - at);

/** Clocks drift by less; what a fit says beyond it is noise. */
const MOST_DRIFT = 1e-3;

/**
 * Least squares about the means: exact for clocks that run evenly. One point, or several within a breath of one another, give no slope, and
 * clocks then run alike.
 */
function regress(points: readonly { x: number; y: number }[]): Line | null {
  if (points.length === 0) return null;
  const n = points.length;
  const at = points.reduce((sum, { x }) => sum + x, 0) / n;
  const value = points.reduce((sum, { y }) => sum + y, 0) / n;
  let xx = 0;
  let xy = 0;
  for (const { x, y } of points) {
    xx += (x - at) ** 2;
    xy += (x - at) * (y - value);
  }
  const slope = xx > 0 ? xy / xx : 1;
  return { at, value, slope: Math.abs(slope - 1) < MOST_DRIFT ? slope : 1 };
}

/** @param pairs of each stretch that has any, the one whose clock is kept first */
export function createTimeline(pairs: readonly (Stretch & { pairs: readonly Pair[] })[]): Timeline {
  const [first] = pairs;
  const fromServer = regress((first?.pairs ?? []).map(({ neuralS, serverS }) => ({ x: serverS, y: neuralS }))) ?? {
    at: 0,
    value: 0,
    slope: 1,
  };
  const toServer = new Map(
    pairs.map((one) => [key(one), regress(one.pairs.map(({ neuralS, serverS }) => ({ x: neuralS, y: serverS })))]),
  );
  const placeServer = (serverS: number) => along(fromServer, serverS);
  return {
    place(stretch, neuralS) {
      if (first && key(stretch) === key(first)) return neuralS;
      const line = toServer.get(key(stretch));
      return line ? placeServer(along(line, neuralS)) : null;
    },
    placeServer,
    serverOf: (sessionS) => fromServer.at + (sessionS - fromServer.value) / fromServer.slope,
  };
}
