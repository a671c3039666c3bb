import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { filter, firstValueFrom, take, timeout, toArray } from "rxjs";
import { onTestFinished } from "vitest";
import { WebSocket } from "ws";
import {
  type DisplayMessage,
  decodeServerMessage,
  encodeDisplayMessage,
  type ServerMessage,
} from "../../protocols/wire/display.ts";
import {
  type DisplayEvent,
  type DisplayServer,
  type DisplayServerOptions,
  openDisplayServer,
} from "../../server/presentation/display-server.ts";

export const welcome: DisplayServerOptions["welcome"] = {
  session: "test",
  width: 64,
  height: 64,
  background: 0.5,
  placement: null,
  fixation: null,
  faceFraction: 0.5,
  photodiode: { corner: "bottom-right", sizePx: 40, codeBits: 2 },
};

/** A server on a free port that goes with the test; every event it has emitted is kept. */
export async function testServer(options: Partial<DisplayServerOptions> = {}) {
  const server = await openDisplayServer({
    host: "127.0.0.1",
    token: null,
    port: 0,
    clientFolder: builtPages(),
    welcome,
    ...options,
  });
  const events: DisplayEvent[] = [];
  server.events$.subscribe((event) => events.push(event));
  onTestFinished(() => server.dispose());
  return { server, events, url: server.socketUrl };
}

/** An empty folder that goes with the test. */
export function testFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "latentloop-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** A folder with a page in it, for tests that need no real one. */
function builtPages(): string {
  const folder = testFolder();
  writeFileSync(join(folder, "index.html"), "<!doctype html><title>a page</title>");
  return folder;
}

/** The next `count` events of a type; to be asked for before what causes them. */
export const nextEvents = <Type extends DisplayEvent["type"]>(
  server: DisplayServer,
  type: Type,
  count: number,
  waitMs = 10_000,
): Promise<Extract<DisplayEvent, { type: Type }>[]> =>
  firstValueFrom(
    server.events$.pipe(
      filter((event): event is Extract<DisplayEvent, { type: Type }> => event.type === type),
      take(count),
      toArray(),
      timeout(waitMs),
    ),
  );

/** A display by hand: raw socket, every message kept, pings answered on request. */
export async function rawDisplay(
  url: string,
  { answerPings = true, origin }: { answerPings?: boolean; origin?: string } = {},
) {
  const socket = new WebSocket(url, origin === undefined ? {} : { origin });
  const received: ServerMessage[] = [];
  const closed = new Promise<number>((resolve) => socket.once("close", resolve));
  const send = (message: DisplayMessage) => socket.send(encodeDisplayMessage(message));
  socket.on("message", (data) => {
    const message = decodeServerMessage(data as Buffer);
    if (!message.ok) throw new Error(message.detail);
    received.push(message.value);
    if (message.value.op === "ping" && answerPings) {
      send({ op: "pong", t0ServerMs: message.value.t0ServerMs, displayMs: performance.now() });
    }
  });
  onTestFinished(() => socket.terminate());
  await new Promise((resolve, reject) => {
    socket.once("open", resolve);
    socket.once("error", reject);
  });
  return { socket, received, closed, send, hello: () => send(hello) };
}

export const hello = {
  op: "hello",
  v: 1,
  agent: "test",
  frameMs: 1000 / 60,
  unsteady: 0,
  role: "stimulus",
  last: null,
} as const;

/** A face of random pixels, opaque. */
export function randomFace(face: number, uniform: () => number, side = 64): Extract<ServerMessage, { op: "face" }> {
  const pixels = Uint8Array.from({ length: 4 * side * side }, (_, i) =>
    i % 4 === 3 ? 255 : Math.floor(256 * uniform()),
  );
  return { op: "face", face, width: side, height: side, pixels };
}
