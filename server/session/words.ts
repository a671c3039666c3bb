import type { UnitOp } from "../../protocols/wire/operator.ts";
import type { Validity } from "../model/validity.ts";
import type { SessionEvent } from "./view.ts";

/** Tells in words what a person at the rig should know at once; null for what goes without saying. */
export type Announcer = (event: SessionEvent) => string | null;

/** A reason for rejection is told the first time; the summary counts the rest. */
export function createAnnouncer(onMs: number): Announcer {
  const told = new Set<string>();
  return (event) => {
    if (event.kind === "display") {
      const { event: said } = event;
      if (said.type === "connected") return roundingWords(onMs, said.frameMs);
      if (said.type === "lost") return `display lost: ${said.reason}`;
      if (said.type === "refused") return `a display was refused: ${said.message}`;
      return null;
    }
    if (event.kind === "stopped") return `the session is over: ${event.reason}`;
    if (event.kind === "unit") return `unit ${event.order.unit}: ${unitWords[event.order.op]}`;
    if (event.kind === "gate") return `gate ${event.event.open ? "open" : "closed"}: ${event.event.why}`;
    if (event.kind !== "acquisition") return null;
    const { event: said } = event;
    switch (said.type) {
      case "link":
        return said.up ? "recording system connected" : "recording system lost; waiting for it to come back";
      case "gap":
        return `${said.missing} messages of stream ${said.stream} are missing; trials they belong to are flagged`;
      case "restart":
        return `stream ${said.stream} began again; trials that were open are flagged`;
      case "rejected": {
        const key = said.reason === "unknown-unit" ? said.detail : said.reason;
        if (told.has(key)) return null;
        told.add(key);
        return `spikes rejected (${said.reason}): ${said.detail}`;
      }
      default:
        return null;
    }
  };
}

const unitWords: Record<UnitOp, string> = {
  exclude: "no longer counts when faces are chosen",
  include: "counts again when faces are chosen",
  reset: "sorted anew; what was learned of it is forgotten",
};

/** How long a face will really be on the screen. */
function roundingWords(onMs: number, frameMs: number): string {
  const frames = Math.max(1, Math.round(onMs / frameMs));
  const shown = `${(frames * frameMs).toFixed(1)} ms`;
  const asked = Math.abs(frames * frameMs - onMs) > 1 ? `; ${onMs} ms were asked for` : "";
  return `display connected: ${(1000 / frameMs).toFixed(2)} Hz, faces for ${frames} frames (${shown}${asked})`;
}

/** What is to be said of a model's encoder before a session that reads faces back. */
export function validityWords(
  { used, correlation, difference, heldOut }: Validity,
  names: readonly string[],
): string[] {
  const unused = names.flatMap((name, d) => (used[d] ? [] : [`${name} (r ${correlation[d].toFixed(2)})`]));
  const percent = (share: number) => `${Math.round(100 * share)} %`;
  return [
    `faces are read back: ${difference.median.toFixed(2)} (median), ${difference.p95.toFixed(2)} (95 %) from the latents asked for, for faces from the prior`,
    `${percent(heldOut.offered)} of the range is offered; of faces offered ${percent(heldOut.offeredAgree)} come back within the threshold, of those refused ${percent(1 - heldOut.refusedDisagree)} would`,
    ...(unused.length > 0
      ? [`warning: the encoder does not read back ${unused.join(", ")}; no unit's tuning to them can be seen`]
      : []),
  ];
}
