/** What is wrong, worst first: one sentence each, and what to do. */
import type { Alert, Health, NowMessage } from "../../protocols/wire/dashboard.ts";
import type { WorkerState } from "../session/view.ts";

export interface AlertInput {
  state: NowMessage["state"];
  /** What is missing for the session to go on (server/session/quiet.ts). */
  complaints: readonly string[];
  displayConnected: boolean;
  displayVisible: boolean;
  linkUp: boolean;
  gateClosed: string | null;
  /** Threads that were lost and are being replaced. */
  workersDown: readonly WorkerState["worker"][];
  health: Health;
  /** Over the last minute. */
  lately: {
    lostMessages: number;
    rejected: number;
    deadlineMisses: number;
    droppedFrames: number;
    trials: number;
    unusable: number;
  };
  periodMs: number;
  /** What in the experiment, as operators have changed it, can't work out as it was meant. */
  planWarnings: readonly string[];
}

const GIB = 2 ** 30;
const plural = (n: number, one: string, many = `${one}s`) => `${n} ${n === 1 ? one : many}`;

export function alertsOf(input: AlertInput): Alert[] {
  const { state, health, lately } = input;
  if (state === "ended") return [];
  const alerts: Alert[] = [];
  const stop = (text: string, todo: string) => alerts.push({ level: "stop", text, todo });
  const warn = (text: string, todo: string) => alerts.push({ level: "warning", text, todo });

  for (const worker of input.workersDown)
    stop(
      worker === "decider"
        ? "The part of the program that learns and chooses stopped; the session is paused."
        : "The part of the program that makes faces stopped; the session is paused.",
      "Wait: it is started again and goes on from where it was. If this comes back, keep the session's folder and report it.",
    );
  if (!input.displayConnected)
    stop(
      "No stimulus display is connected, so no face can be shown.",
      "Open the display's page in a browser on the stimulus screen.",
    );
  else if (!input.displayVisible)
    stop("The stimulus display's page is hidden, so nothing is shown.", "Bring its tab or window to the front.");
  if (!input.linkUp)
    stop(
      "The recording system is not connected.",
      "Start it, or check its address; the session goes on by itself when it is back.",
    );
  for (const complaint of input.complaints) {
    if (complaint.startsWith("no display") || complaint.startsWith("the gate")) continue;
    if (complaint.startsWith("no spikes")) {
      if (input.linkUp)
        stop(
          `There have been ${complaint}.`,
          "Check that acquisition is running and that the stream is the one in the experiment file.",
        );
    } else
      stop(
        `${complaint[0].toUpperCase()}${complaint.slice(1)}.`,
        "Look at the stimulus screen; reload its page if it does not move.",
      );
  }
  if (input.gateClosed !== null)
    warn(
      `The gate is closed: ${input.gateClosed}.`,
      "Faces come again when it opens; check the eye tracker if that should be now.",
    );
  for (const warning of input.planWarnings)
    warn(`What was changed can't work out as it was meant: ${warning}.`, "Change it again, or undo it, under Steer.");
  if (health.diskFreeBytes !== null && health.diskFreeBytes < GIB)
    stop(
      `Only ${(health.diskFreeBytes / GIB).toFixed(2)} GB are free on the session's disk.`,
      "Free some now: the session ends when its journal can't be written.",
    );
  else if (health.diskFreeBytes !== null && health.diskFreeBytes < 10 * GIB)
    warn(
      `${(health.diskFreeBytes / GIB).toFixed(1)} GB are free on the session's disk.`,
      "Enough for today; free some before the next session.",
    );
  if (lately.lostMessages > 0)
    warn(
      `${plural(lately.lostMessages, "spike message is", "spike messages are")} missing since a minute ago.`,
      "Trials they belong to teach nothing; check the network and the load of the recording computer.",
    );
  if (lately.rejected > 0)
    warn(
      `${plural(lately.rejected, "message was", "messages were")} rejected since a minute ago.`,
      "The reasons are under Health; compare the units and the format in the experiment file with what is sent.",
    );
  if (lately.trials >= 8 && lately.unusable > lately.trials / 4)
    warn(
      `${lately.unusable} of the last minute's ${lately.trials} trials can't be used.`,
      "Their flags are under Health; the commonest says where to look.",
    );
  if (lately.deadlineMisses > 2)
    warn(
      `${lately.deadlineMisses} faces came too late in the last minute.`,
      "Close other programs on this computer, or take a larger choice.lookahead.",
    );
  if (lately.droppedFrames > 5)
    warn(
      `The display dropped ${lately.droppedFrames} frames in the last minute.`,
      "Close other windows on the stimulus computer and let the page fill the screen (f).",
    );
  if (health.loopDelayMs !== null && health.loopDelayMs.p99 > 50)
    warn(
      `The server is held up for ${health.loopDelayMs.p99.toFixed(0)} ms at a time.`,
      "Other programs take its processor: close them.",
    );
  return alerts.sort((a, b) => Number(b.level === "stop") - Number(a.level === "stop"));
}
