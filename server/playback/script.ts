/** What a past session showed, and when: what a playback follows. Pure. */
import type { SessionEvent } from "../session/view.ts";
import { isBroken } from "../trials/trial.ts";

/** A face that was on the screen. Times are in ms from the session's first onset. */
export interface ShownFace {
  face: number;
  latents: Float64Array;
  atMs: number;
  /** How long it was on; as planned where the display went away before it said so. */
  onMs: number;
}

export interface Script {
  shown: readonly ShownFace[];
  /** When each trial closed whose face was not shown again, in order. */
  closedMs: readonly number[];
  endMs: number;
}

/**
 * @param events of the whole session, in order
 * @param plannedOnMs how long a face was to be on
 */
export function scriptOf(events: Iterable<SessionEvent>, plannedOnMs: number): Script {
  const shown: (ShownFace & { presentation: number })[] = [];
  const closedMs: number[] = [];
  const onFor = new Map<number, { sinceDisplayMs: number; onMs: number | null }>();
  const [onsetMs, closingMs] = sessionTimes();
  for (const event of events) {
    if (event.kind === "trial" && !isBroken(event.trial)) closedMs.push(closingMs(event.trial.closedServerMs));
    else if (event.kind === "plan")
      for (const { presentation, face, latents, onsetServerMs } of event.output.onsets)
        shown.push({ presentation, face, latents, atMs: onsetMs(onsetServerMs), onMs: plannedOnMs });
    else if (event.kind === "display") {
      const { event: said } = event;
      if (said.type === "shown") onFor.set(said.presentation, { sinceDisplayMs: said.displayMs, onMs: null });
      const on = said.type === "hidden" ? onFor.get(said.presentation) : undefined;
      if (said.type === "hidden" && on) on.onMs = said.displayMs - on.sinceDisplayMs;
    }
  }
  const faces = shown.map(({ presentation, ...one }) => ({ ...one, onMs: onFor.get(presentation)?.onMs ?? one.onMs }));
  const last = faces.at(-1);
  return { shown: faces, closedMs, endMs: Math.max(closedMs.at(-1) ?? 0, last ? last.atMs + last.onMs : 0) };
}

/**
 * Server times of two kinds of events as ms since the first of all. Each kind comes in order, so where one goes back another server went on
 * with the session, whose computer's clock had been set: from there on time runs from where it had come to.
 */
function sessionTimes(): [(serverMs: number) => number, (serverMs: number) => number] {
  let originMs: number | null = null;
  let latestMs = 0;
  let servers = 0;
  const oneKind = () => {
    let last = { serverMs: Number.NEGATIVE_INFINITY, server: 0 };
    return (serverMs: number): number => {
      if (last.server === servers && serverMs < last.serverMs) {
        servers++;
        originMs = null;
      }
      originMs ??= serverMs - latestMs;
      last = { serverMs, server: servers };
      latestMs = Math.max(latestMs, serverMs - originMs);
      return serverMs - originMs;
    };
  };
  return [oneKind(), oneKind()];
}
