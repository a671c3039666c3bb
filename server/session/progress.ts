/** How far a session has come: folded from its events while it runs, and from its journal where it goes on. */
import type { Experiment } from "../../protocols/experiment.ts";
import { isBroken, type Onset, type Trial } from "../trials/trial.ts";
import { type SessionEvent, type SessionView, stepView, waitingView } from "./view.ts";

/** Plain data: it is part of snapshots. */
export interface Progress {
  view: SessionView;
  /** Trials so far, broken ones included: the next one's number. */
  trials: number;
  /** Lessons that the decider has been asked to learn. */
  lessons: number;
  /** Whether it has been asked for the first choices. */
  begun: boolean;
  /** The trial after which it was asked last, null for the first choices, and for how many. */
  lastLesson: number | null;
  lastCount: number;
  /** Trials that it has not been asked to learn yet, oldest first. */
  unlearned: Trial[];
  /** Whether the pause after its last choices is still to come. */
  unrefined: boolean;
  /** The number of the next face of which no choice is journalled. */
  nextFace: number;
  nextPresentation: number;
  /** A presentation that was asked for and of which the display has not told yet. */
  asked: { presentation: number; face: number } | null;
  /** Presentations that were on the screen and have no trial yet. */
  open: Onset[];
  /** Faces that were read back and have no trial yet, and the differences of all. */
  realised: { face: number; latents: Float64Array; difference: number }[];
  differences: number[];
  /** The experiment as operators have changed it; null: as it began. */
  changed: Experiment | null;
  lastSpikeToReadyMs: number[];
  spikes: number;
}

export const initProgress = (planned: number): Progress => ({
  view: waitingView(planned),
  trials: 0,
  lessons: 0,
  begun: false,
  lastLesson: null,
  lastCount: 0,
  unlearned: [],
  unrefined: false,
  nextFace: 0,
  nextPresentation: 0,
  asked: null,
  open: [],
  realised: [],
  differences: [],
  changed: null,
  lastSpikeToReadyMs: [],
  spikes: 0,
});

/** Takes an event into account, in place. */
export function stepProgress(progress: Progress, event: SessionEvent): void {
  progress.view = stepView(progress.view, event);
  switch (event.kind) {
    case "acquisition":
      if (event.event.type === "batch") progress.spikes += event.event.unit.length;
      return;
    case "decide":
      progress.begun = true;
      progress.lastLesson = event.trial;
      progress.lastCount = event.count;
      progress.unrefined = true;
      if (event.trial === null) return;
      progress.lessons++;
      progress.unlearned = progress.unlearned.filter(({ trial }) => trial !== event.trial);
      return;
    case "choice":
      progress.nextFace = Math.max(progress.nextFace, event.face + 1);
      return;
    case "realised": {
      const { kind: _, ...realised } = event;
      progress.realised.push(realised);
      progress.differences.push(event.difference);
      return;
    }
    case "setting":
      if (event.order.op === "change") progress.changed = event.order.experiment;
      return;
    case "refined":
      progress.unrefined = false;
      return;
    case "trial": {
      const { trial, presentation, face } = event.trial;
      progress.trials = trial + 1;
      progress.open = progress.open.filter((onset) => onset.presentation !== presentation);
      if (isBroken(event.trial)) return;
      progress.unlearned.push(event.trial);
      progress.realised = progress.realised.filter((one) => one.face !== face);
      return;
    }
    case "plan": {
      const { onsets, aborted, messages, lastSpikeToReadyMs } = event.output;
      progress.lastSpikeToReadyMs.push(...lastSpikeToReadyMs);
      progress.open.push(...onsets);
      const told = [...onsets, ...aborted].map(({ presentation }) => presentation);
      if (progress.asked && told.includes(progress.asked.presentation)) progress.asked = null;
      for (const message of messages)
        if (message.op === "show") {
          progress.asked = { presentation: message.presentation, face: message.face };
          progress.nextPresentation = message.presentation + 1;
        }
    }
  }
}
