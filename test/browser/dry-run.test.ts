import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { smallExperiment, start, temporaryFolder } from "../cli.ts";
import { sharedChromium } from "./shared.ts";

const out = temporaryFolder();
const browser = sharedChromium();
afterAll(() => rm(out, { recursive: true }));

test("D8: a dry run is started by clicking, runs to its end, and is opened from the list", async () => {
  const experiments = join(out, "experiments");
  await mkdir(experiments);
  await writeFile(join(experiments, "mine.yaml"), smallExperiment("mine", 300, "{ ramp: 2, bump: 1 }"));
  const server = start("dashboard", join(out, "sessions"), "--experiments", experiments, "--port", "0");
  const [, url] = await server.says(/sessions: (http:\S+)/);
  const page = await browser().newPage({ viewport: { width: 1280, height: 800 }, locale: "en-US" });
  const errors: string[] = [];
  page.on("pageerror", ({ message }) => errors.push(message));
  await page.goto(url.replace(/sessions$/, ""));
  expect(page.url()).toBe(url);
  await page.locator(".empty", { hasText: "No session lies here yet" }).waitFor();
  const status = page.locator("#run-status");

  // What makes no sense is said beside the button.
  await page.getByLabel("experiment").selectOption({ label: "mine" });
  await page.getByLabel("trials").fill("2.5");
  await page.getByRole("button", { name: "Start" }).click();
  await page.locator("#refused", { hasText: "trials: expected a whole number, found 2.5" }).waitFor();

  // Held, it leads to its own dashboard, where it is begun.
  await page.getByLabel("trials").fill("12");
  await page.getByLabel("seed").fill("7");
  await page.getByLabel("wait for my start").check();
  await page.getByRole("button", { name: "Start" }).click();
  await page.waitForURL(/\/dashboard\?/);
  await page.locator("#state .word", { hasText: "On hold" }).waitFor();
  const list = await browser().newPage();
  await list.goto(url);
  await list.locator("tr[data-state=running]").waitFor();
  expect(await list.getByRole("button", { name: "Start" }).isDisabled()).toBe(true);
  await page.getByRole("button", { name: "Start" }).click();
  await page.locator("#state .word", { hasText: "Ended" }).waitFor();

  await page.getByRole("link", { name: "All sessions" }).click();
  await status.filter({ hasText: "has ended" }).waitFor();
  const row = page.locator("#sessions tbody tr");
  await expect.poll(() => row.locator("td").allInnerTexts()).toEqual([expect.any(String), "12 / 12", "all trials"]);
  await row.getByRole("link").click();
  await page.locator("#trial-words", { hasText: /^12 of 12/ }).waitFor();
  await page.getByRole("link", { name: "All sessions" }).click();
  await row.waitFor();

  // Another one is ended from the list, asked twice; and the server's end ends a third.
  const again = async () => {
    await page.goto(url);
    await page.getByLabel("experiment").selectOption({ label: "mine" });
    await page.getByRole("button", { name: "Start" }).click();
    await page.waitForURL(/\/dashboard\?/);
    await page.goBack();
    await status.filter({ hasText: "is running" }).waitFor();
  };
  await again();
  await page.getByRole("button", { name: "End…" }).click();
  await page.getByRole("button", { name: "End: sure?" }).click();
  await status.filter({ hasText: "has ended" }).waitFor();
  await expect.poll(() => row.first().locator("td").last().innerText()).toBe("ended by an operator");
  await again();
  expect(errors).toEqual([]);
  server.signal("SIGINT");
  expect((await server.finished).code).toBe(0);
}, 360_000);
