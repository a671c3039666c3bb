/** Which run of its clock each stream is in: it begins another with a restart, or while the server is away. Pure. */

/** A stream's clock at the arrival of a message. */
export interface ClockReading {
  reachedS: number;
  arrivedServerMs: number;
}

/** How far a clock may be from where it would be had it gone on while the server was away. */
const CLOCK_KEPT_S = 1;

export function createRuns() {
  const runs = new Map<string, number>();
  const latest = new Map<string, ClockReading & { resumptions: number }>();
  const restarted = new Set<string>();

  const goesOn = (before: ClockReading, now: ClockReading): boolean =>
    Math.abs(now.reachedS - before.reachedS - (now.arrivedServerMs - before.arrivedServerMs) / 1000) < CLOCK_KEPT_S;

  return {
    /** Of a stream, 0 at first; all of them at this moment. */
    of: (stream: string): number => runs.get(stream) ?? 0,
    now: (): ReadonlyMap<string, number> => new Map(runs),
    /** The next message begins a run; trials that end until then are still on the clock that ended. @param stream null: all streams */
    restart(stream: string | null): void {
      for (const one of stream === null ? runs.keys() : [stream]) restarted.add(one);
    },
    /** @param resumptions how often the session has been gone on with by then */
    message(stream: string, { reachedS, arrivedServerMs }: ClockReading, resumptions: number): void {
      const before = latest.get(stream);
      const isOther =
        before !== undefined && before.resumptions < resumptions && !goesOn(before, { reachedS, arrivedServerMs });
      const isAnew = restarted.delete(stream) || isOther;
      runs.set(stream, (runs.get(stream) ?? 0) + Number(isAnew));
      latest.set(stream, { reachedS, arrivedServerMs, resumptions });
    },
  };
}
