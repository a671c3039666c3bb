import { ChildProcess, fork } from "node:child_process";
import { expect, onTestFinished, test, vi } from "vitest";
import { displayCommand } from "../../server/commands/display.ts";
import { compiledModule } from "../../server/package-root.ts";
import { random } from "../../server/random.ts";
import { forkHeadlessDisplay } from "../../server/simulated-edges.ts";
import { runHeadlessDisplay } from "../../sim/display/headless.ts";
import { nextEvents, randomFace, rawDisplay, testServer } from "./rig.ts";

test("the headless display shows every face that was asked for, in order, with its own pixels", async () => {
  const { server, events, url } = await testServer();
  const drawn: (Uint8Array | null)[] = [];
  const connected = nextEvents(server, "connected", 1);
  const display = await runHeadlessDisplay({ url, frameMs: 10, onPicture: (_picture, pixels) => drawn.push(pixels) });
  await connected;
  const { uniform } = random("headless");
  const faces = Array.from({ length: 20 }, (_, i) => randomFace(i, uniform, 8));
  const hidden = nextEvents(server, "hidden", faces.length);
  for (const face of faces) {
    server.send(face);
    const periodMs = face.face === 0 ? null : 60;
    server.send({ op: "show", presentation: face.face, face: face.face, onMs: 30, periodMs });
  }
  await hidden;
  const shown = events.filter((event) => event.type === "shown");
  expect(shown.map(({ presentation }) => presentation)).toEqual(faces.map(({ face }) => face));
  for (const [i, { frame }] of shown.entries()) if (i > 0) expect(frame - shown[i - 1].frame).toBeGreaterThanOrEqual(6);
  expect(drawn.filter((pixels) => pixels !== null)).toEqual(faces.map(({ pixels }) => pixels));
  expect(display.summary).toMatchObject({ shown: 20, faces: 20, rejected: 0, cancelled: 0 });
  await server.dispose("enough");
  expect(await display.closed).toBe("enough");
});

test("S3: a face sent twice and a message that makes no sense are told to the server", async () => {
  const { server, url } = await testServer();
  const connected = nextEvents(server, "connected", 1);
  const display = await runHeadlessDisplay({ url });
  await connected;
  const rejected = nextEvents(server, "rejected", 2);
  server.send(randomFace(1, Math.random, 2));
  server.send(randomFace(1, Math.random, 2));
  server.send({ op: "face", face: 2, width: 2, height: 2, pixels: new Uint8Array(3) });
  expect((await rejected).map(({ reason, detail }) => [reason, detail])).toEqual([
    ["by-display", "face 1 is here already"],
    ["by-display", expect.stringContaining("expected 4 * width * height bytes")],
  ]);
  await display.dispose();
});

test("S2: a refused display, and one that finds no server, say so", async () => {
  const { server, url } = await testServer();
  const connected = nextEvents(server, "connected", 1);
  (await rawDisplay(url)).hello();
  await connected;
  await expect(runHeadlessDisplay({ url })).rejects.toThrow(/turned this display away: Another display is connected/);
  await server.dispose();
  await expect(runHeadlessDisplay({ url })).rejects.toThrow(/no display server at ws:.*ECONNREFUSED/);
  await expect(runHeadlessDisplay({ url: server.url })).rejects.toThrow(/expected ws:\/\/host:port\/display/);
});

test("latentloop display runs until the server's goodbye, then says what it did", async () => {
  const { server, url } = await testServer();
  const connected = nextEvents(server, "connected", 1);
  const said = vi.spyOn(process.stderr, "write").mockReturnValue(true);
  onTestFinished(() => said.mockRestore());
  const run = displayCommand().parseAsync(["--url", url], { from: "user" });
  await connected;
  await server.dispose("the session is over");
  await run;
  expect(said.mock.calls.map(([text]) => text)).toEqual([
    `display connected to ${url}; Ctrl-C ends it\n`,
    expect.stringMatching(/^display ended: the session is over; 0 presentations shown, 0 late/),
  ]);
});

function forked(url: string) {
  const child = fork(compiledModule("sim/display/main.js"), { stdio: ["ignore", "ignore", "pipe", "ipc"] });
  child.send({ url, token: null });
  return child;
}

test("as a process of its own it ends with the server's goodbye and says what it did", async () => {
  const { server, url } = await testServer();
  const connected = nextEvents(server, "connected", 1);
  const child = forked(url);
  let said = "";
  child.stderr!.on("data", (chunk) => (said += chunk));
  const exit = new Promise((resolve) => child.once("exit", resolve));
  await connected;
  await server.dispose("the session is over");
  expect(await exit).toBe(0);
  expect(said).toMatch(/^display: the session is over; 0 presentations shown/);
});

/** What keeps this process alive, its children among it: whoever forks a display keeps it to itself. */
const handles = process as unknown as { _getActiveHandles(): object[] };

test("one that dies before it may connect is told of, and breaks nothing", async () => {
  const failed = new Promise<Error>((resolve) => {
    const display = forkHeadlessDisplay((error) => {
      // Into a channel that has gone.
      display.connect({ url: "ws://127.0.0.1:1/display", token: null });
      resolve(error);
    });
    for (const handle of handles._getActiveHandles())
      if (
        handle instanceof ChildProcess &&
        handle.spawnargs.some((argument) => argument.endsWith("sim/display/main.js"))
      )
        handle.kill("SIGKILL");
  });
  expect((await failed).message).toBe("the headless display ended in the middle of the session (SIGKILL)");
});

test("as a process of its own it goes when its parent does", async () => {
  const { server, url } = await testServer();
  const connected = nextEvents(server, "connected", 1);
  const child = forked(url);
  const exit = new Promise((resolve) => child.once("exit", resolve));
  await connected;
  const lost = nextEvents(server, "lost", 1);
  child.disconnect();
  expect(await exit).toBe(0);
  await lost;
});
