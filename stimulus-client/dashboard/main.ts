/** The operator's dashboard: one connection, one store, a few views of it. */
import "./locale.ts";
import type { Alert } from "../../protocols/wire/dashboard.ts";
import { LIST_FIELD, SESSION_FIELD } from "../../protocols/wire/sessions.ts";
import { bar } from "./bar.ts";
import { type Command, connect } from "./connection.ts";
import { el, forgetColours, setAttribute, setText } from "./dom.ts";
import { health } from "./health.ts";
import { log } from "./log.ts";
import { matrix } from "./matrix.ts";
import { overview } from "./overview.ts";
import { slider } from "./past.ts";
import { readBack } from "./readback.ts";
import { saveSnapshot } from "./snapshot.ts";
import { steer } from "./steer.ts";
import { emptyStore, take } from "./store.ts";
import { nextTheme, startTheme } from "./theme.ts";
import { unitPage } from "./unit.ts";
import { units } from "./units.ts";
import type { Page, View } from "./view.ts";

const TOAST_MS = 6000;
const store = emptyStore();
const find = (id: string) => document.querySelector<HTMLElement>(`#${id}`)!;
const main = find("view");

let asked = false;
let unseen: number | null = null;
/** Why the server does not let this page in; empty where it does. */
let unwelcome = "";
const connection = connect(
  (message) => {
    take(store, message);
    store.connected = true;
    if (message.op === "now") unseen = message.n;
    draw();
  },
  (connected, why = "") => {
    store.connected = connected;
    unwelcome = why;
    draw();
  },
);

function draw(): void {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    top.update(store);
    past.update(store);
    showAlerts();
    views[current].view.update(store);
    if (unseen === null) return;
    connection.ask({ op: "seen", n: unseen });
    unseen = null;
  });
}

async function command(order: Command, done?: string): Promise<boolean> {
  const refused = await connection.command(order);
  if (refused !== null) toast(`Not done: ${refused}.`, true);
  else if (done) toast(`${done}.`);
  return refused === null;
}

function toast(text: string, bad = false): void {
  const one = el("p", { className: bad ? "toast bad" : "toast" }, text);
  find("toasts").append(one);
  setTimeout(() => one.remove(), TOAST_MS);
}

const page: Page = {
  connection,
  command,
  open,
  openUnit(unit) {
    oneUnit.look(unit);
    open("unit");
  },
};
const oneUnit = unitPage(page);
const steering = steer(page);

const views: Record<string, { title: string; view: View }> = {
  overview: { title: "Overview", view: overview(page) },
  units: { title: "Units", view: units(page) },
  matrix: { title: "Matrix", view: matrix(page) },
  read: { title: "Read back", view: readBack() },
  steer: { title: "Steer", view: steering },
  health: { title: "Health", view: health() },
  log: { title: "Log", view: log() },
  unit: { title: "Unit", view: oneUnit },
};
let current = "overview";

const tabs = Object.entries(views)
  .filter(([key]) => key !== "unit")
  .map(([key, { title }], i) => {
    const tab = el("button", { type: "button", id: `tab-${key}`, title: `${i + 1}` }, title);
    tab.onclick = () => open(key);
    return { key, tab };
  });
find("tabs").append(...tabs.map(({ tab }) => tab));

function open(key: string): void {
  views[current].view.hidden?.();
  current = key;
  for (const { key: own, tab } of tabs) {
    if (own === (key === "unit" ? "units" : key)) setAttribute(tab, "aria-current", "page");
    else tab.removeAttribute("aria-current");
  }
  main.replaceChildren(views[key].view.element);
  views[key].view.update(store);
  views[key].view.shown?.();
}

const top = bar(find("bar"), {
  command: (order) => void command(order),
  mark: note,
  theme: () => themed(nextTheme()),
  snapshot: () => saveSnapshot(main, store),
});

const past = slider(find("past"), (trials) => connection.ask({ op: "at", trials }));

function note(): void {
  open("steer");
  steering.note();
}

function themed(_: unknown): void {
  forgetColours();
  for (const { view } of Object.values(views)) view.themed?.();
}

/** What is to be said while nothing comes. */
function unanswered(): Alert {
  const again = "This page tries again every second.";
  if (unwelcome) return { level: "stop", text: unwelcome, todo: again };
  if (store.bye !== null) return { level: "stop", text: `Not opened: ${store.bye}.`, todo: "Go back to the list." };
  if (store.now) return { level: "stop", text: "The server does not answer.", todo: again };
  if (new URLSearchParams(location.search).has(SESSION_FIELD))
    return { level: "warning", text: "The session's journal is being read.", todo: "A long one takes some seconds." };
  return { level: "stop", text: "Waiting for the server.", todo: again };
}

const alertBox = find("alerts");
function showAlerts(): void {
  const { now, connected } = store;
  const alerts = !connected && now?.state !== "ended" ? [unanswered()] : (now?.alerts ?? []);
  const words = JSON.stringify(alerts);
  if (alertBox.dataset.shown === words) return;
  alertBox.dataset.shown = words;
  alertBox.replaceChildren(
    ...alerts.map(({ level, text, todo }) =>
      el(
        "p",
        { className: `alert ${level}` },
        el("span", { className: "sign", ariaHidden: "true" }),
        el("strong", {}, text),
        " ",
        todo,
      ),
    ),
  );
}

const isTyping = (target: EventTarget | null) =>
  target instanceof HTMLElement && target.matches("input, textarea, select, [contenteditable]");

document.addEventListener("keydown", (event) => {
  if (isTyping(event.target) || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const at = Number(event.key) - 1;
  if (tabs[at]) return open(tabs[at].key);
  if (past.key(event)) return event.preventDefault();
  const key = event.key.toLowerCase();
  // A button in focus takes the space bar itself.
  if (key === " " && !(event.target instanceof HTMLButtonElement)) {
    event.preventDefault();
    top.togglePause();
  } else if (key === "s") void command({ op: "skip" }, "Skipped");
  else if (key === "q") top.ask();
  else if (key === "m") {
    event.preventDefault();
    note();
  }
});

// A dashboard that was opened from the list leads back to it.
const listPort = new URLSearchParams(location.search).get(LIST_FIELD) ?? "";
if (/^\d{1,5}$/.test(listPort))
  find("tabs").prepend(
    el(
      "a",
      { className: "to-list", href: `${location.protocol}//${location.hostname}:${listPort}/sessions` },
      "All sessions",
    ),
  );

setText(find("toasts"), "");
startTheme(() => themed(null));
open("overview");
draw();
