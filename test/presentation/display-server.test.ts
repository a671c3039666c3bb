import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { pack } from "../../protocols/wire/message.ts";
import { serverNow } from "../../server/clock.ts";
import { ConfigurationError } from "../../server/failure.ts";
import { openDisplayServer } from "../../server/presentation/display-server.ts";
import { hello, nextEvents, randomFace, rawDisplay, testFolder, testServer, welcome } from "./rig.ts";

async function connectedDisplay() {
  const rig = await testServer();
  const connected = nextEvents(rig.server, "connected", 1);
  const display = await rawDisplay(rig.url);
  display.hello();
  await connected;
  return { ...rig, display };
}

test("S1: hello is answered with welcome, and the display is connected once its clock is known", async () => {
  const { events, display, server } = await connectedDisplay();
  expect(display.received[0]).toEqual({ op: "welcome", v: 1, sessionId: expect.any(String), ...welcome });
  expect(display.received.filter(({ op }) => op === "ping")).toHaveLength(8);
  expect(events).toMatchObject([{ type: "connected", agent: "test", frameMs: hello.frameMs }]);
  expect(server.send({ op: "clear" })).toBe(true);
});

test("S1: nothing is sent to a display that is not connected", async () => {
  const { server, url } = await testServer();
  expect(server.send({ op: "clear" })).toBe(false);
  const display = await rawDisplay(url, { answerPings: false });
  display.hello();
  await sleep(50);
  expect(server.send({ op: "clear" })).toBe(false);
  expect(display.received.map(({ op }) => op)).toEqual(["welcome", "ping"]);
});

test("S1: a face goes out, ready and shown come back in order, the onset on the server's clock", async () => {
  const { server, events, display } = await connectedDisplay();
  const face = randomFace(3, Math.random, 4);
  const done = nextEvents(server, "hidden", 1);
  const beforeMs = serverNow();
  server.send(face);
  server.send({ op: "show", presentation: 7, face: 3, onMs: 100, periodMs: null });
  await expect.poll(() => display.received.at(-1)?.op).toBe("show");
  expect(display.received.at(-2)).toEqual({ ...face, pixels: Buffer.from(face.pixels) });
  display.send({ op: "ready", face: 3 });
  const shown = { presentation: 7, face: 3, frame: 12, displayMs: performance.now(), dropped: 0, lateFrames: 0 };
  const rest = { patch: true, dueMs: shown.displayMs, callbackLateMs: 0.5, intervalsMs: [16.7, 16.6] };
  display.send({ op: "shown", ...shown, cause: "none", ...rest });
  display.send({ op: "hidden", presentation: 7, frame: 18, displayMs: performance.now(), frames: 6, plannedFrames: 6 });
  await done;
  expect(events.map(({ type }) => type)).toEqual(["connected", "ready", "shown", "hidden"]);
  const onset = events[2] as Extract<(typeof events)[number], { type: "shown" }>;
  expect(onset).toMatchObject({ type: "shown", ...shown, cause: "none", ...rest, retold: false });
  // S10: how late in its frame the callback ran is part of it.
  expect(onset.uncertaintyMs).toBeGreaterThanOrEqual(0.5);
  // Both clocks are this process's own, so the true onset is known.
  expect(Math.abs(onset.onsetServerMs - (performance.timeOrigin + shown.displayMs))).toBeLessThanOrEqual(
    onset.uncertaintyMs + 1e-3,
  );
  expect(onset.onsetServerMs).toBeGreaterThan(beforeMs - onset.uncertaintyMs);
  expect(onset.serverMs).toBeGreaterThanOrEqual(onset.onsetServerMs - onset.uncertaintyMs);
});

test("S10: an onset that is told before it can have been is as uncertain as it is impossible", async () => {
  const { server, display } = await connectedDisplay();
  const told = nextEvents(server, "shown", 1);
  const displayMs = performance.now() + 10_000;
  const shown = { presentation: 0, face: 0, frame: 9, displayMs, dropped: 0, lateFrames: 0, cause: "none" } as const;
  display.send({ op: "shown", ...shown, patch: true, dueMs: displayMs, callbackLateMs: 0, intervalsMs: [16.7] });
  const [{ onsetServerMs, serverMs, uncertaintyMs }] = await told;
  expect(onsetServerMs).toBeGreaterThan(serverMs + 5000);
  // The interval that is stated holds the message's arrival, so the onset may well have been before it.
  expect(onsetServerMs - uncertaintyMs).toBeLessThanOrEqual(serverMs);
});

