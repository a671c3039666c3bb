/**
 * What dashboards cost: `npm run bench:dashboard`. The loop's latency with five of them beside that with none, by turns; and how evenly a
 * page draws with 200 units beside an empty page, in the same browser while the same session runs.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NEVER, Subject } from "rxjs";
import type { OperatorOp } from "../../protocols/wire/operator.ts";
import { runLive } from "../../server/live.ts";
import { compiledModule } from "../../server/package-root.ts";
import { readExperiment } from "../../server/session/experiment-file.ts";
import { launchChromium } from "../browser/chromium.ts";
import { spread } from "./spread.ts";

const experimentFile = "protocols/experiments/one-to-one.yaml";
const DASHBOARDS = 5;
const ROUNDS = 2;
const TRIALS = 240;
const FRAMES = 600;

const say = (what: string) => process.stderr.write(`bench: ${what}\n`);

const optionsOf = (out: string) => ({
  experimentFile,
  rig: "sim",
  rigFormat: "latentloop" as const,
  display: "headless" as const,
  host: "127.0.0.1",
  port: 0,
  events: "tcp://127.0.0.1:*",
  out,
});

async function latencyWith(dashboards: number) {
  const out = await mkdtemp(join(tmpdir(), "latentloop-bench-"));
  const experiment = await readExperiment(experimentFile, { trials: TRIALS });
  let watchers: ReturnType<typeof fork> | null = null;
  const { summary } = await runLive(experiment, optionsOf(out), NEVER, {
    said(line) {
      const url = /^dashboard: (\S+)/.exec(line)?.[1];
      if (url && dashboards > 0)
        watchers = fork(compiledModule("test/bench/dashboard-watchers.js"), [
          JSON.stringify({ url, count: dashboards }),
        ]);
    },
    changed() {},
    stop() {},
  });
  let messages = 0;
  const child = watchers as ReturnType<typeof fork> | null;
  if (child) {
    child.send("count");
    [{ messages }] = (await once(child, "message")) as [{ messages: number }];
    child.disconnect();
  }
  await rm(out, { recursive: true });
  return { dashboards, messages, lastSpikeToReadyMs: summary.lastSpikeToReadyMs!, missed: summary.deadlineMisses };
}

async function frames() {
  const out = await mkdtemp(join(tmpdir(), "latentloop-bench-"));
  const experiment = await readExperiment(experimentFile, { trials: 100_000 });
  const ended = new Subject<OperatorOp>();
  const url = new Promise<string>((resolve) => {
    void runLive(
      { ...experiment, simulation: { ...experiment.simulation!, ramp: 80, axis: 40, bump: 40, saturating: 40 } },
      optionsOf(out),
      ended,
      {
        said(line) {
          const found = /^dashboard: (\S+)/.exec(line)?.[1];
          if (found) resolve(found);
        },
        changed() {},
        stop() {},
      },
    ).then(() => rm(out, { recursive: true }));
  });
  const browser = await launchChromium();
  const intervals = async (
    address: string,
    prepare: (page: Awaited<ReturnType<typeof browser.newPage>>) => Promise<void>,
  ) => {
    const page = await browser.newPage({ viewport: { width: 1600, height: 1000 } });
    await page.goto(address);
    await prepare(page);
    const all = await page.evaluate(
      (count) =>
        new Promise<number[]>((resolve) => {
          const times: number[] = [];
          const step = () => {
            times.push(performance.now());
            if (times.length <= count) requestAnimationFrame(step);
            else resolve(times.slice(1).map((time, i) => time - times[i]));
          };
          requestAnimationFrame(step);
        }),
      FRAMES,
    );
    await page.close();
    const sorted = all.sort((a, b) => a - b);
    return { ...spread(all), p95: sorted[Math.floor(0.95 * sorted.length)] };
  };
  const address = await url;
  const empty = await intervals("about:blank", async () => {});
  const units = await intervals(address, async (page) => {
    await page.locator("#tabs").getByText("Units", { exact: true }).click();
    // Until estimates of all units have come.
    await page.locator(".rows .row:not([hidden]) canvas").first().waitFor();
    await page.waitForTimeout(10_000);
  });
  const emptyAgain = await intervals("about:blank", async () => {});
  await browser.close();
  ended.next("abort");
  return { units: 200, latents: experiment.latents, frameMs: { empty, units, emptyAgain } };
}

const latency: Awaited<ReturnType<typeof latencyWith>>[] = [];
for (let round = 0; round < ROUNDS; round++)
  for (const dashboards of [0, DASHBOARDS]) {
    say(`${TRIALS} trials with ${dashboards} dashboards`);
    latency.push(await latencyWith(dashboards));
  }
say("frames of a page with 200 units");
const drawn = await frames();
const p99 = (dashboards: number) => {
  const own = latency.filter((one) => one.dashboards === dashboards).map((one) => one.lastSpikeToReadyMs.p99);
  return own.reduce((a, b) => a + b, 0) / own.length;
};
process.stdout.write(`${JSON.stringify({ latency, p99Ratio: p99(DASHBOARDS) / p99(0), ...drawn }, null, 2)}\n`);
process.exit(0);
