import { once } from "node:events";
import { expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import {
  type DashboardMessage,
  type NowMessage,
  type SessionInfo,
  WATCH_PATH,
} from "../../protocols/wire/dashboard.ts";
import { pack, unpack } from "../../protocols/wire/message.ts";
import { createWatchers } from "../../server/dashboard/watchers.ts";
import { testServer } from "../presentation/rig.ts";

/** Watchers of a session in which `lines` lines have been said; the state is made anew at every call. */
async function watched(lines = 0) {
  const log = Array.from({ length: lines }, (_, n) => ({
    n,
    serverMs: n,
    kind: "session" as const,
    text: `line ${n}`,
  }));
  const calls = { made: 0, watched: [] as boolean[], looked: [] as string[][] };
  const watchers = createWatchers({
    info: { name: "test" } as SessionInfo,
    now: (n) => {
      calls.made++;
      return { op: "now", n, readBack: null } as unknown as NowMessage;
    },
    logFrom: (n) => log.slice(n),
    seriesFrom: () => [],
    pictures: () => new Map([[7, { width: 1, height: 1, pixels: new Uint8Array(4) }]]),
    watched: (any) => calls.watched.push(any),
    looked: (units) => calls.looked.push([...units]),
  });
  const { url } = await testServer({ others: { [WATCH_PATH]: { attend: watchers.attend } } });
  const page = async (seen: boolean) => {
    const socket = new WebSocket(url.replace("/display", WATCH_PATH));
    onTestFinished(() => socket.terminate());
    const received: DashboardMessage[] = [];
    socket.on("message", (data: Buffer) => {
      const message = unpack(data);
      if (!message.ok) throw new Error(message.detail);
      received.push(message.value as DashboardMessage);
      const { op, n } = message.value as NowMessage;
      if (seen && op === "now") socket.send(pack({ v: 1, op: "seen", n }));
    });
    await once(socket, "open");
    const nows = () => received.filter((message) => message.op === "now");
    return { socket, received, nows };
  };
  return { watchers, calls, page, log };
}

const until = async (true_: () => boolean) => {
  while (!true_()) await new Promise((resolve) => setTimeout(resolve, 5));
};

test("D1: a page is told of the session, then how things are as long as it says it has seen it", async () => {
  const { page, calls } = await watched();
  const quick = await page(true);
  const slow = await page(false);
  await until(() => quick.nows().length >= 5);
  expect(quick.received[0]).toMatchObject({ op: "hello", v: 1, session: { name: "test" } });
  // One that says nothing is sent nothing more, and holds nobody up.
  expect(slow.nows()).toHaveLength(1);
  expect(quick.nows().map(({ n }) => n)).toEqual([...quick.nows().map(({ n }) => n)].sort((a, b) => a - b));
  expect(calls.watched).toEqual([true]);
});

test("D2: a page that comes late gets every line and picture once, in order, in parts", async () => {
  const { page } = await watched(700);
  const { nows } = await page(true);
  await until(() => nows().length >= 4);
  expect(nows().flatMap(({ log }) => log.map(({ n }) => n))).toEqual(Array.from({ length: 700 }, (_, n) => n));
  expect(nows().flatMap(({ faces }) => faces.map(({ face }) => face))).toEqual([7]);
});

test("D3: nobody is told anything once the last page has gone, and the units looked at are known", async () => {
  const { page, calls } = await watched();
  const { socket, nows } = await page(true);
  socket.send(pack({ v: 1, op: "look", unit: "b" }));
  await until(() => nows().length >= 2 && calls.looked.length > 0);
  expect(calls.looked.at(-1)).toEqual(["b"]);
  socket.close();
  await until(() => calls.watched.length === 2);
  expect(calls.watched).toEqual([true, false]);
  expect(calls.looked.at(-1)).toEqual([]);
  const { made } = calls;
  await new Promise((resolve) => setTimeout(resolve, 250));
  expect(calls.made).toBe(made);
});

test("D4: a message that can't be read ends the page's connection with the reason", async () => {
  const { page } = await watched();
  const { socket } = await page(true);
  socket.send(pack({ v: 1, op: "dance" }));
  const [code, reason] = (await once(socket, "close")) as [number, Buffer];
  expect(code).toBe(1002);
  expect(reason.toString()).toContain("op");
});
