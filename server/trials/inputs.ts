/** What trials are told of a session's events, besides what the recording system says. */
import type { SessionEvent } from "../session/view.ts";
import type { TrialInput } from "./trial.ts";

type Told = Extract<SessionEvent, { kind: "plan" | "display" | "setting" }>;

export function trialInputsOf(event: Told): TrialInput[] {
  switch (event.kind) {
    case "plan":
      return [
        ...event.output.onsets.map((onset): TrialInput => ({ type: "onset", ...onset })),
        ...event.output.skipped.map((presentation): TrialInput => ({ type: "skipped", presentation })),
        ...event.output.broken.map(({ presentation }): TrialInput => ({ type: "gateBroken", presentation })),
      ];
    case "display": {
      const { event: said } = event;
      const isLost = said.type === "lost" || (said.type === "visibility" && !said.visible);
      return isLost ? [{ type: "displayLost" }] : [];
    }
    case "setting":
      return event.order.op === "change" ? [{ type: "response", ...event.order.experiment.response }] : [];
  }
}
