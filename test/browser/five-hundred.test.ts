import { readFileSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { chooseBackend } from "../../server/model/backends.ts";
import { createDecoder } from "../../server/model/decoder.ts";
import { bundledModel, readModelFolder } from "../../server/model/model-folder.ts";
import { readJournal } from "../../server/session/journal.ts";
import type { SessionSummary } from "../../server/session/summary.ts";
import { faceBox } from "../../stimulus-client/layout.ts";
import { anyPorts, start, temporaryFolder } from "../cli.ts";
import { launchChromium } from "./chromium.ts";
import { differing, screenshot } from "./screen.ts";

const out = temporaryFolder();
afterAll(() => rm(out, { recursive: true }));
const viewport = { width: 800, height: 600 };
const FACES = 500;
/** One busy loop in so many milliseconds, at no fixed place in the faces' period. */
const BUSY_EVERY_MS = 2770;
const BUSY_MS = [45, 80, 130];

interface Shown {
  presentation: number;
  frame: number;
  displayMs: number;
  dropped: number;
}

/** A loop that kept the page's main thread busy, and what its frames' own times said around it. */
interface Busy {
  fromMs: number;
  toMs: number;
}

test("S7, T5: 500 faces at 5 a second in a real browser: each onset accounted for, pixels right, dropped frames as injected", {
  timeout: 300_000,
}, async () => {
  const experiment = join(out, "five-hundred.yaml");
  writeFileSync(
    experiment,
    readFileSync("protocols/experiments/one-to-one.yaml", "utf8")
      .replace("onMs: 200", "onMs: 100")
      .replace("gapMs: 50", "gapMs: 100"),
  );
  const session = start(
    "run",
    experiment,
    ...anyPorts,
    ...["--out", out, "--trials", String(FACES), "--seed", "1", "--objective", "random-range", "--json"],
  );
  const [, url] = await session.says(/open (http:\S+) in a browser/);
  const browser = await launchChromium();
  const page = await browser.newPage({ viewport });
  // A second observer in the page: each frame's own time, which is that of the screen's frame and not of its callback.
  await page.addInitScript(
    ({ everyMs, lengthsMs }) => {
      const witness = { frameTimes: [] as number[], busy: [] as { fromMs: number; toMs: number }[] };
      Object.assign(globalThis, { witness });
      const note = (frameTime: number) => {
        witness.frameTimes.push(frameTime);
        requestAnimationFrame(note);
      };
      requestAnimationFrame(note);
      let n = 0;
      setInterval(() => {
        const fromMs = performance.now();
        const untilMs = fromMs + lengthsMs[n++ % lengthsMs.length];
        while (performance.now() < untilMs);
        witness.busy.push({ fromMs, toMs: performance.now() });
      }, everyMs);
    },
    { everyMs: BUSY_EVERY_MS, lengthsMs: BUSY_MS },
  );
  await page.goto(url);
  await page.locator("#readout", { hasText: /trial 2\d of/ }).waitFor({ timeout: 60_000 });
  const { at } = await screenshot(page, "five-hundred");
  await page.locator("#readout", { hasText: /trial 49\d of/ }).waitFor({ timeout: 200_000 });
  const { frameTimes, busy } = await page.evaluate(
    () => (globalThis as unknown as { witness: { frameTimes: number[]; busy: Busy[] } }).witness,
  );
  const { code, stdout, stderr } = await session.finished;
  await browser.close();
  expect(code, stderr).toBe(0);
  const summary = JSON.parse(stdout) as SessionSummary;
  const { records } = await readJournal(summary.sessionDir);

  // Each onset accounted for: presentation, `shown`, `hidden` and trial, once each, in order.
  const events = records.flatMap((r) => (r.kind === "display" ? [r.event as { type: string } & Shown] : []));
  const shown = events.filter(({ type }) => type === "shown");
  const trials = records.filter((r) => r.kind === "trial") as unknown as { presentation: number; flags: string[] }[];
  const inOrder = Array.from({ length: FACES }, (_, i) => i);
  expect(shown.slice(0, FACES).map((s) => s.presentation)).toEqual(inOrder);
  expect(trials.map((t) => t.presentation)).toEqual(inOrder);
  const hidden = events.filter(({ type }) => type === "hidden").map((h) => h.presentation);
  expect(hidden.slice(0, FACES - 1)).toEqual(inOrder.slice(0, -1));
  for (const [i, { dropped }] of shown.slice(0, FACES).entries())
    expect(trials[i].flags.includes("droppedFrame")).toBe(dropped > 0);

  // Dropped frames: those that the page's callbacks told by `performance.now()` against those of the frames' own times.
  const [{ displayMs: firstMs }] = shown;
  const lastMs = shown.filter(({ displayMs }) => displayMs < frameTimes[frameTimes.length - 1]).at(-1)!.displayMs;
  const frameMs = (events.find(({ type }) => type === "connected") as unknown as { frameMs: number }).frameMs;
  const seen = frameTimes.filter((ms) => ms >= firstMs - frameMs && ms <= lastMs);
  const missing = seen.slice(1).map((ms, i) => ({ ms, n: Math.round((ms - seen[i]) / frameMs) - 1 }));
  const reported = shown.filter(({ displayMs }) => displayMs > firstMs && displayMs <= lastMs);
  const total = (values: number[]) => values.reduce((a, b) => a + b, 0);
  const within = busy.filter(({ fromMs, toMs }) => fromMs > firstMs + 500 && toMs < lastMs - 500);
  // A loop of L ms covers floor(L / frame) or one more whole frames; the last one's callback runs late, and is none.
  const injected = within.map(({ fromMs, toMs }) => {
    const told = total(
      reported
        .filter((s) => s.displayMs > fromMs)
        .slice(0, 1)
        .map((s) => s.dropped),
    );
    const lost = total(missing.filter(({ ms }) => ms > fromMs - frameMs && ms <= toMs + frameMs).map(({ n }) => n));
    return { lengthMs: toMs - fromMs, told, lost };
  });
  const figures = {
    frameMs,
    reported: total(reported.map((s) => s.dropped)),
    witnessed: total(missing.map(({ n }) => n)),
    loops: injected.length,
    toldAsWitnessed: injected.filter(({ told, lost }) => told === lost).length,
    ofLoops: [total(injected.map(({ told }) => told)), total(injected.map(({ lost }) => lost))],
    deadlineMisses: summary.deadlineMisses,
  };
  console.info(JSON.stringify(figures));
  if (process.env.LATENTLOOP_SHOTS) writeFileSync("/tmp/five-hundred.json", JSON.stringify({ injected, figures }));

  // Pixels: exactly one of the faces that were chosen is on the screenshot, and all of it, or the gray between faces.
  const model = await readModelFolder(bundledModel("faces-64"));
  await chooseBackend({ model, forced: "wasm" });
  const decoder = createDecoder(model);
  const { width, height } = model.card.image;
  const chosen = records.filter((r) => r.kind === "choice").slice(10, 40) as unknown as { latentsF64: Uint8Array }[];
  const wrong: number[] = [];
  for (const { latentsF64 } of chosen) {
    const latents = new Float64Array(Uint8Array.from(latentsF64).buffer);
    const face = { width, height, pixels: await decoder.decode(Float32Array.from(latents)) };
    wrong.push(differing(at, face, faceBox(face, viewport, 0.6)));
  }
  const isGray = [...Array(50)].every((_, i) => at(250 + 6 * i, 300).every((value) => value === 128));
  expect(isGray || wrong.filter((n) => n === 0).length === 1).toBe(true);
});
