import { readFileSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { type DisplayReport, plotIntervals, reportDisplay } from "../../server/presentation/display-report.ts";
import type { DisplayEvent } from "../../server/presentation/display-server.ts";
import { initSchedule, stepSchedule } from "../../stimulus-client/schedule.ts";
import { start, temporaryFolder } from "../cli.ts";
import { rawDisplay } from "./rig.ts";

const out = temporaryFolder();
afterAll(() => rm(out, { recursive: true }));

/** A hundred flashes of 50 of 100 ms through the display's own schedule, `lost` frames missing right after some. */
function flashes(lost: Record<number, number>, hz = 60) {
  const frameMs = 1000 / hz;
  let state = stepSchedule(initSchedule(frameMs), { type: "ready", face: 0 })[0];
  const events: DisplayEvent[] = [];
  let presentation = 0;
  const ask = () => {
    [state] = stepSchedule(state, {
      type: "show",
      presentation,
      face: 0,
      onMs: 50,
      periodMs: presentation === 0 ? null : 100,
    });
    presentation++;
  };
  ask();
  for (let frame = 0, skip = 0; presentation <= 100; frame++) {
    if (skip-- > 0) continue;
    const [next, reports] = stepSchedule(state, { type: "frame", displayMs: 1000 + frame * frameMs });
    state = next;
    for (const report of reports) {
      const { op: type, ...body } = report;
      events.push({ type, ...body, onsetServerMs: 0, uncertaintyMs: 0.5, retold: false, serverMs: 0 } as DisplayEvent);
      if (report.op !== "shown") continue;
      skip = lost[report.presentation] ?? 0;
      ask();
    }
  }
  const of = <T extends DisplayEvent["type"]>(type: T) =>
    events.filter((event): event is Extract<DisplayEvent, { type: T }> => event.type === type);
  return reportDisplay(
    { agent: "test", frameMs, screen: null, asked: { onMs: 50, periodMs: 100 } },
    of("shown"),
    of("hidden"),
  );
}

describe("S18 the report of a display", () => {
  test("a display that keeps every frame", () => {
    const report = flashes({});
    expect(report).toMatchObject({
      flashes: 100,
      planned: { onFrames: 3, periodFrames: 6 },
      dropped: { frames: 0, flashes: 0 },
      lateFlashes: 0,
      longFlashes: 0,
    });
    // 99 periods of 6 intervals, each told once; the first flash came with the first frame.
    expect(report.intervalsMs.n).toBe(99 * 6);
    expect(report.intervalsMs.sd).toBeLessThan(1e-9);
    expect(report.onsetErrorMs.max).toBeLessThan(1e-9);
    expect(report.histogram.counts.reduce((a, b) => a + b)).toBe(report.intervalsMs.n);
  });

  test("a quick display: no interval between two flashes is left out, nor a frame dropped right after an onset", () => {
    const report = flashes({ 10: 2 }, 240);
    expect(report.planned.periodFrames).toBe(24);
    expect(report.dropped).toEqual({ frames: 2, flashes: 1 });
    // Two frames dropped make one interval of three.
    expect(report.intervalsMs.n).toBe(99 * 24 - 2);
    expect(report.intervalsMs.max).toBeCloseTo(3000 / 240, 6);
  });

  test("dropped frames are counted where they were", () => {
    // Two frames missing right after flash 10: it is on for 3 frames all the same; seven after 50: it is on for too long, and 51 late.
    const report = flashes({ 10: 2, 50: 7 });
    expect(report.dropped).toEqual({ frames: 9, flashes: 2 });
    expect(report).toMatchObject({ lateFlashes: 1, longFlashes: 1 });
    expect(report.intervalsMs.max).toBeCloseTo(8000 / 60, 6);
    expect(plotIntervals(report)).toMatch(/^<svg[\s\S]*9 frames dropped[\s\S]*<\/svg>\n$/);
  });
});

test("latentloop display-test measures a headless display and writes JSON and a plot", async () => {
  const { code, stdout, stderr } = await start(
    "display-test",
    ...["--display", "headless", "--flashes", "30", "--port", "0", "--out", out, "--json"],
  ).finished;
  expect(code, stderr).toBe(0);
  const report = JSON.parse(stdout) as DisplayReport;
  expect(report).toMatchObject({ flashes: 30, planned: { onFrames: 3, periodFrames: 6 } });
  expect(JSON.parse(readFileSync(join(out, "display-test.json"), "utf8"))).toEqual(report);
  expect(readFileSync(join(out, "display-test.svg"), "utf8")).toContain("30 flashes at 60.00 Hz");
  expect(stderr).toMatch(/frames dropped: \d+/);
});

test("S15: display-test has the experiment's background, as the levels that its luminance asks for", async () => {
  const file = join(out, "gamma.yaml");
  const stimulus = "stimulus: { onMs: 50, gapMs: 50, background: 0.5 }\nresponse: { latencyMs: 80, windowMs: 200 }";
  writeFileSync(file, `name: gamma\ntrials: 1\nmodel: faces-64\nlatents: 1\n${stimulus}\nluminance: { gamma: 1.8 }\n`);
  const testing = start("display-test", "--experiment", file, "--port", "0", "--out", out);
  const [, address] = await testing.says(/open http:(\S+) in a browser/);
  const display = await rawDisplay(`ws:${address}display`);
  display.hello();
  await expect.poll(() => display.received[0]).toMatchObject({ op: "welcome" });
  testing.signal("SIGKILL");
  await testing.finished;
  // IEC 61966-2-1 at 0.5: light 0.21404, which a screen of gamma 1.8 gives at 0.21404^(1/1.8).
  const [message] = display.received;
  expect(message.op === "welcome" && message.background).toBeCloseTo(0.214041 ** (1 / 1.8), 5);
});

test("display-test says what is wrong with its options", async () => {
  const { code, stderr } = await start("display-test", "--on", "200", "--period", "100").finished;
  expect(code).toBe(2);
  expect(stderr).toContain("--on: expected at most --period (100 ms), got 200");
});
