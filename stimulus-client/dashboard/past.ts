/** The slider over a past session's trials: every view is as it was then. */
import { el, setAttribute, setText } from "./dom.ts";
import type { Store } from "./store.ts";
import { timeOfDay } from "./words.ts";

/** @param go asks for the session as it was after so many trials */
export function slider(root: HTMLElement, go: (trials: number) => void) {
  const range = el("input", { type: "range", id: "trial", min: "0", max: "0", ariaLabel: "Trial" });
  const words = el("output", { id: "trial-words" });
  const back = el("button", { type: "button", className: "small", title: "← one trial back" }, "Back");
  const on = el("button", { type: "button", className: "small", title: "→ one trial on" }, "On");
  root.append(el("label", { htmlFor: "trial", className: "label" }, "as it was after trial"), back, range, on, words);

  /** What was asked for and has not come yet. */
  let wanted: number | null = null;
  let asked = false;
  let place: NonNullable<Store["now"]>["past"] = null;
  const ask = (trials: number) => {
    if (!place) return;
    wanted = Math.min(Math.max(trials, 0), place.known);
    range.value = String(wanted);
    // Once a frame: a slider that is dragged says more.
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      if (wanted !== null) go(wanted);
    });
  };
  /** The next that can be gone to: a multiple of the stride, or the end. */
  const step = (by: number) => {
    if (!place) return;
    const from = wanted ?? place.at;
    ask(
      by > 0
        ? (Math.floor(from / place.stride) + 1) * place.stride
        : (Math.ceil(from / place.stride) - 1) * place.stride,
    );
  };
  range.oninput = () => ask(range.valueAsNumber);
  back.onclick = () => step(-1);
  on.onclick = () => step(1);

  return {
    /** Whether the key was the slider's. */
    key({ key, target }: KeyboardEvent): boolean {
      if (!place || (key !== "ArrowLeft" && key !== "ArrowRight")) return false;
      if (target instanceof HTMLElement && target.closest("[role=grid], #matrix")) return false;
      step(key === "ArrowLeft" ? -1 : 1);
      return true;
    },
    update({ now, session }: Store): void {
      root.hidden = session?.past !== true || !now?.past;
      if (!now?.past) return;
      place = now.past;
      const { at, trials, known, stride, isRead } = place;
      range.max = String(known);
      if (wanted === at || (wanted !== null && wanted - (wanted % stride) === at)) wanted = null;
      if (wanted === null && range.valueAsNumber !== at) range.value = String(at);
      setAttribute(range, "aria-valuetext", `trial ${at} of ${trials}`);
      back.disabled = at === 0;
      on.disabled = at >= known;
      const reading = isRead ? "" : ` · reading the journal, ${known} of ${trials}`;
      const steps = stride > 1 ? ` · every ${stride}th is kept` : "";
      setText(words, `${at} of ${trials} · ${timeOfDay(now.serverMs)}${reading}${steps}`);
    },
  };
}
