import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { SessionSummary } from "../../server/session/summary.ts";
import { smallExperiment, start, temporaryFolder } from "../cli.ts";
import { sharedChromium } from "./shared.ts";

const out = temporaryFolder();
const experiment = join(out, "small.yaml");
const browser = sharedChromium();
beforeAll(() => writeFile(experiment, smallExperiment("small", 40, "{ ramp: 2, axis: 1, bump: 2, saturating: 1 }")));
afterAll(() => rm(out, { recursive: true }));

/** The same seed: a shorter session is the beginning of a longer one. */
async function virtual(trials: number): Promise<SessionSummary> {
  const { code, stdout, stderr } = await start(
    "run",
    experiment,
    "--virtual",
    ...["--seed", "5", "--trials", String(trials), "--out", out, "--json"],
  ).finished;
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout);
}

const row = (page: Page, unit: string) => page.locator(".rows .row:not([hidden])", { hasText: unit });
const open = (page: Page, tab: string) => page.locator("#tabs").getByText(tab, { exact: true }).click();
const words = (page: Page) => page.locator("#trial-words");

test("D6: a past session at a trial is what a session that ended with this trial had found; arrow keys go on from there", async () => {
  const [half, all] = [await virtual(24), await virtual(40)];
  const journal = await readFile(join(all.sessionDir, "journal.llj"));
  const past = start("dashboard", all.sessionDir, "--port", "0");
  const [, url] = await past.says(/dashboard: (http:\S+)/);
  const page = await browser().newPage({ viewport: { width: 1280, height: 800 }, locale: "en-US" });
  const errors: string[] = [];
  page.on("pageerror", ({ message }) => errors.push(message));
  await page.goto(url);
  await words(page)
    .filter({ hasText: /^40 of 40 · [\d:]+$/ })
    .waitFor();
  expect(await page.locator("#state .word").innerText()).toBe("Ended");

  const shows = async ({ units, trials }: SessionSummary) => {
    expect(await page.locator("#trials").innerText()).toBe(`${trials} / 40`);
    await open(page, "Units");
    for (const { unit, alignment, codesBest } of units) {
      await expect.poll(() => row(page, unit).locator(".alignment").innerText()).toBe(alignment.estimate.toFixed(2));
      expect((await row(page, unit).locator(".probability").innerText()).replace("\u00a0", " ")).toBe(
        `${Math.round(100 * codesBest)} %`,
      );
      expect(await row(page, unit).locator(".trials").innerText()).toBe(String(trials));
    }
  };
  await shows(all);
  await page.locator("#trial").fill("24");
  await words(page).filter({ hasText: "24 of 40" }).waitFor();
  expect(await page.locator("#state .word").innerText()).toBe("Past");
  // Four faces a second, in virtual time too.
  expect(await page.locator("#elapsed").innerText()).toBe("0:06");
  await open(page, "Overview");
  await page.locator("#on-screen", { hasText: /^Face 2[5-7]\. / }).waitFor();
  await shows(half);

  // One unit's page, the face read back and the log stand at this trial too.
  await row(page, half.units[0].unit).getByRole("button").first().click();
  await page.locator(".facts", { hasText: "24" }).waitFor();
  await open(page, "Read back");
  await page.locator(".caption", { hasText: "Trial 24, read from 6 of 6 units" }).waitFor();
  await open(page, "Log");
  const logged = () => page.locator("#log-list li").count();
  const then = await logged();
  await page.locator("#trial").press("End");
  await words(page).filter({ hasText: "40 of 40" }).waitFor();
  expect(await logged()).toBeGreaterThan(then);

  await page.locator("#state").click();
  for (const [key, trial] of [
    ["ArrowLeft", 39],
    ["ArrowLeft", 38],
    ["ArrowRight", 39],
  ] as const) {
    await page.keyboard.press(key);
    await words(page)
      .filter({ hasText: `${trial} of 40` })
      .waitFor();
  }
  await page.locator("#trial").press("Home");
  await words(page).filter({ hasText: "0 of 40" }).waitFor();
  await open(page, "Overview");
  await page.locator(".empty", { hasText: "Nothing is known yet" }).waitFor();
  expect(errors).toEqual([]);
  await page.close();
  past.signal("SIGINT");
  expect((await past.finished).code).toBe(0);
  // Read, and nothing else.
  expect((await readFile(join(all.sessionDir, "journal.llj"))).equals(journal)).toBe(true);
}, 360_000);
