/** The bar at the top: state in words, sign and colour, the large numbers, and what can be done at once. */
import type { Command } from "./connection.ts";
import { el, setAttribute, setText } from "./dom.ts";
import type { Store } from "./store.ts";
import { clock, condition } from "./words.ts";

export interface BarActions {
  command(command: Command): void;
  mark(): void;
  theme(): void;
  snapshot(): void;
}

/** The second press of "end" must come within this time. */
const ASKED_FOR_MS = 4000;

export function bar(root: HTMLElement, { command, mark, theme, snapshot }: BarActions) {
  const sign = el("span", { className: "sign", ariaHidden: "true" });
  const word = el("span", { className: "word" });
  const state = el("div", { className: "state", role: "status", id: "state" }, sign, word);
  const figure = (label: string, id: string) => {
    const value = el("span", { className: "value", id });
    return { value, element: el("div", { className: "figure" }, value, el("span", { className: "label" }, label)) };
  };
  const trials = figure("trials", "trials");
  const elapsed = figure("elapsed", "elapsed");
  const left = figure("to go", "left");
  const pace = figure("a minute", "pace");
  const name = el("div", { className: "name" });
  const progress = el("div", { className: "progress-fill" });
  const progressBar = el("div", { className: "progress", role: "progressbar", ariaLabel: "trials done" }, progress);

  const pause = el("button", { type: "button", id: "pause", className: "primary", title: "Space" }, "Pause");
  const skip = el(
    "button",
    { type: "button", id: "skip", title: "S: take the face off the screen; its trial teaches nothing" },
    "Skip",
  );
  const note = el("button", { type: "button", id: "mark", title: "M: write a note with its time" }, "Note…");
  const shot = el(
    "button",
    { type: "button", id: "snapshot", title: "Plots of this view as PNG, estimates as JSON" },
    "Snapshot",
  );
  const abort = el("button", { type: "button", id: "abort", className: "danger", title: "Q, twice" }, "End…");
  const themeButton = el("button", {
    type: "button",
    id: "theme",
    className: "quiet theme",
    title: "Light, dark or as the system has it",
  });
  themeButton.ariaLabel = "Light or dark";

  let asked: ReturnType<typeof setTimeout> | null = null;
  let paused = false;
  const ask = () => {
    if (asked === null) {
      abort.textContent = "End: sure?";
      abort.classList.add("asked");
      asked = setTimeout(unask, ASKED_FOR_MS);
      return;
    }
    unask();
    command({ op: "abort" });
  };
  function unask(): void {
    if (asked !== null) clearTimeout(asked);
    asked = null;
    abort.textContent = "End…";
    abort.classList.remove("asked");
  }
  const togglePause = () => command({ op: paused ? "resume" : "pause" });
  pause.onclick = togglePause;
  skip.onclick = () => command({ op: "skip" });
  note.onclick = mark;
  shot.onclick = snapshot;
  abort.onclick = ask;
  themeButton.onclick = theme;

  root.append(
    el(
      "div",
      { className: "bar-row" },
      el("div", { className: "heading" }, state, name),
      trials.element,
      elapsed.element,
      left.element,
      pace.element,
      el(
        "div",
        { className: "actions", role: "group", ariaLabel: "Session" },
        pause,
        skip,
        note,
        shot,
        abort,
        themeButton,
      ),
    ),
    progressBar,
  );

  return {
    togglePause,
    ask,
    update({ now, session, connected }: Store): void {
      setText(name, session ? session.name : "");
      if (!now) return;
      const how = condition(now, connected);
      setText(word, how.word);
      setAttribute(state, "data-is", how.is);
      document.title = `${how.word} · ${now.trials.closed}/${now.trials.planned} · latentloop`;
      setText(trials.value, `${now.trials.closed} / ${now.trials.planned}`);
      setText(elapsed.value, clock(now.elapsedMs));
      setText(left.value, now.state === "ended" ? "–" : clock(now.etaMs));
      left.element.title = `The session ends ${now.endsBy}`;
      setText(pace.value, now.perMin > 0 ? now.perMin.toFixed(0) : "–");
      const share = now.trials.planned > 0 ? now.trials.closed / now.trials.planned : 0;
      progress.style.transform = `scaleX(${share})`;
      setAttribute(progressBar, "aria-valuenow", String(now.trials.closed));
      setAttribute(progressBar, "aria-valuemax", String(now.trials.planned));
      paused = now.state === "paused";
      setText(pause, paused ? (now.trials.closed > 0 ? "Resume" : "Start") : "Pause");
      const over = now.state === "ended" || !connected || session?.past === true;
      pause.disabled = over || now.state === "waiting";
      skip.disabled = over || now.state !== "running";
      note.disabled = over;
      abort.disabled = over;
    },
  };
}
