import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { expect, onTestFinished, test } from "vitest";
import { packageRoot } from "../../server/package-root.ts";
import type { DisplayServer } from "../../server/presentation/display-server.ts";
import { random } from "../../server/random.ts";
import { faceBox } from "../../stimulus-client/layout.ts";
import { nextEvents, randomFace, testServer, welcome } from "../presentation/rig.ts";
import { launchChromium } from "./chromium.ts";
import { type At, differing, screenshot } from "./screen.ts";
import { sharedChromium } from "./shared.ts";

const viewport = { width: 800, height: 600 };
const clientFolder = join(packageRoot, "dist", "client");

const browser = sharedChromium();

/** A page that has opened the server's address, its errors collected. */
async function openPage(url: string) {
  const page = await browser().newPage({ viewport });
  onTestFinished(() => page.close());
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(error.message));
  await page.goto(url);
  return { page, errors };
}

async function connectedPage() {
  const { server, events } = await testServer({ clientFolder });
  const connected = nextEvents(server, "connected", 1, 30_000);
  const { page, errors } = await openPage(server.url);
  const [{ frameMs }] = await connected;
  return { server, events, page, errors, frameMs };
}

/** Whether letters can be seen in the middle of the screen: words in the page are no words on the screen without a font. */
const inkIn = ({ at }: { at: At }) =>
  Array.from({ length: 80 * 40 }, (_, i) => at(360 + (i % 80), 280 + Math.floor(i / 80))[0]).some(
    (level) => Math.abs(level - at(5, 5)[0]) > 40,
  );

/** A way to the server that can be cut, for both to notice or for the page alone. */
async function openCable(target: number) {
  const sockets = new Set<Socket>();
  const pages = new Set<Socket>();
  let whole = true;
  const proxy = createServer((near) => {
    if (!whole) return near.destroy();
    const far = connect(target, "127.0.0.1");
    pages.add(near);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ]) {
      sockets.add(from);
      from.on("error", () => to.destroy()).on("close", () => to.destroy());
      from.pipe(to);
    }
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const pull = () => {
    whole = false;
    for (const socket of sockets) socket.destroy();
  };
  onTestFinished(() => {
    pull();
    proxy.close();
  });
  const unplugPage = () => {
    for (const near of pages) near.removeAllListeners("close").unpipe().destroy();
  };
  return { port: (proxy.address() as AddressInfo).port, pull, plugIn: () => (whole = true), unplugPage };
}

const notice = (page: Page) => page.locator("#notice");

async function showForLong(server: DisplayServer, face: number, presentation: number) {
  const shown = nextEvents(server, "shown", 1);
  server.send({ op: "show", presentation, face, onMs: 60_000, periodMs: null });
  return (await shown)[0];
}

test("S9: every pixel of a face is on the screen exactly as it was sent", async () => {
  const { server, page, errors, events } = await connectedPage();
  const face = randomFace(0, random("pixels").uniform);
  server.send(face);
  server.send({
    op: "readout",
    state: "running",
    trial: 12,
    trials: 400,
    trialsPerMin: 58.31,
    bestUnit: { unit: "ch3u1", latent: "z5", share: 0.62 },
  });
  await showForLong(server, 0, 0);
  const { at, info } = await screenshot(page, "face");
  expect(info).toMatchObject(viewport);
  const box = faceBox(face, viewport, welcome.faceFraction);
  expect(box.width).toBe(4 * face.width);
  expect(differing(at, face, box)).toBe(0);
  // 0.5 of 255, rounded, all around; S12: the patch is white after the first onset.
  for (const [x, y] of [
    [box.x - 1, 300],
    [box.x + box.width, 300],
    [400, box.y - 1],
    [400, box.y + box.height],
    [5, 5],
  ])
    expect(at(x, y)).toEqual([128, 128, 128]);
  expect(at(795, 595)).toEqual([255, 255, 255]);
  // The bits of presentation 0, and beyond them the background.
  expect([at(759, 595), at(719, 595), at(679, 595)].map(([grey]) => grey)).toEqual([0, 0, 128]);

  expect(await page.locator("#readout").textContent()).toBe(
    "trial 12 of 400 · 58.3 a minute · best known: ch3u1 on z5 (62 %)",
  );
  const hidden = nextEvents(server, "hidden", 1);
  server.send({ op: "clear" });
  server.send({ op: "release", face: 0 });
  await hidden;
  const after = await screenshot(page, "background");
  expect(after.at(400, 300)).toEqual([128, 128, 128]);
  // S12: the patch changes at onsets only, so it is white still; black after the second.
  expect(after.at(795, 595)).toEqual([255, 255, 255]);
  server.send({ ...face, face: 1 });
  await showForLong(server, 1, 1);
  const second = await screenshot(page, "second");
  expect(second.at(795, 595)).toEqual([0, 0, 0]);
  expect([second.at(759, 595), second.at(719, 595)].map(([grey]) => grey)).toEqual([255, 0]);
  expect(errors).toEqual([]);
  expect(events.filter(({ type }) => type === "rejected")).toEqual([]);
});

