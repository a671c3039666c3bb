import type { Experiment } from "../../protocols/experiment.ts";
import type { UnalignedReason } from "../../protocols/wire/events.ts";
import type { UnitOp } from "../../protocols/wire/operator.ts";
import type { Validity } from "../model/validity.ts";
import type { SettingOrder } from "../operator/desk.ts";
import type { DisplayEvent } from "../presentation/display-server.ts";
import type { SessionEvent, WorkerState } from "./view.ts";

/** Tells in words what a person at the rig should know at once; null for what goes without saying. */
export type Announcer = (event: SessionEvent) => string | null;

/** Trials in a row that can't be placed after which it is said. */
const UNPLACED = 5;

/** Whether what has happened n times is said again: at 1, 2, 5, 10, 20, 50 and so on, so that no flood buries the rest. */
export const isSaidAgain = (n: number): boolean => /^[125]0*$/.test(String(n));

/** A reason for rejection is told the first time; the summary counts the rest. */
export function createAnnouncer(experiment: Pick<Experiment, "stimulus" | "alignment" | "recording">): Announcer {
  const { stimulus } = experiment;
  const told = new Set<string>();
  const gaps = { times: 0, missing: 0 };
  /** Trials in a row that can't be placed, and how many of them for which reason. */
  const unplaced = { trials: 0, why: new Map<UnalignedReason, number>() };
  /** Edges seen, by digital line. */
  const edges = new Map<number, number>();
  return (event) => {
    if (event.kind === "display") {
      const { event: said } = event;
      if (said.type === "connected") return `display connected: ${frameWords(stimulus, said)}`;
      if (said.type === "refresh") return `display's frames have changed: ${frameWords(stimulus, said)}`;
      if (said.type === "geometry") return geometryWords(said);
      if (said.type === "visibility")
        return said.visible ? "display visible again" : "display hidden: its tab is not in front, so nothing is shown";
      if (said.type === "lost") return `display lost: ${said.reason}`;
      if (said.type === "refused") return `a display was refused: ${said.message}`;
      return null;
    }
    if (event.kind === "refined") {
      const failed = event.refits.filter((refit) => refit.failed !== null);
      return failed.length === 0
        ? null
        : failed
            .map(
              ({ unit, trials, failed: why }) =>
                `warning: unit ${unit} could not be refitted to its first ${trials} trials (${why}); it keeps what it learned trial by trial`,
            )
            .join("\n");
    }
    if (event.kind === "stopped") return `the session is over: ${event.reason}`;
    if (event.kind === "unit") return `unit ${event.order.unit}: ${unitWords[event.order.op]}`;
    if (event.kind === "worker") return workerLine(event);
    if (event.kind === "mark") return `note: ${event.text}`;
    if (event.kind === "setting") return settingWords(event.order);
    if (event.kind === "gate") return `gate ${event.event.open ? "open" : "closed"}: ${event.event.why}`;
    if (event.kind === "trial") {
      const { flags, unaligned } = event.trial;
      if (!flags.includes("unaligned")) {
        unplaced.trials = 0;
        unplaced.why.clear();
        return null;
      }
      unplaced.trials++;
      if (unaligned) unplaced.why.set(unaligned, (unplaced.why.get(unaligned) ?? 0) + 1);
      return unplaced.trials >= UNPLACED && isSaidAgain(unplaced.trials)
        ? unplacedWords(experiment, unplaced, edges)
        : null;
    }
    if (event.kind !== "acquisition") return null;
    const { event: said } = event;
    switch (said.type) {
      case "ttl":
        edges.set(said.line, (edges.get(said.line) ?? 0) + 1);
        return null;
      case "link":
        return said.up ? "recording system connected" : "recording system lost; waiting for it to come back";
      case "heartbeat":
        return said.answered
          ? "Open Ephys answers heartbeats"
          : "Open Ephys does not answer heartbeats: its ZMQ Interface will not list this client; spikes come all the same";
      case "gap": {
        gaps.times++;
        gaps.missing += said.missing;
        if (!isSaidAgain(gaps.times)) return null;
        const before = gaps.times > 1 ? ` (${gaps.missing} in ${gaps.times} gaps so far)` : "";
        return `${said.missing} messages of ${streamWords(said.stream)} are missing${before}; trials they belong to are flagged`;
      }
      case "restart":
        return `${streamWords(said.stream)} began again; trials that were open are flagged`;
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

/** What to look at where one onset after another finds no place on the recording's clock. */
function unplacedWords(
  { alignment, recording }: Pick<Experiment, "alignment" | "recording">,
  { trials, why }: { trials: number; why: ReadonlyMap<UnalignedReason, number> },
  edges: ReadonlyMap<number, number>,
): string {
  const begin = `warning: the last ${trials} trials teach nothing, for their onsets could not be placed on the recording's clock`;
  if (alignment.method === "software")
    return `${begin} to ${alignment.maxUncertaintyMs} ms (alignment.maxUncertaintyMs): spikes or the display's reports come too irregularly`;
  const own = new Set(recording.streams.map(({ line }) => line ?? alignment.line));
  if (own.size === 0) own.add(alignment.line);
  const seen = [...edges].sort(([a], [b]) => a - b).map(([line, n]) => `${n} on line ${line}`);
  const each = [...why].map(([reason, times]) => `${times} × ${unalignedWords[reason]}`);
  const reasons = each.length > 0 ? ` (${each.join(", ")})` : "";
  return `${begin}${reasons}: expected the photodiode's edges on line ${[...own].join(" and ")}, seen so far: ${seen.join(", ") || "none on any line"}; check alignment.line, polarity, the patch and the diode (run listen shows every line)`;
}

/** Why an onset has no place on the recording's clock. */
export const unalignedWords: Record<UnalignedReason, string> = {
  missing: "no edge of the photodiode where it was expected",
  ambiguous: "more than one edge of the photodiode where it was expected",
  "no-lock": "too few edges of the photodiode to tell where they are to be expected",
  uncertain: "less certain than alignment.maxUncertaintyMs",
};

const streamWords = (stream: string | null): string => (stream === null ? "the followed streams" : `stream ${stream}`);
const settingWords = (order: SettingOrder): string =>
  order.op === "change"
    ? `${order.undone ? "undone: " : "changed: "}${order.words}`
    : `stability check: ${order.faces} fixed faces come next`;

export const unitWords: Record<UnitOp, string> = {
  exclude: "no longer counts when faces are chosen",
  include: "counts again when faces are chosen",
  reset: "sorted anew; what was learned of it is forgotten",
};

/** What asks for whole frames. */
interface Stimulus {
  onMs: number;
  gapMs: number;
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

/** A frame in five that is off the grid is more than chance. */
const UNSTEADY = 0.2;
/** Rounding that takes more than this off a duration is worth a warning. */
const ROUNDED = 0.1;

/** How long a face and the gap after it will really be on the screen. */
function frameWords({ onMs, gapMs }: Stimulus, { frameMs, unsteady }: { frameMs: number; unsteady: number }): string {
  const onFrames = Math.max(1, Math.round(onMs / frameMs));
  const periodFrames = Math.max(1, Math.round((onMs + gapMs) / frameMs));
  const each = (frames: number, askedMs: number) => {
    const ms = frames * frameMs;
    const asked = Math.abs(ms - askedMs) > 1 ? `; ${askedMs} ms were asked for` : "";
    return `${frames} frames (${ms.toFixed(1)} ms${asked})`;
  };
  const warnings = [
    ...(Math.abs(onFrames * frameMs - onMs) > ROUNDED * onMs
      ? ["warning: this screen is too slow for stimulus.onMs, which rounding changes by more than a tenth"]
      : []),
    ...(gapMs > 0 && periodFrames <= onFrames ? ["warning: no frame is left for stimulus.gapMs"] : []),
    ...(unsteady > UNSTEADY
      ? [
          `warning: ${Math.round(100 * unsteady)} % of frames are off the grid (variable refresh? another program at work?): onsets can't be planned to the frame`,
        ]
      : []),
  ];
  return [
    `${(1000 / frameMs).toFixed(2)} Hz, faces for ${each(onFrames, onMs)}, onset to onset ${each(periodFrames, onMs + gapMs)}`,
    ...warnings,
  ].join("\n");
}

function geometryWords({ widthPx, heightPx, facePx, faceDeg }: Geometry): string {
  const deg = faceDeg === null ? "" : `, ${faceDeg.toFixed(2)}°`;
  return `screen ${widthPx} × ${heightPx} pixels, faces ${facePx} pixels${deg}`;
}
type Geometry = Extract<DisplayEvent, { type: "geometry" }>;

const workerNames: Record<WorkerState["worker"], string> = {
  decider: "the part that learns and chooses",
  synthesis: "the part that makes faces",
};

const workerLine = ({ worker, up, why }: WorkerState): string =>
  up
    ? `${workerNames[worker]} is back, nothing is lost (${why})`
    : `paused: ${workerNames[worker]} stopped (${why}); it is started again`;

/** Why a session is paused whose journal can't be written, and what may be done. */
export function stalledWords({ code, message }: NodeJS.ErrnoException): string {
  const until = "what comes is kept in memory until it can be written; Ctrl-C ends the session";
  if (code === "ENOENT" || code === "ESTALE")
    return `paused: the session's folder has gone (${message}); put it back as it was, ${until}`;
  const why = code === "ENOSPC" || code === "EDQUOT" ? "the disk is full" : "the journal can't be written";
  return `paused: ${why} (${message}); nothing is lost, ${until}`;
}

/** What is said once that is over. */
export const recoveredWords = "the journal is written again, all that was kept is in it";
