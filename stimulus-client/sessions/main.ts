/** Past sessions, to be opened, and a dry run, to be started. */
import "../dashboard/locale.ts";
import { LIST_FIELD, SESSION_FIELD } from "../../protocols/wire/sessions.ts";
import { el, setText } from "../dashboard/dom.ts";
import { nextTheme, startTheme } from "../dashboard/theme.ts";
import { connect, type Listing } from "./connection.ts";
import { dryRun } from "./dry-run.ts";
import { pastSessions } from "./past-sessions.ts";

const find = (id: string) => document.querySelector<HTMLElement>(`#${id}`)!;

/** A session that runs has a server of its own, on this one's computer. */
const runningAt = (port: number, page: string) =>
  `${location.protocol}//${location.hostname}:${port}/${page}?${new URLSearchParams({ [LIST_FIELD]: location.port })}`;
const pastAt = (session: string) =>
  `./dashboard?${new URLSearchParams({ [SESSION_FIELD]: session, [LIST_FIELD]: location.port })}`;

const ask = connect((listing, why) => (listing ? show(listing) : complain(why || "The server does not answer.")));
const run = dryRun(ask, runningAt);
const past = pastSessions(runningAt, pastAt);
const folder = el("div", { className: "name" });
const theme = el("button", {
  type: "button",
  className: "quiet theme",
  title: "Light, dark or as the system has it",
  ariaLabel: "Light or dark",
});
theme.onclick = () => nextTheme();
find("bar").append(
  el(
    "div",
    { className: "bar-row" },
    el("div", { className: "heading" }, el("h1", {}, "Sessions"), folder),
    el("div", { className: "actions" }, theme),
  ),
);
find("view").append(el("div", { className: "grid-sessions" }, past.element, run.element));

function show(listing: Listing): void {
  find("alerts").replaceChildren();
  setText(folder, listing.folder);
  run.update(listing);
  past.update(listing);
}

function complain(why: string): void {
  if (find("alerts").textContent?.startsWith(why)) return;
  find("alerts").replaceChildren(
    el(
      "p",
      { className: "alert stop" },
      el("span", { className: "sign", ariaHidden: "true" }),
      el("strong", {}, why),
      " This page tries again every second.",
    ),
  );
}

startTheme(() => {});