test("S9: faces of any size and shape, on a screen that changes its size", async () => {
  const { server, page, errors } = await connectedPage();
  const faces = [
    randomFace(0, random("big").uniform, 128),
    { ...randomFace(1, random("flat").uniform, 64), width: 128, height: 32 },
  ];
  for (const [presentation, face] of faces.entries()) {
    server.send(face);
    await showForLong(server, face.face, presentation);
    for (const size of [viewport, { width: 1031, height: 777 }]) {
      await page.setViewportSize(size);
      const box = faceBox(face, size, welcome.faceFraction);
      const corner = (x: number, y: number) => [
        ...face.pixels.subarray(4 * (y * face.width + x), 4 * (y * face.width + x) + 3),
      ];
      await expect
        .poll(async () => {
          const { at } = await screenshot(page, `face-${presentation}`);
          return [at(box.x, box.y), at(box.x + box.width - 1, box.y + box.height - 1), at(box.x - 1, box.y)];
        })
        .toEqual([corner(0, 0), corner(face.width - 1, face.height - 1), [128, 128, 128]]);
    }
    server.send({ op: "clear" });
  }
  expect(errors).toEqual([]);
});

test("S9: on a screen scaled by its system, a face is exact in device pixels", async () => {
  // Emulated scaling would leave the page's device pixels as they were: the browser itself must be scaled.
  const scaled = await launchChromium(["--force-device-scale-factor=1.5"]);
  onTestFinished(() => scaled.close());
  const { server } = await testServer({ clientFolder });
  const connected = nextEvents(server, "connected", 1, 30_000);
  const page = await scaled.newPage({ viewport: null });
  await page.goto(server.url);
  await connected;
  expect(await page.evaluate(() => devicePixelRatio)).toBe(1.5);
  const face = randomFace(0, random("scaled").uniform);
  server.send(face);
  await showForLong(server, 0, 0);
  const { at, info } = await screenshot(page, "scaled");
  expect(info.width).toBe(await page.evaluate(() => Math.round(1.5 * innerWidth)));
  expect(differing(at, face, faceBox(face, info, welcome.faceFraction))).toBe(0);
});

test("the pointer is hidden, and f fills the screen", async () => {
  const { page } = await connectedPage();
  expect(await page.evaluate(() => getComputedStyle(document.querySelector("canvas")!).cursor)).toBe("none");
  await page.keyboard.press("f");
  await expect.poll(() => page.evaluate(() => document.fullscreenElement !== null)).toBe(true);
});

test("S10: the page is isolated, so its clock is fine, and measures its own frames", async () => {
  const { page, frameMs } = await connectedPage();
  expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
  // Any real screen is between 20 and 500 Hz.
  expect(frameMs).toBeGreaterThan(2);
  expect(frameMs).toBeLessThan(50);
});

test("S4 to S7: sixty faces at five a second are all accounted for, in order", async () => {
  const { server, events, page, errors, frameMs } = await connectedPage();
  const { uniform } = random("sixty");
  const faces = Array.from({ length: 60 }, (_, i) => randomFace(i, uniform));
  const hidden = nextEvents(server, "hidden", 60, 40_000);
  for (const [i, face] of faces.entries()) {
    server.send(face);
    server.send({ op: "show", presentation: i, face: i, onMs: 100, periodMs: i === 0 ? null : 200 });
  }
  await hidden;
  const numbers = (type: "ready" | "shown" | "hidden") =>
    events.flatMap((event) => (event.type !== type ? [] : event.type === "ready" ? event.face : event.presentation));
  const inOrder = Array.from({ length: 60 }, (_, i) => i);
  expect(numbers("ready")).toEqual(inOrder);
  expect(numbers("shown")).toEqual(inOrder);
  expect(numbers("hidden")).toEqual(inOrder);
  const shown = events.filter((event) => event.type === "shown");
  const [on, period] = [100, 200].map((ms) => Math.round(ms / frameMs));
  for (const [i, { frame, lateFrames, cause }] of shown.entries()) {
    if (i > 0) expect(frame - shown[i - 1].frame).toBe(period + lateFrames);
    expect(lateFrames > 0).toBe(cause !== "none");
  }
  for (const { frames } of events.filter((event) => event.type === "hidden")) expect(frames).toBeGreaterThanOrEqual(on);
  expect(errors).toEqual([]);
  expect(await page.locator("#readout").textContent()).toMatch(/^connected · \d+\.\d Hz/);

  const worst = (values: number[]) => Math.max(...values);
  console.info(
    `frame ${frameMs.toFixed(2)} ms; late ${shown.filter(({ lateFrames }) => lateFrames > 0).length} of 60; ` +
      `frames dropped ${shown.reduce((sum, { dropped }) => sum + dropped, 0)}; ` +
      `onset known to within ${worst(shown.map(({ uncertaintyMs }) => uncertaintyMs)).toFixed(2)} ms; ` +
      `told within ${worst(shown.map(({ serverMs, onsetServerMs }) => serverMs - onsetServerMs)).toFixed(1)} ms`,
  );
});

