import type { displayKinds, ListedExperiment, rigFormats } from "../../protocols/wire/sessions.ts";
import { el, panel, setText } from "../dashboard/dom.ts";
import type { Listing, Request } from "./connection.ts";

const rigWords: Record<(typeof rigFormats)[number], string> = {
  latentloop: "simulated, latentloop's format",
  "open-ephys": "simulated, as Open Ephys sends",
};
const displayWords: Record<(typeof displayKinds)[number], string> = {
  headless: "a process without a screen",
  browser: "a page that you open",
};

/** The second press of "end" must come within this time. */
const ASKED_FOR_MS = 4000;

/** The form that starts a dry run, and how the last one fares. */
export function dryRun(
  ask: (request: Request) => Promise<string | null>,
  runningAt: (port: number, page: string) => string,
): { element: HTMLElement; update(listing: Listing): void } {
  const experiment = el("select", { id: "experiment" });
  const about = el("p", { className: "caption", id: "about" });
  const trials = el("input", { type: "number", id: "trials", step: "any" });
  const seed = el("input", { type: "number", id: "seed", step: "any" });
  const options = <Value extends string>(words: Record<Value, string>) =>
    Object.entries<string>(words).map(([value, label]) => el("option", { value }, label));
  const rig = el("select", { id: "rig" }, ...options(rigWords));
  const display = el("select", { id: "display" }, ...options(displayWords));
  const hold = el("input", { type: "checkbox", id: "hold" });
  const start = el("button", { type: "submit", className: "primary" }, "Start");
  const refused = el("p", { className: "warning-line", role: "alert", id: "refused" });
  const form = el(
    "form",
    { className: "dry-run", ariaLabel: "Dry run", noValidate: true },
    el("label", {}, "experiment ", experiment),
    about,
    el("label", {}, "trials ", trials),
    el("label", {}, "seed ", seed),
    el("label", {}, "recording system ", rig),
    el("label", {}, "display ", display),
    el("label", { className: "chip" }, hold, "wait for my start"),
    start,
    refused,
  );
  const status = el("p", { role: "status", id: "run-status" });
  const links = el("p", { className: "tools" });
  const end = el("button", { type: "button", className: "danger" }, "End…");

  let listing: Listing | null = null;
  let listed = "";
  let isStarting = false;
  const chosen = (): ListedExperiment | undefined => listing?.experiments.find(({ id }) => id === experiment.value);

  function choose(): void {
    const one = chosen();
    setText(about, one?.wrong ?? one?.description ?? "");
    about.classList.toggle("warning-line", typeof one?.wrong === "string");
    if (!one || one.wrong !== null) return;
    trials.value = String(one.trials);
    seed.value = String(one.seed);
  }
  experiment.onchange = choose;

  form.onsubmit = async (event) => {
    event.preventDefault();
    setText(refused, "");
    isStarting = true;
    updateButtons();
    const reason = await ask({
      op: "start",
      experiment: experiment.value,
      trials: trials.valueAsNumber,
      seed: seed.valueAsNumber,
      rigFormat: rig.value as (typeof rigFormats)[number],
      display: display.value as (typeof displayKinds)[number],
      hold: hold.checked,
    });
    isStarting = false;
    updateButtons();
    if (reason !== null) return setText(refused, `Not started: ${reason}`);
    const port = listing?.run?.port;
    if (port) location.assign(runningAt(port, "dashboard"));
  };

  let asked: ReturnType<typeof setTimeout> | null = null;
  const unask = () => {
    if (asked !== null) clearTimeout(asked);
    asked = null;
    end.textContent = "End…";
    end.classList.remove("asked");
  };
  end.onclick = async () => {
    if (asked === null) {
      end.textContent = "End: sure?";
      end.classList.add("asked");
      asked = setTimeout(unask, ASKED_FOR_MS);
      return;
    }
    unask();
    const reason = await ask({ op: "end" });
    if (reason !== null) setText(refused, `Not ended: ${reason}`);
  };

  function updateButtons(): void {
    const phase = listing?.run?.phase;
    start.disabled = isStarting || phase === "starting" || phase === "running";
  }

  function list(experiments: readonly ListedExperiment[]): void {
    const next = JSON.stringify(experiments);
    if (next === listed) return;
    listed = next;
    const before = experiment.value;
    const group = (label: string, ships: boolean) => {
      const own = experiments.filter((one) => one.ships === ships);
      if (own.length === 0) return [];
      const each = own.map(({ id, name, wrong }) =>
        el("option", { value: id }, wrong === null ? name : `${id} (wrong)`),
      );
      return [el("optgroup", { label }, ...each)];
    };
    experiment.replaceChildren(...group("Your own", false), ...group("Shipped", true));
    if (experiments.some(({ id }) => id === before)) experiment.value = before;
    else {
      experiment.value = experiments.find(({ wrong }) => wrong === null)?.id ?? "";
      choose();
    }
  }

  function tell({ run }: Listing): void {
    setText(status, run ? statusWords(run) : "");
    const isOpen = run?.phase === "running" && run.port !== null;
    end.hidden = run?.phase !== "running";
    const shown = isOpen ? `${run.port} ${run.hasDisplay}` : "";
    if (links.dataset.shown === shown) return;
    links.dataset.shown = shown;
    links.replaceChildren(
      ...(isOpen
        ? [
            el("a", { href: runningAt(run.port!, "dashboard") }, "Open its dashboard"),
            ...(run.hasDisplay
              ? [el("a", { href: runningAt(run.port!, ""), target: "_blank" }, "Open its display")]
              : []),
            end,
          ]
        : []),
    );
  }

  return {
    element: panel("Dry run, with the simulated rig", "run", form, status, links),
    update(next) {
      listing = next;
      list(next.experiments);
      tell(next);
      updateButtons();
    },
  };
}

function statusWords({ experiment, phase, failure }: NonNullable<Listing["run"]>): string {
  switch (phase) {
    case "starting":
      return `${experiment} is starting: some seconds.`;
    case "running":
      return `${experiment} is running.`;
    case "ended":
      return `${experiment} has ended; it is in the list.`;
    case "failed":
      return `${experiment} failed: ${failure}`;
  }
}
