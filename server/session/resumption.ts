/** How a session goes on whose server died: what of it the loop begins with. */
import type { FaceChoice } from "../choice/replay.ts";
import { nothingPlanned, type PlanOutput } from "../presentation/plan.ts";
import type { Trial } from "../trials/trial.ts";
import type { Progress } from "./progress.ts";
import { type SessionView, waitingView } from "./view.ts";

export interface Resumption {
  /** As the journal left it. */
  progress: Readonly<Progress>;
  /** Faces that were chosen and not answered, oldest first. */
  faces: readonly FaceChoice[];
  /** Now. */
  serverMs: number;
}

/** A pause stays; all else begins anew with the display. A snapshot may be older than a field. */
export const resumedView = ({ view }: Readonly<Progress>): SessionView => ({
  ...waitingView(view.trials.planned),
  ...view,
  state: view.state === "paused" ? "paused" : "waiting",
  displayConnected: false,
  gateClosed: null,
});

/** Presentations that were on the screen when the server died: each is a trial, of which nothing is known. */
export const interruptedTrials = ({ progress, serverMs }: Resumption, units: number): Trial[] =>
  progress.open.map(({ presentation, face, latents }, i) => ({
    trial: progress.trials + i,
    presentation,
    face,
    latents,
    stream: "",
    window: null,
    counts: new Uint32Array(units),
    flags: ["interrupted"],
    closedServerMs: serverMs,
  }));

/** What was asked for and never confirmed may have been on the screen: it is told as any presentation that was given up. */
export const givenUp = ({ progress: { asked } }: Resumption): PlanOutput => ({
  ...nothingPlanned(),
  aborted: asked ? [asked] : [],
});