test("S2: a second page is turned away in words and does not keep knocking", async () => {
  const { server, events } = await connectedPage();
  const refused = nextEvents(server, "refused", 1);
  const { page } = await openPage(server.url);
  await refused;
  await expect
    .poll(() => notice(page).textContent())
    .toMatch(/turned away.*Another display is connected.*Close that one/s);
  expect(inkIn(await screenshot(page, "refused"))).toBe(true);
  await page.waitForTimeout(2500);
  expect(events.filter(({ type }) => type === "refused")).toHaveLength(1);
});

test("S3: after a reload, and after the server has been away, the page connects again", async () => {
  const { server, events, page } = await connectedPage();
  await screenshot(page, "waiting");
  server.send(randomFace(0, Math.random));
  await showForLong(server, 0, 0);
  const reconnected = nextEvents(server, "connected", 1, 30_000);
  await page.reload();
  await reconnected;
  // The page knows, over a reload, what it has shown: it tells so, and the server will not have it shown again.
  const told = events.filter(({ type }) => ["connected", "ready", "shown", "lost"].includes(type));
  expect(told.map((event) => (event.type === "shown" ? `shown ${event.retold}` : event.type))).toEqual([
    "connected",
    "ready",
    "shown false",
    "lost",
    "connected",
    "shown true",
  ]);
  const [first, again] = events.filter((event) => event.type === "shown");
  // The page's clock began anew with the load; the onset is told on the same server clock.
  expect(Math.abs(first.onsetServerMs - again.onsetServerMs)).toBeLessThan(50);

  await server.dispose("the experiment is done");
  await expect.poll(() => notice(page).textContent()).toMatch(/session has ended: the experiment is done/);
  const { server: next } = await testServer({ clientFolder, port: Number(new URL(server.url).port) });
  await nextEvents(next, "connected", 1);
  await expect.poll(() => notice(page).textContent()).toBe("");
});

test("S3, S6: where the connection breaks, the face goes, the page says so and connects again", async () => {
  const { server } = await testServer({ clientFolder });
  const cable = await openCable(Number(new URL(server.url).port));
  const connected = nextEvents(server, "connected", 1, 30_000);
  const { page } = await openPage(`http://127.0.0.1:${cable.port}/`);
  await connected;
  server.send(randomFace(0, Math.random));
  await showForLong(server, 0, 0);
  cable.pull();
  await expect.poll(() => notice(page).textContent()).toMatch(/No connection to the server at 127.0.0.1/);
  const lost = await screenshot(page, "lost");
  expect(lost.at(275, 175)).toEqual([128, 128, 128]);
  expect(inkIn(lost)).toBe(true);
  // S12: a patch that changed now would look like an onset.
  expect(lost.at(795, 595)).toEqual([255, 255, 255]);
  const again = nextEvents(server, "connected", 1);
  cable.plugIn();
  await again;
  // The faces of the lost connection are forgotten: the same number may come with other pixels.
  const other = randomFace(0, Math.random);
  server.send(other);
  await showForLong(server, 0, 0);
  const { at } = await screenshot(page, "again");
  expect(at(272, 172)).toEqual([...other.pixels.subarray(0, 3)]);
  expect(at(795, 595)).toEqual([0, 0, 0]);
});

test("S2, S14: a page that loses its connection while hidden is back before the server has missed it, and says that it is hidden", async () => {
  const { server, events } = await testServer({ clientFolder });
  const cable = await openCable(Number(new URL(server.url).port));
  const connected = nextEvents(server, "connected", 1, 30_000);
  const { page } = await openPage(`http://127.0.0.1:${cable.port}/`);
  await connected;
  await expect.poll(() => events.at(-1)).toMatchObject({ type: "visibility", visible: true });
  await page.evaluate(() => Object.defineProperty(document, "visibilityState", { value: "hidden" }));
  const again = nextEvents(server, "visibility", 1);
  cable.unplugPage();
  expect(await again).toMatchObject([{ visible: false }]);
  expect(events.flatMap((event) => (event.type === "lost" ? [event.reason] : []))).toEqual([
    "the display has connected anew",
  ]);
});

