/** The events of a session in words, for the dashboard's log. */
import type { LogKind } from "../../protocols/wire/dashboard.ts";
import type { TrialFlag } from "../../protocols/wire/events.ts";
import type { SessionEvent } from "../session/view.ts";
import { unalignedWords } from "../session/words.ts";

/** Which kind a sentence of the announcer (server/session/words.ts) is. */
export function kindOf(event: SessionEvent): LogKind {
  switch (event.kind) {
    case "display":
      return event.event.type === "lost" || event.event.type === "refused" ? "problem" : "display";
    case "acquisition":
      return event.event.type === "gap" || event.event.type === "rejected" || event.event.type === "restart"
        ? "problem"
        : "spikes";
    case "worker":
      return "problem";
    case "gate":
      return "gate";
    case "command":
    case "unit":
    case "setting":
      return "operator";
    case "mark":
      return "note";
    default:
      return "session";
  }
}

/** What the announcer does not say, for it goes without saying at a terminal. */
export function quietWords(event: SessionEvent): { kind: LogKind; text: string } | null {
  switch (event.kind) {
    case "command":
      // How a session ended is said by its end.
      return event.command === "abort" ? null : { kind: "operator", text: commandWords[event.command] };
    case "trial": {
      const { trial, flags, unaligned } = event.trial;
      if (flags.includes("complete")) return null;
      const why = flags.flatMap((flag) =>
        flag === "unaligned" && unaligned ? `${reasons[flag]} (${unalignedWords[unaligned]})` : (reasons[flag] ?? []),
      );
      return { kind: "problem", text: `trial ${trial + 1} can't be used: ${why.join(", ")}` };
    }
    case "plan":
      return event.output.deadlineMissed ? { kind: "problem", text: "a face was not ready when its frame came" } : null;
    case "choice": {
      const { special, objective } = event.choice.reason;
      return special === null ? null : { kind: "choice", text: `face ${event.face + 1}: ${special} (${objective})` };
    }
    case "refined":
      return event.refits.length > 0
        ? {
            kind: "choice",
            text: `${event.refits.length === 1 ? "unit" : "units"} ${event.refits.map(({ unit }) => unit).join(", ")} fitted again to all trials`,
          }
        : null;
    default:
      return null;
  }
}

/** Why a trial teaches nothing; null for what alone would not keep it from that. */
const reasons: Record<TrialFlag, string | null> = {
  complete: null,
  late: null,
  droppedFrame: null,
  gap: "spikes are missing",
  aborted: "the display went away",
  unaligned: "its onset could not be placed on the recording's clock",
  gateBroken: "the gate closed",
  interrupted: "the server was gone",
  skipped: "it was skipped",
};

const commandWords = { pause: "paused", resume: "resumed", skip: "skipped the face on the screen" } as const;
