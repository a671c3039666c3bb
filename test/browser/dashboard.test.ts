import { rm } from "node:fs/promises";
import type { Page } from "playwright-core";
import { afterAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import {
  type DashboardMessage,
  type EstimatesMessage,
  type NowMessage,
  WATCH_PATH,
} from "../../protocols/wire/dashboard.ts";
import { pack, unpack } from "../../protocols/wire/message.ts";
import type { SettingOrder } from "../../server/operator/desk.ts";
import { readJournal } from "../../server/session/journal-reader.ts";
import type { SessionSummary } from "../../server/session/summary.ts";
import { anyPorts, start, temporaryFolder } from "../cli.ts";
import { sharedChromium } from "./shared.ts";

const out = temporaryFolder();
const browser = sharedChromium();
afterAll(() => rm(out, { recursive: true }));

/** Another dashboard, by hand: the newest message of each kind. */
function watch(url: string) {
  const socket = new WebSocket(url.replace(/^http/, "ws").replace(/dashboard$/, WATCH_PATH.slice(1)));
  const newest: { now?: NowMessage; estimates?: EstimatesMessage } = {};
  socket.on("message", (data: Buffer) => {
    const message = unpack(data);
    if (!message.ok) throw new Error(message.detail);
    const value = message.value as DashboardMessage;
    if (value.op === "now") {
      newest.now = value;
      socket.send(pack({ v: 1, op: "seen", n: value.n }));
    } else if (value.op === "estimates") newest.estimates = value;
  });
  return { newest, socket };
}

const text = (page: Page, selector: string) => page.locator(selector).innerText();

test("O, D: a simulated session is started, inspected, steered, paused and ended by clicking", async () => {
  const session = start(
    "run",
    "protocols/experiments/one-to-one.yaml",
    ...anyPorts,
    "--out",
    out,
    "--trials",
    "5000",
    "--display",
    "headless",
    "--hold",
    "--json",
  );
  const [, url] = await session.says(/dashboard: (http:\S+)/);
  const context = await browser().newContext({
    viewport: { width: 1280, height: 800 },
    locale: "en-US",
    acceptDownloads: true,
  });
  const page = await context.newPage();
  const errors: string[] = [];
  page.on("pageerror", ({ message }) => errors.push(message));
  page.on("console", (message) => {
    if (message.type() === "error" && !message.text().includes("ERR_CONNECTION_REFUSED")) errors.push(message.text());
  });
  await page.goto(url);
  const state = page.locator("#state .word");

  // Nothing is shown until it is started here.
  await state.filter({ hasText: "On hold" }).waitFor();
  expect(await page.locator("#past").isVisible()).toBe(false);
  await page.getByRole("button", { name: "Start" }).click();
  await state.filter({ hasText: "Running" }).waitFor();
  await page.locator("#trials", { hasText: /^[2-9]\d \// }).waitFor();

  // Units: those that are listed can be found, opened and left out.
  await page.getByRole("button", { name: "Units", exact: true }).click();
  expect(await page.locator(".rows .row:not([hidden])").count()).toBeGreaterThan(5);
  await page.getByRole("searchbox", { name: "Filter units" }).fill("sim-07");
  const row = page.locator(".rows .row:not([hidden])");
  await expect.poll(() => row.count()).toBe(1);
  await row.getByRole("button", { name: "Exclude" }).click();
  await row.getByRole("button", { name: "Include" }).waitFor();
  await row.getByRole("button", { name: "sim-07" }).click();
  await page.locator(".facts", { hasText: "Best latent" }).waitFor();
  expect(await page.locator(".curve").count()).toBe(12);
  await page.locator(".strip .face-box:not(.empty)").nth(7).waitFor();

  // Every view has something to say.
  for (const [tab, what] of [
    ["Matrix", "#matrix"],
    ["Read back", "#distance"],
    ["Health", "table"],
    ["Log", "#log-list li"],
  ] as const) {
    await page.getByRole("button", { name: tab, exact: true }).click();
    await page.locator(`main ${what}`).first().waitFor();
  }
  await page.getByRole("button", { name: "Read back", exact: true }).click();
  await page.locator("#distance", { hasText: /^\d\.\d\d$/ }).waitFor();

  // Steer: a change, its refusal, undo, a note, a check.
  await page.getByRole("button", { name: "Steer", exact: true }).click();
  await page.getByLabel("Faces are chosen for").selectOption("peak");
  await page.getByRole("form", { name: "Objective" }).getByRole("button").click();
  await page.locator("main", { hasText: "objective from variance to peak" }).waitFor();
  await page.getByRole("form", { name: "Objective" }).getByRole("button").click();
  await page.locator("#toasts", { hasText: "Not done: expected a value that is not the present one" }).waitFor();
  await page.getByRole("button", { name: "Undo" }).click();
  await page.locator("main", { hasText: "nothing to take back" }).waitFor();
  await page.locator("#window-for").fill("-5");
  await page.getByRole("form", { name: "Response window" }).getByRole("button").click();
  await page.locator("#toasts", { hasText: /Not done: .*windowMs: .*found -5/ }).waitFor();
  await page.locator("#window-for").fill("1500");
  await page.getByRole("form", { name: "Response window" }).getByRole("button").click();
  const cannotWork = page.locator("#alerts", { hasText: "can't work out as it was meant: choice.lookahead" });
  await cannotWork.waitFor();
  await page.getByRole("button", { name: "Undo" }).click();
  await cannotWork.waitFor({ state: "hidden" });
  await page.locator("#check-faces").fill("");
  await page.getByRole("button", { name: "Show them" }).click();
  await page.locator("#toasts", { hasText: /Not done: .*faces: .*found no number/ }).waitFor();
  await page.getByRole("textbox", { name: "Note" }).fill("electrode moved by 50 µm");
  await page.getByRole("button", { name: "Note it" }).click();
  await page.locator("#check-faces").fill("3");
  await page.getByRole("button", { name: "Show them" }).click();
  await page.locator("#checks", { hasText: "3 of 3" }).waitFor();
  const downloads: string[] = [];
  page.on("download", (download) => {
    downloads.push(download.suggestedFilename());
  });
  await page.getByRole("button", { name: "Snapshot" }).click();
  await expect.poll(() => downloads.map((name) => name.split(".").at(-1)).sort()).toEqual(["json", "png"]);

  // Paused, it stands still, and the page's numbers are the server's, for another operator too.
  await page.getByRole("button", { name: "Pause" }).click();
  await state.filter({ hasText: "Paused" }).waitFor();
  const other = watch(url);
  await expect.poll(() => other.newest.now?.state).toBe("paused");
  const trialsOf = () => `${other.newest.now?.trials.closed} / ${other.newest.now?.trials.planned}`;
  await expect
    .poll(
      async () =>
        other.newest.estimates?.trials === other.newest.now?.trials.usable &&
        (await text(page, "#trials")) === trialsOf(),
      { timeout: 10_000 },
    )
    .toBe(true);
  await page.getByRole("button", { name: "Units", exact: true }).click();
  await page.getByRole("searchbox", { name: "Filter units" }).fill("sim-01");
  const { estimates } = other.newest;
  const cells = page.locator(".rows .row:not([hidden])");
  await expect.poll(() => cells.locator(".alignment").innerText()).toBe(estimates!.alignment[0].toFixed(2));
  expect(await cells.locator(".rate").innerText()).toBe(estimates!.baselineHz[0].estimate.toFixed(1));
  expect(await cells.locator(".trials").innerText()).toBe(String(estimates!.learned[0]));
  expect((await cells.locator(".probability").innerText()).replaceAll("\u00a0", " ")).toBe(
    `${Math.round(100 * estimates!.codesBest[0])} %`,
  );
  await page.keyboard.press("Escape");
  await page.locator("#state").click();
  await page.keyboard.press("Space");
  await expect.poll(() => other.newest.now?.state).toBe("running");

  // Asked twice, then it is over; the page says so.
  await page.getByRole("button", { name: "End…" }).click();
  expect(other.newest.now?.state).toBe("running");
  await page.getByRole("button", { name: "End: sure?" }).click();
  await state.filter({ hasText: "Ended" }).waitFor();
  const { code, stdout, stderr } = await session.finished;
  expect(code, stderr).toBe(0);
  expect(errors).toEqual([]);
  await context.close();

  const summary = JSON.parse(stdout) as SessionSummary;
  const { records } = await readJournal(summary.sessionDir);
  const kinds = (kind: string) => records.filter((record) => record.kind === kind);
  const settings = kinds("setting") as unknown as { order: SettingOrder; after: number | null }[];
  expect(settings.map(({ order }) => order.op)).toEqual(expect.arrayContaining(["change", "change", "stability"]));
  expect(
    settings.flatMap(({ order }) => (order.op === "change" ? [[order.experiment.choice.objective, order.undone]] : [])),
  ).toEqual([
    ["peak", false],
    ["variance", true],
    ["variance", false],
    ["variance", true],
  ]);
  expect(settings.every(({ after }) => typeof after === "number")).toBe(true);
  expect(kinds("mark")).toMatchObject([{ text: "electrode moved by 50 µm" }]);
  expect(settings.flatMap(({ order }) => (order.op === "stability" ? [order.faces] : []))).toEqual([3]);
  expect(kinds("unit")).toMatchObject([{ op: "exclude", unit: "sim-07" }]);
  expect(kinds("command").map(({ command }) => command)).toEqual(["pause", "resume", "pause", "resume", "abort"]);

  // A session that was steered is made again as any other.
  const replay = await start("replay", summary.sessionDir, "--verify").finished;
  expect(replay.code, replay.stdout).toBe(0);

  // And can be looked at as it ended, with the same numbers.
  const past = start("dashboard", summary.sessionDir, "--port", "0");
  const [, pastUrl] = await past.says(/dashboard: (http:\S+)/);
  const after = await browser().newPage();
  await after.goto(pastUrl);
  await after.locator("#state .word", { hasText: "Ended" }).waitFor();
  expect(await text(after, "#trials")).toBe(`${summary.trials} / 5000`);
  await after.locator("#tabs").getByText("Units", { exact: true }).click();
  for (const { unit, alignment } of summary.units.slice(0, 3)) {
    await after.getByRole("searchbox", { name: "Filter units" }).fill(unit);
    const row = after.locator(".rows .row:not([hidden])", { hasText: unit });
    await expect.poll(() => row.locator(".alignment").innerText()).toBe(alignment.estimate.toFixed(2));
  }
  expect(await after.getByRole("button", { name: "Pause" }).isDisabled()).toBe(true);
  await after.close();
  past.signal("SIGINT");
  expect((await past.finished).code).toBe(0);
}, 360_000);