test("S16: keys at the display pause, resume and end the session, and test the patch", async () => {
  const { server, events, page } = await connectedPage();
  const commands = () => events.flatMap((event) => (event.type === "command" ? [event.command] : []));
  await page.keyboard.press("p");
  await expect.poll(commands).toEqual(["pause"]);
  server.send({ op: "readout", state: "paused", trial: 1, trials: 2, trialsPerMin: 0, bestUnit: null });
  await expect.poll(() => page.locator("#readout").textContent()).toMatch(/^paused/);
  await page.keyboard.press("p");
  await page.keyboard.press("q");
  await expect.poll(() => page.locator("#readout").textContent()).toMatch(/once more/);
  expect(commands()).toEqual(["pause", "resume"]);
  await page.keyboard.press("q");
  await expect.poll(commands).toEqual(["pause", "resume", "abort"]);
  const patch = async () => (await screenshot(page, "patch")).at(795, 595)[0];
  expect(await patch()).toBe(0);
  await page.keyboard.press("t");
  await expect.poll(patch).toBe(255);
  await page.keyboard.press("t");
  await expect.poll(patch).toBe(0);
});

test("S14: a face of 6 degrees, off the centre, with a fixation spot over it; the page says how large it really is", async () => {
  // 40 cm over 800 pixels at 57.3 cm: a degree is 1 cm, 20 pixels.
  const placement = { widthCm: 40, distanceCm: 57.3, sizeDeg: 6, xDeg: 5, yDeg: 2 };
  const { server } = await testServer({
    clientFolder,
    welcome: { ...welcome, placement, fixation: { sizeDeg: 0.5, sizePx: null, level: 0 } },
  });
  const told = nextEvents(server, "geometry", 1, 30_000);
  const { page } = await openPage(server.url);
  // 6 degrees are 120.06 pixels: twice 64 is nearest, which is 6.4 degrees.
  const [geometry] = await told;
  expect(geometry).toMatchObject({ ...{ widthPx: 800, heightPx: 600 }, facePx: 128 });
  expect(geometry.faceDeg).toBeCloseTo(6.396, 2);
  const face = randomFace(0, random("placed").uniform);
  server.send(face);
  await showForLong(server, 0, 0);
  const { at } = await screenshot(page, "placed");
  const box = faceBox(face, viewport, welcome.faceFraction, placement);
  // 57.3 · tan 5° = 5.013 cm, 100.3 pixels to the right; 57.3 · tan 2° = 2.001 cm, 40 pixels up.
  expect(box).toEqual({ x: 336 + 100, y: 236 - 40, width: 128, height: 128 });
  expect(differing(at, face, box)).toBe(0);
  expect(at(400, 300)).toEqual([0, 0, 0]);
  expect(at(400, 310)).toEqual([128, 128, 128]);
});

test("S17: a mirror shows what the display shows", async () => {
  const { server, page } = await connectedPage();
  const face = randomFace(0, random("mirrored").uniform);
  server.send(face);
  const mirror = await openPage(`${server.url}?mirror`);
  await mirror.page.locator("#readout", { hasText: /^mirror/ }).waitFor();
  await showForLong(server, 0, 0);
  const box = faceBox(face, viewport, welcome.faceFraction);
  await expect.poll(async () => differing((await screenshot(mirror.page, "mirror")).at, face, box)).toBe(0);
  expect(differing((await screenshot(page, "mirrored")).at, face, box)).toBe(0);
});

test("the calibration page shows a ruler's square and a bar of levels, and goes with the first face", async () => {
  const placement = { widthCm: 40, distanceCm: 57.3, sizeDeg: 6, xDeg: 0, yDeg: 0 };
  const { server } = await testServer({ clientFolder, welcome: { ...welcome, placement } });
  const connected = nextEvents(server, "connected", 1, 30_000);
  const { page } = await openPage(server.url);
  await connected;
  await page.keyboard.press("c");
  await expect.poll(() => page.locator("#calibration p").textContent()).toMatch(/800 × 600 pixels on 40 cm/);
  // 10 cm of 40 cm are a quarter of 800 pixels, and a pixel of border on either side.
  expect((await page.locator("#calibration .square").first().boundingBox())?.width).toBeCloseTo(202, 0);
  await screenshot(page, "calibration");
  server.send(randomFace(0, Math.random));
  await showForLong(server, 0, 0);
  expect(await page.locator("#calibration").isHidden()).toBe(true);
});
