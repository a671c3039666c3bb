import type { Experiment } from "../../protocols/experiment.ts";
import type { Readout } from "../../protocols/wire/display.ts";
import { EVENTS_VERSION, type PublicEvent, type SessionState } from "../../protocols/wire/events.ts";
import { type SessionEvent, type SessionView, trialsPerMinute } from "./view.ts";

/**
 * What the public is told of a session event: presentations as they are confirmed, trials as they are closed.
 *
 * @param realised latents of faces as they came out, by face, where they were read back
 */
export function publicEventOf(
  event: SessionEvent,
  session: string,
  { stimulus }: Experiment,
  units: string[],
  realised: ReadonlyMap<number, Float64Array> = new Map(),
): PublicEvent[] {
  const base = { v: EVENTS_VERSION, session } as const;
  if (event.kind === "trial") {
    const { face: _, closedServerMs: __, latents, counts, ...trial } = event.trial;
    return [{ ...base, type: "trial", ...trial, latents: [...latents], units, counts: [...counts] }];
  }
  if (event.kind === "gate") {
    const { open, why, serverMs } = event.event;
    return [{ ...base, type: "gate", open, why, serverMs }];
  }
  if (event.kind !== "plan") return [];
  return event.output.onsets.map((onset) => ({
    ...base,
    type: "presentation",
    presentation: onset.presentation,
    face: onset.face,
    latents: [...onset.latents],
    ...(realised.has(onset.face) && { realised: [...realised.get(onset.face)!] }),
    onset: { serverMs: onset.onsetServerMs, uncertaintyMs: onset.uncertaintyMs },
    onMs: stimulus.onMs,
    lateFrames: onset.lateFrames,
    dropped: onset.dropped,
    patch: onset.patch,
  }));
}

/** The reward that a trial completes, where the experiment gives any; `usable` trials so far, this one included. */
export function rewardEvent(
  session: string,
  { reward }: Experiment,
  usable: number,
  trial: number,
  serverMs: number,
): PublicEvent[] {
  if (!reward || usable % reward.everyTrials !== 0) return [];
  const rewards = usable / reward.everyTrials;
  return [{ v: EVENTS_VERSION, session, type: "reward", rewards, trial, serverMs }];
}

export const stateEvent = (
  session: string,
  { trials }: SessionView,
  state: SessionState,
  serverMs: number,
): PublicEvent => ({
  v: EVENTS_VERSION,
  session,
  type: "state",
  state,
  trial: trials.closed,
  trials: trials.planned,
  serverMs,
});

export const readoutOf = (view: SessionView, latentNames: readonly string[]): Readout => ({
  op: "readout",
  trial: view.trials.closed,
  trials: view.trials.planned,
  trialsPerMin: trialsPerMinute(view),
  bestUnit: view.bestUnit && { ...view.bestUnit, latent: latentNames[view.bestUnit.latent] },
  state: view.state,
});
