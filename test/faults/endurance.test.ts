import { expect, test } from "vitest";
import { Push } from "zeromq";
import { encodeSpikeMessage } from "../../protocols/wire/spikes.ts";
import { openAcquisition } from "../../server/acquisition/acquisition.ts";
import { createRoster } from "../../server/acquisition/roster.ts";
import { openVirtualSession } from "../../sim/study/virtual.ts";
import { experimentOf } from "../experiment.ts";
import { isLong } from "./long.ts";

const MiB = 2 ** 20;

/** Slope of the least-squares line, a unit of x. */
function slopeOf(points: readonly { x: number; y: number }[]): number {
  const mean = (of: "x" | "y") => points.reduce((sum, point) => sum + point[of], 0) / points.length;
  const [mx, my] = [mean("x"), mean("y")];
  const xy = points.reduce((sum, { x, y }) => sum + (x - mx) * (y - my), 0);
  return xy / points.reduce((sum, { x }) => sum + (x - mx) ** 2, 0);
}

/** Four trials a second. */
const trialsOf = (hours: number) => Math.round(hours * 3600 * 4);
const hours = isLong ? 24 : 2;

test(`J10 ${hours} h of trials in virtual time: memory grows by the history that refits need, and by no more`, async () => {
  const experiment = experimentOf(`
name: endurance
trials: ${trialsOf(hours)}
model: faces-64
latents: 4
stimulus: { onMs: 200, gapMs: 50 }
response: { latencyMs: 80, windowMs: 150 }
choice: { objective: random-range }
simulation: { ramp: 2 }
`);
  const session = openVirtualSession(experiment, 1, () => {});
  const points: { x: number; y: number }[] = [];
  const every = trialsOf(hours) / 40;
  let next = every;
  let least = Number.POSITIVE_INFINITY;
  while (session.advance()) {
    const { closed } = session.view().trials;
    const { heapUsed, external } = process.memoryUsage();
    // What is held, and not what waits to be collected: the least of each stretch.
    least = Math.min(least, heapUsed + external);
    if (closed < next) continue;
    next += every;
    points.push({ x: closed, y: least });
    least = Number.POSITIVE_INFINITY;
    await new Promise(setImmediate);
  }
  expect(session.view().trials.closed).toBe(trialsOf(hours));
  // Features (25 numbers), counts and faces of a trial are some hundred bytes.
  const settled = points.slice(points.length / 2);
  const bytesATrial = slopeOf(settled);
  console.log(
    `${bytesATrial.toFixed(0)} bytes a trial, ${(points[points.length - 1].y / MiB).toFixed(0)} MiB held and ${(process.memoryUsage.rss() / MiB).toFixed(0)} MiB resident at the end`,
  );
  expect(bytesATrial).toBeLessThan(4096);
}, 3_600_000);

const seconds = isLong ? 600 : 3;
const SPIKES_A_MESSAGE = 250;
const EVERY_MS = 5;

test(`J10 50,000 spikes a second for ${seconds} s: none lost, counted at both ends`, async () => {
  const names = Array.from({ length: 100 }, (_, i) => `u${i}`);
  const roster = createRoster(names.map((name) => ({ name })));
  const acquisition = await openAcquisition({
    ...{ address: "tcp://127.0.0.1:*", socket: "pull", format: "latentloop", roster, streams: [] },
  });
  let received = 0;
  acquisition.events$.subscribe((event) => {
    if (event.type === "batch") received += event.unit.length;
  });
  const socket = new Push({ sendHighWaterMark: 0 });
  socket.connect(acquisition.address);
  const startMs = performance.now();
  let sent = 0;
  for (let seq = 0; performance.now() - startMs < 1000 * seconds; seq++) {
    const untilS = (seq + 1) * (EVERY_MS / 1000);
    await socket.send(
      encodeSpikeMessage({
        ...{ v: 1, type: "spikes", stream: "soak", seq, clock: "c", untilS, units: names },
        unit: Uint16Array.from({ length: SPIKES_A_MESSAGE }, (_, i) => i % names.length),
        timeS: Float64Array.from({ length: SPIKES_A_MESSAGE }, (_, i) => untilS - (i * EVERY_MS) / 1e6),
      }),
    );
    sent += SPIKES_A_MESSAGE;
    const aheadMs = (seq + 1) * EVERY_MS - (performance.now() - startMs);
    if (aheadMs > 1) await new Promise((resolve) => setTimeout(resolve, aheadMs));
  }
  for (let waited = 0; received < sent && waited < 200; waited++)
    await new Promise((resolve) => setTimeout(resolve, 50));
  const counts = acquisition.counts();
  acquisition.dispose();
  socket.close();
  console.log(
    `${sent} spikes sent, ${received} received, ${(sent / ((performance.now() - startMs) / 1000)).toFixed(0)} a second`,
  );
  expect(received).toBe(sent);
  expect(counts).toMatchObject({ spikes: sent, lostMessages: 0, restarts: 0 });
}, 900_000);