test("S2: a display of another version is refused in words", async () => {
  const { events, url } = await testServer();
  const display = await rawDisplay(url);
  display.socket.send(pack({ ...hello, v: 2 }));
  expect(await display.closed).toBe(1008);
  expect(display.received).toMatchObject([{ op: "refused", reason: "version" }]);
  expect(events).toMatchObject([{ type: "refused", reason: "version" }]);
  expect((display.received[0] as { message: string }).message).toMatch(/expected version 1, got 2.*npm run build/);
});

test("S2: a second display is refused while one is connected, and welcome once that one has gone", async () => {
  const { server, events, url, display } = await connectedDisplay();
  const second = await rawDisplay(url);
  second.hello();
  await second.closed;
  expect(second.received).toMatchObject([{ op: "refused", reason: "occupied" }]);
  expect(server.send({ op: "clear" })).toBe(true);
  const lost = nextEvents(server, "lost", 1);
  display.socket.close(1000, "done");
  expect(await lost).toMatchObject([{ reason: "done (1000)" }]);
  expect(server.send({ op: "clear" })).toBe(false);
  const connected = nextEvents(server, "connected", 1);
  (await rawDisplay(url)).hello();
  await connected;
  expect(events.map(({ type }) => type)).toEqual(["connected", "refused", "lost", "connected"]);
});

test("S2: a page that comes back before its loss was noticed takes its own place at once, nobody else does", async () => {
  const { server, events, url } = await testServer();
  const connected = nextEvents(server, "connected", 2);
  const page = await rawDisplay(url);
  page.send({ ...hello, page: "a" });
  await nextEvents(server, "connected", 1);
  // Its network is gone: nothing of it reaches the server any more, not even its end.
  page.socket.pause();
  for (const other of [{ ...hello, page: "b" }, hello]) {
    const second = await rawDisplay(url);
    second.send(other);
    await second.closed;
    expect(second.received).toMatchObject([{ op: "refused", reason: "occupied" }]);
  }
  const again = await rawDisplay(url);
  again.send({ ...hello, page: "a" });
  await connected;
  const told = events.map((event) => ("reason" in event ? `${event.type}: ${event.reason}` : event.type));
  const refused = "refused: occupied";
  expect(told).toEqual(["connected", refused, refused, "lost: the display has connected anew", "connected"]);
  expect(server.send({ op: "clear" })).toBe(true);
  await expect.poll(() => again.received.at(-1)?.op).toBe("clear");
});

test("S2: whatever comes before hello is refused", async () => {
  const { url } = await testServer();
  for (const first of ["text", pack({ op: "ready", face: 0 }), Uint8Array.of(0xc1), pack({ ...hello, frameMs: -1 })]) {
    const display = await rawDisplay(url);
    display.socket.send(first);
    await display.closed;
    expect(display.received).toMatchObject([{ op: "refused", reason: "malformed" }]);
  }
});

test("S2: a socket that says nothing is refused after 5 s", async () => {
  const { url } = await testServer();
  const display = await rawDisplay(url);
  expect(await display.closed).toBe(1008);
  expect(display.received).toMatchObject([{ op: "refused", reason: "malformed" }]);
});

test("S3: a malformed message is counted and told, and the connection goes on", async () => {
  const { server, events, display } = await connectedDisplay();
  const ready = nextEvents(server, "ready", 1);
  display.socket.send("not MessagePack");
  display.socket.send(pack({ op: "ready", face: "three" }));
  display.socket.send(pack({ op: "unheard-of" }));
  display.hello();
  display.send({ op: "pong", t0ServerMs: 12, displayMs: 1 });
  display.send({ op: "rejected", detail: "face 1 cannot be drawn" });
  display.send({ op: "ready", face: 0 });
  await ready;
  expect(events.slice(1, -1).map((event) => [event.type, (event as { reason: string }).reason])).toEqual([
    ["rejected", "malformed"],
    ["rejected", "malformed"],
    ["rejected", "malformed"],
    ["rejected", "unexpected"],
    ["rejected", "unexpected"],
    ["rejected", "by-display"],
  ]);
  expect(events[2]).toMatchObject({ detail: 'face: expected number, found "three"' });
  expect(server.rejected()).toEqual({ malformed: 3, unexpected: 2, "by-display": 1 });
});

test("a message larger than any display sends ends the connection with the reason", async () => {
  const { server, display } = await connectedDisplay();
  const lost = nextEvents(server, "lost", 1);
  display.socket.send(new Uint8Array(100_000));
  expect((await lost)[0].reason).toMatch(/max payload/i);
});

test("a display that falls silent is given up", async () => {
  const { server, url } = await testServer();
  const connected = nextEvents(server, "connected", 1);
  const display = await rawDisplay(url);
  display.hello();
  await connected;
  display.socket.pause();
  expect((await nextEvents(server, "lost", 1))[0].reason).toMatch(/no word from the display/);
});

