/** Numbers and reasons as sentences. */
import type { ChosenFace, DashboardInterval, NowMessage } from "../../protocols/wire/dashboard.ts";

export const percent = (share: number): string => `${Math.round(100 * share)}\u00a0%`;
/** With a minus sign, and none before zero. */
export function fixed(value: number | null | undefined, digits = 2): string {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const text = Math.abs(value).toFixed(digits);
  return value < 0 && Number(text) !== 0 ? `−${text}` : text;
}
export const interval = ({ estimate, low, high }: DashboardInterval, digits = 2): string =>
  `${fixed(estimate, digits)} (${fixed(low, digits)}–${fixed(high, digits)})`;

/** "4:07", "1:02:33". */
export function clock(ms: number | null): string {
  if (ms === null) return "–";
  const seconds = Math.max(0, Math.round(ms / 1000));
  const two = (n: number) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

export const timeOfDay = (serverMs: number): string => new Date(serverMs).toTimeString().slice(0, 8);

export type Condition = "running" | "paused" | "waiting" | "ended" | "gate" | "lost" | "offline";

/** The one word that says how things are: the worst that is true. */
export function condition(now: NowMessage, connected: boolean): { is: Condition; word: string } {
  if (now.past && now.past.at < now.past.trials) return { is: "ended", word: "Past" };
  if (now.state === "ended") return { is: "ended", word: "Ended" };
  if (!connected) return { is: "offline", word: "No server" };
  if (!now.displayConnected && now.trials.closed > 0) return { is: "lost", word: "Display lost" };
  if (now.state === "paused") return { is: "paused", word: now.trials.closed > 0 ? "Paused" : "On hold" };
  if (now.gateClosed !== null) return { is: "gate", word: "Gate closed" };
  if (now.state === "waiting") return { is: "waiting", word: "Waiting" };
  return { is: "running", word: "Running" };
}

const aims: Record<string, string> = {
  variance: "makes the units' curves most certain",
  information: "tells most about the units' rates",
  identify: "tells best which latent each unit codes",
  compare: "tells two explanations best apart",
  peak: "may be the units' best face",
  "axis-test": "is a step of an axis test",
  random: "is a draw from the prior",
  "random-range": "is a draw from the range",
  "traversal-grid": "is the grid's next step",
  "cma-es": "is the evolution strategy's next try",
};

/** Why a face was chosen. */
export function why({ reason }: ChosenFace, latentNames: readonly string[]): string {
  const { objective, moved, value, runnerUp, candidates, special } = reason;
  if (special) return `${special[0].toUpperCase()}${special.slice(1)}, by plan.`;
  const aim = aims[objective] ?? `was chosen by ${objective}`;
  const move = moved
    ? `Moves ${latentNames[moved.latent] ?? `latent ${moved.latent + 1}`} from ${fixed(moved.from, 1)} to ${fixed(moved.to, 1)}: it`
    : "It";
  const better = value !== null && runnerUp !== null && runnerUp.value > 0 ? value / runnerUp.value - 1 : null;
  const than =
    better !== null
      ? `, ${better < 0.005 ? "hardly" : percent(better)} better than the best face of another line, of ${candidates} tried`
      : candidates > 1
        ? `, of ${candidates} faces`
        : "";
  return `${move} ${aim}${than}.`;
}

export const bytes = (n: number | null): string =>
  n === null ? "–" : n >= 2 ** 30 ? `${(n / 2 ** 30).toFixed(1)} GB` : `${(n / 2 ** 20).toFixed(0)} MB`;

export const flagWords: Record<string, string> = {
  complete: "complete",
  late: "confirmed late (usable)",
  gap: "spikes missing",
  droppedFrame: "dropped frame (usable)",
  aborted: "display went away",
  unaligned: "onset not placed",
  gateBroken: "gate closed",
  skipped: "skipped",
};
