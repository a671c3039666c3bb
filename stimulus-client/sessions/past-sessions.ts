import type { ListedSession } from "../../protocols/wire/sessions.ts";
import { el, panel, setText } from "../dashboard/dom.ts";
import type { Listing } from "./connection.ts";

const date = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

/** The sessions of the folder, the newest first. */
export function pastSessions(
  runningAt: (port: number, page: string) => string,
  pastAt: (session: string) => string,
): { element: HTMLElement; update(listing: Listing): void } {
  const wanted = el("input", { type: "search", id: "session-filter", ariaLabel: "Filter sessions" });
  wanted.placeholder = "Filter by name or ending";
  const count = el("span", { className: "count", role: "status" });
  const heads = ["Session", "Began", "Trials", "How it ended"];
  const body = el("tbody");
  const table = el(
    "table",
    { className: "sessions", id: "sessions" },
    el("thead", {}, el("tr", {}, ...heads.map((head) => el("th", { scope: "col" }, head)))),
    body,
  );
  const empty = el("p", { className: "empty" });
  let listing: Listing | null = null;
  let drawn = "";

  const link = ({ name, experiment, state, port }: ListedSession) => {
    if (state === "unreadable" || (state === "running" && port === null)) return el("span", {}, experiment || name);
    const href = state === "running" ? runningAt(port!, "dashboard") : pastAt(name);
    return el("a", { href }, experiment);
  };
  const row = (session: ListedSession) => {
    const { name, startedMs, trials, planned, state, words, simulated } = session;
    return el(
      "tr",
      { data: { state, session: name } },
      el(
        "th",
        { scope: "row" },
        link(session),
        el("span", { className: "mapping" }, simulated ? `${name} · simulated` : name),
      ),
      el("td", {}, date.format(startedMs)),
      el("td", {}, trials === null ? "–" : `${trials} / ${planned}`),
      el("td", { className: "ending" }, words),
    );
  };

  function draw(): void {
    if (!listing) return;
    const text = wanted.value.trim().toLowerCase();
    const found = listing.sessions.filter(({ name, experiment, words }) =>
      `${name} ${experiment} ${words}`.toLowerCase().includes(text),
    );
    const next = JSON.stringify(found);
    if (next === drawn) return;
    drawn = next;
    body.replaceChildren(...found.map(row));
    table.hidden = found.length === 0;
    setText(count, `${found.length} of ${listing.sessions.length}`);
    setText(
      empty,
      found.length > 0
        ? ""
        : listing.sessions.length === 0
          ? "No session lies here yet. Start a dry run, or run one at the rig: it is listed as soon as it begins."
          : "No session is like that. Take another filter.",
    );
  }
  wanted.oninput = draw;

  return {
    element: panel(
      "Sessions of this folder",
      "past-sessions",
      el("div", { className: "tools" }, wanted, count),
      table,
      empty,
    ),
    update(next) {
      listing = next;
      draw();
    },
  };
}