test("a page of another site cannot take the display's place", async () => {
  const { url } = await testServer();
  await expect(rawDisplay(url, { origin: "http://elsewhere.example" })).rejects.toThrow(/403/);
  await rawDisplay(url, { origin: url.replace("ws:", "http:").replace("/display", "") });
});

test("a port in use, and an address that is not ours, are mistakes told in one line", async () => {
  const { server } = await testServer();
  const port = Number(new URL(server.url).port);
  const open = (host: string) => openDisplayServer({ host, token: "t".repeat(32), port, clientFolder: ".", welcome });
  await expect(open("127.0.0.1")).rejects.toThrow(ConfigurationError);
  await expect(open("127.0.0.1")).rejects.toThrow(`port ${port} on 127.0.0.1 is in use`);
  await expect(open("192.0.2.1")).rejects.toThrow("192.0.2.1 is not an address of this machine");
});

test("the page is served isolated; where it is not built, the answer says what to do", async () => {
  const { server } = await testServer();
  const page = await fetch(server.url);
  expect(page.headers.get("cross-origin-opener-policy")).toBe("same-origin");
  expect(page.headers.get("cross-origin-embedder-policy")).toBe("require-corp");
  expect(await page.text()).toContain("a page");
  expect((await fetch(`${server.url}nowhere`)).status).toBe(404);
  const { server: bare } = await testServer({ clientFolder: testFolder() });
  const answer = await fetch(bare.url);
  expect(answer.status).toBe(503);
  expect(await answer.text()).toContain("npm run build");
});

test("dispose says goodbye and frees the port, even under a display that does not answer", async () => {
  const { server, display } = await connectedDisplay();
  const silent = await rawDisplay(server.socketUrl);
  silent.socket.pause();
  await server.dispose("the session is over");
  await display.closed;
  expect(display.received.at(-1)).toEqual({ op: "bye", message: "the session is over" });
  const again = await testServer({ port: Number(new URL(server.url).port) });
  expect(again.server.url).toBe(server.url);
});

test("a display that comes before anyone listens is told to come again, and nothing that it says is lost", async () => {
  const server = await openDisplayServer({
    host: "127.0.0.1",
    token: null,
    port: 0,
    clientFolder: testFolder(),
    welcome,
  });
  onTestFinished(() => server.dispose());
  const early = new WebSocket(server.socketUrl);
  const [error] = (await once(early, "error")) as [Error];
  expect(error.message).toContain("503");
  server.events$.subscribe();
  const later = new WebSocket(server.socketUrl);
  await once(later, "open");
  later.close();
});

test("S3: a display that comes back tells its last onset once more; one of another session is passed over", async () => {
  const { events, display, server, url } = await connectedDisplay();
  const { sessionId } = display.received[0] as { sessionId: string };
  display.socket.close();
  const shown = {
    op: "shown",
    presentation: 7,
    face: 3,
    frame: 12,
    displayMs: performance.now() - 400,
    dropped: 0,
    lateFrames: 0,
    cause: "none",
    patch: true,
    dueMs: 0,
    callbackLateMs: 0,
    intervalsMs: [] as number[],
  } as const;
  await expect.poll(() => events.at(-1)?.type).toBe("lost");
  for (const [session, last] of [
    [sessionId, 7],
    ["another", null],
  ] as const) {
    const connected = nextEvents(server, "connected", 1);
    const again = await rawDisplay(url);
    again.send({ ...hello, last: { sessionId: session, shown } });
    expect((await connected)[0].last).toBe(last);
    again.socket.close();
    await expect.poll(() => events.at(-1)?.type).toBe("lost");
  }
  const retold = events.filter((event) => event.type === "shown");
  expect(retold).toMatchObject([{ presentation: 7, retold: true }]);
  expect(Math.abs(retold[0].onsetServerMs - (performance.timeOrigin + shown.displayMs))).toBeLessThan(50);
});

test("S17: mirrors follow: they get faces and what is shown, also those of before, and report nothing", async () => {
  const { events, display, server, url } = await connectedDisplay();
  const face = randomFace(3, Math.random, 2);
  server.send(randomFace(1, Math.random, 2));
  server.send(face);
  server.send({ op: "release", face: 1 });
  const mirror = await rawDisplay(url);
  mirror.send({ ...hello, role: "mirror" });
  await expect.poll(() => mirror.received.map(({ op }) => op)).toEqual(["welcome", "face"]);
  mirror.send({ op: "ready", face: 3 });
  server.send({ op: "show", presentation: 0, face: 3, onMs: 100, periodMs: null });
  await expect.poll(() => mirror.received.at(-1)?.op).toBe("show");
  await expect.poll(() => display.received.at(-1)?.op).toBe("show");
  mirror.socket.close();
  await mirror.closed;
  expect(events.map(({ type }) => type)).toEqual(["connected"]);
});
