/** What is changed between trials, the check of stability, and notes. */
import type { Change } from "../../protocols/wire/operator.ts";
import { el, panel, setText } from "./dom.ts";
import type { Store } from "./store.ts";
import type { Page, View } from "./view.ts";
import { fixed, percent } from "./words.ts";

export function steer(page: Page): View & { note(): void } {
  const send = (change: Change, words: string) => page.command({ op: "change", change }, words);
  const pending = el("p", { className: "caption", role: "status" });
  const undo = el("button", { type: "button", id: "undo" }, "Undo");
  const undoWords = el("span", { className: "label" });
  undo.onclick = () => void page.command({ op: "undo" }, "The change is taken back after the next trial");

  const objective = el("select", { id: "objective" });
  const objectiveForm = form("Objective", [el("label", {}, "Faces are chosen for ", objective)], () =>
    send({ objective: objective.value }, `Faces are chosen for ${objective.value} after the next trial`),
  );

  const latency = number("window-from", 0, 5);
  const width = number("window-for", 5, 5);
  const windowForm = form(
    "Response window",
    [el("label", {}, "from ", latency, " ms after the onset"), el("label", {}, "for ", width, " ms")],
    () =>
      send(
        { window: { latencyMs: latency.valueAsNumber, windowMs: width.valueAsNumber } },
        "The window is another one after the next trial",
      ),
  );

  const minDistance = number("min-distance", 0, 0.1);
  const recentFaces = number("recent-faces", 1, 1);
  const balance = number("balance", 0, 0.1);
  const balanceFaces = number("balance-faces", 1, 1);
  const constraintForm = form(
    "Constraints",
    [
      el("label", {}, "at least ", minDistance, " from each of the last"),
      el("label", {}, recentFaces, " faces (0: none)"),
      el("label", {}, "mean of each latent within ", balance, " over the last"),
      el("label", {}, balanceFaces, " faces (0: no bound)"),
    ],
    () =>
      send(
        {
          constraints: {
            minDistance: minDistance.valueAsNumber,
            recentFaces: recentFaces.valueAsNumber,
            balance: balance.valueAsNumber,
            balanceFaces: balanceFaces.valueAsNumber,
          },
        },
        "The constraints are others after the next trial",
      ),
  );

  const unit = el("select", { id: "weight-unit", ariaLabel: "Unit" });
  const weight = number("weight", 0, 0.1);
  const weights = el("p", { className: "caption" });
  const weightForm = form(
    "Weights",
    [el("label", {}, "unit ", unit), el("label", {}, "counts by ", weight, " in choices")],
    () =>
      send(
        { weights: { [unit.value]: weight.valueAsNumber } },
        `${unit.value} counts by ${weight.value} after the next trial`,
      ),
  );

  const text = el("textarea", { id: "note-text", rows: 2, ariaLabel: "Note", placeholder: "What happened?" });
  const noteForm = form(
    "Note",
    [text],
    async () => {
      if (await page.command({ op: "mark", text: text.value }, "Noted, with its time")) text.value = "";
    },
    "Note it",
  );
  text.onkeydown = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) noteForm.requestSubmit();
  };

  const faces = number("check-faces", 2, 1);
  faces.value = "8";
  const checkForm = form(
    "Stability check",
    [el("label", {}, "show ", faces, " fixed faces next")],
    () =>
      page.command({ op: "stability", faces: faces.valueAsNumber }, "The fixed faces come after those already chosen"),
    "Show them",
  );
  const checks = el("tbody");
  const checkTable = el(
    "table",
    { id: "checks" },
    el(
      "thead",
      {},
      el(
        "tr",
        {},
        ...["check", "trials", "r with the first", "spikes, to the first"].map((head) =>
          el("th", { scope: "col" }, head),
        ),
      ),
    ),
    checks,
  );
  const noCheck = el("p", { className: "empty" }, "No check yet. The first one is what later ones are compared with.");

  const element = el(
    "div",
    { className: "grid-steer" },
    panel(
      "Changes between trials",
      "changes",
      el(
        "p",
        { className: "caption" },
        "Each is checked as the experiment file is, takes effect after the next trial, and is kept in the journal.",
      ),
      objectiveForm,
      windowForm,
      constraintForm,
      weightForm,
      weights,
      el("div", { className: "tools" }, undo, undoWords),
      pending,
    ),
    el(
      "div",
      { className: "stack" },
      panel("Note", "note", noteForm),
      panel(
        "Stability",
        "stability",
        el(
          "p",
          { className: "caption" },
          "The same faces each time: if the units answer them as before, the recording is stable.",
        ),
        checkForm,
        checkTable,
        noCheck,
      ),
    ),
  );

  let shown = "";
  return {
    element,
    note: () => text.focus(),
    update({ session, now }: Store) {
      if (!session || !now) return;
      if (objective.options.length === 0) {
        objective.append(...session.objectives.map((name) => el("option", { value: name }, name)));
        unit.append(...session.units.map(({ name }) => el("option", { value: name }, name)));
        unit.onchange = () => {
          shown = "";
          delete weight.dataset.told;
        };
      }
      const { tunables } = now;
      const key = JSON.stringify(tunables) + unit.value;
      if (key !== shown) {
        shown = key;
        const { window, constraints } = tunables;
        follow(objective, tunables.objective);
        follow(latency, window.latencyMs);
        follow(width, window.windowMs);
        follow(minDistance, constraints.minDistance);
        follow(recentFaces, constraints.recentFaces);
        follow(balance, constraints.balance);
        follow(balanceFaces, constraints.balanceFaces);
        follow(weight, tunables.weights[unit.value] ?? 1);
        const others = Object.entries(tunables.weights).filter(([, w]) => w !== 1);
        setText(
          weights,
          others.length > 0
            ? `Weights that are not 1: ${others.map(([name, w]) => `${name} ${w}`).join(", ")}`
            : "All units count by 1.",
        );
      }
      const over = now.state === "ended";
      undo.disabled = over || now.undo === null;
      setText(undoWords, now.undo === null ? "nothing to take back" : now.undo);
      setText(
        pending,
        now.pending > 0
          ? `${now.pending === 1 ? "One change waits" : `${now.pending} changes wait`} for the next trial.`
          : "",
      );
      for (const button of element.querySelectorAll<HTMLButtonElement>("button[type=submit]")) button.disabled = over;
      noCheck.hidden = now.stability.length > 0;
      checkTable.hidden = now.stability.length === 0;
      const rows = now.stability.map(({ check, trials, faces: of, correlation, ratio }) => [
        String(check),
        `${trials} of ${of}`,
        fixed(correlation),
        ratio === null ? "–" : percent(ratio),
      ]);
      if (checks.dataset.shown !== JSON.stringify(rows)) {
        checks.dataset.shown = JSON.stringify(rows);
        checks.replaceChildren(
          ...rows.map(([first, ...rest]) =>
            el("tr", {}, el("th", { scope: "row" }, first), ...rest.map((cell) => el("td", {}, cell))),
          ),
        );
      }
    },
  };
}

/** What others change is shown; what is being edited, and not changed by anybody, is left alone. */
function follow(field: HTMLInputElement | HTMLSelectElement, value: string | number): void {
  if (field.dataset.told === String(value)) return;
  field.dataset.told = String(value);
  field.value = String(value);
}

function number(id: string, min: number, step: number): HTMLInputElement {
  return el("input", { type: "number", id, min: String(min), step: String(step) });
}

function form(title: string, children: HTMLElement[], submitted: () => unknown, action = "Change"): HTMLFormElement {
  const one = el(
    "form",
    // The server says what it expected, as in every other way to steer.
    { className: "setting", ariaLabel: title, noValidate: true },
    el("h3", {}, title),
    el("div", { className: "tools" }, ...children, el("button", { type: "submit" }, action)),
  );
  one.onsubmit = (event) => {
    event.preventDefault();
    void submitted();
  };
  return one;
}
