import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { Agent, type ClientRequestArgs, type IncomingMessage, request } from "node:http";
import { connect } from "node:net";
import { hostname } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { clientPages } from "../../server/presentation/client-pages.ts";
import { createGuard } from "../../server/security/guard.ts";
import { MAX_WAITING_BYTES, openWebServer, type WebServerOptions } from "../../server/security/web-server.ts";
import { testFolder } from "../presentation/rig.ts";

const token = "correct-horse-battery-staple-0123456789";

/** A server with one page and an attendant that echoes, on a free port; goes with the test. */
async function webServer(options: Partial<WebServerOptions> = {}) {
  const folder = testFolder();
  writeFileSync(join(folder, "index.html"), "<!doctype html><title>a page</title>");
  const attended: WebSocket[] = [];
  const server = await openWebServer({
    host: "127.0.0.1",
    token: null,
    port: 0,
    pages: clientPages(folder),
    sockets: {
      "/echo": {
        attend(socket) {
          attended.push(socket);
          socket.on("message", (data) => socket.send(data));
          socket.on("error", () => {});
        },
      },
    },
    ...options,
  });
  onTestFinished(() => server.dispose(() => {}));
  return { ...server, attended };
}

/** Status, headers and text of an answer; unlike `fetch`, any Host and any path go out as they are. */
async function ask(port: number, options: ClientRequestArgs = {}) {
  const sent = request({ host: "127.0.0.1", port, ...options }).end();
  const [answer] = (await once(sent, "response")) as [IncomingMessage];
  let text = "";
  for await (const chunk of answer) text += chunk;
  return { status: answer.statusCode, headers: answer.headers, text };
}

/** Opens a socket; the status that turned it away, or 101. */
async function upgrade(port: number, headers: Record<string, string> = {}, path = "/echo") {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, { headers });
  onTestFinished(() => socket.terminate());
  const status = await new Promise<number>((resolve, reject) => {
    socket.once("open", () => resolve(101));
    socket.once("unexpected-response", (_request, answer) => resolve(answer.statusCode!));
    socket.once("error", reject);
  });
  return { socket, status };
}

test("N1: no server listens to other machines without a token", () => {
  for (const host of ["0.0.0.0", "::", "192.168.1.5", "rig-pc"])
    expect(() => createGuard({ host, token: null })).toThrow("expected a token");
  for (const host of ["127.0.0.1", "::1", "localhost", "127.1.2.3"]) createGuard({ host, token: null });
});

test("N1: all that listens is made in one place, where the guard is", () => {
  const makers = readdirSync("server", { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .filter((path) =>
      /\b(createServer|createSecureServer|WebSocketServer)\b/.test(readFileSync(join("server", path), "utf8")),
    );
  expect(makers).toEqual(["security/web-server.ts"]);
});

test("N2: a name that is not this machine's is turned away, from pages and sockets (DNS rebinding)", async () => {
  const { port } = await webServer();
  for (const Host of ["evil.example", `evil.example:${port}`, "localhost.evil.example", "127.0.0.1.evil.example"]) {
    expect(await ask(port, { headers: { Host } })).toMatchObject({ status: 403 });
    expect((await upgrade(port, { Host })).status).toBe(403);
  }
  for (const Host of ["127.0.0.1", "localhost:8470", "[::1]:9", "LOCALHOST", "localhost."])
    expect(await ask(port, { headers: { Host } })).toMatchObject({ status: 200 });
  expect((await ask(port, { headers: { Host: "a/b@c" } })).status).toBe(400);
});

test("N2: where other machines may come, this machine's own name is known, and those that were given", async () => {
  const { port } = await webServer({ host: "0.0.0.0", token, names: ["Rig.Lab.example"] });
  for (const Host of [hostname(), "192.168.1.5:8470", "rig.lab.example"])
    expect(await ask(port, { headers: { Host } })).toMatchObject({ status: 200 });
  const { status, text } = await ask(port, { headers: { Host: "evil.example" } });
  expect([status, text]).toEqual([
    403,
    expect.stringMatching(/expected this machine's .*got evil\.example; --allow-host/),
  ]);
});

test("N3: a page of another origin opens no socket and enters nowhere", async () => {
  const { port } = await webServer({ host: "0.0.0.0", token });
  const mine = { Authorization: `Bearer ${token}` };
  for (const Origin of ["http://evil.example", "null", "http://127.0.0.1", "file://", `ftp://127.0.0.1:${port}`]) {
    expect((await upgrade(port, { ...mine, Origin })).status).toBe(403);
    const entry = await ask(port, { path: "/enter", method: "POST", headers: { ...mine, Origin } });
    expect(entry).toMatchObject({ status: 403 });
    expect(entry.headers).not.toHaveProperty("set-cookie");
  }
  expect((await upgrade(port, { ...mine, Origin: `http://127.0.0.1:${port}` })).status).toBe(101);
});

test("N4: sockets ask for the token; no other is as good, and none counts in an address", async () => {
  const { port, attended } = await webServer({ host: "0.0.0.0", token });
  const wrong = ["", "x", token.slice(1), `${token}x`, token.toUpperCase(), "ü".repeat(39)];
  expect((await upgrade(port)).status).toBe(401);
  expect((await upgrade(port, {}, `/echo?token=${token}`)).status).toBe(401);
  for (const other of wrong) {
    const header = encodeURIComponent(other);
    expect((await upgrade(port, { Authorization: `Bearer ${header}` })).status).toBe(401);
    expect((await upgrade(port, { Cookie: `latentloop-${port}=${header}` })).status).toBe(401);
  }
  // The token itself is no cookie: what a browser keeps does not open anything else.
  expect((await upgrade(port, { Cookie: `latentloop-${port}=${token}` })).status).toBe(401);
  expect(attended).toHaveLength(0);
  expect((await upgrade(port, { Authorization: `Bearer ${token}` })).status).toBe(101);
});

test("N4: a page that shows the token is given a cookie that scripts can't read and other sites don't send", async () => {
  const { port } = await webServer({ host: "0.0.0.0", token });
  expect((await ask(port, { path: "/enter", method: "POST" })).status).toBe(401);
  expect((await ask(port, { path: "/enter", headers: { Authorization: `Bearer ${token}` } })).status).toBe(405);
  const entry = await ask(port, { path: "/enter", method: "POST", headers: { Authorization: `Bearer ${token}` } });
  expect(entry.status).toBe(204);
  const [cookie] = entry.headers["set-cookie"]!;
  expect(cookie).toMatch(/; HttpOnly; SameSite=Strict; Path=\//);
  expect(cookie).not.toContain(token);
  expect((await upgrade(port, { Cookie: `theme=dark; ${cookie.split(";")[0]}` })).status).toBe(101);
});

test("N4: on the loopback nothing is asked for", async () => {
  const { port } = await webServer();
  expect((await ask(port, { path: "/enter", method: "POST" })).status).toBe(204);
  expect((await upgrade(port)).status).toBe(101);
});

test("N5: a message beyond 64 KiB ends its sender's connection, and nobody hears it", async () => {
  const { port, attended } = await webServer();
  const { socket } = await upgrade(port);
  let heard = 0;
  attended[0].on("message", () => heard++);
  socket.send(new Uint8Array(2 ** 16));
  await once(socket, "message");
  socket.send(new Uint8Array(2 ** 16 + 1));
  expect((await once(socket, "close"))[0]).toBe(1009);
  expect(heard).toBe(1);
});

test("N5: a flood of messages ends its sender's connection; another goes on", async () => {
  const { port, attended } = await webServer();
  const { socket: calm } = await upgrade(port);
  const { socket } = await upgrade(port);
  let heard = 0;
  attended[1].on("message", () => heard++);
  for (let i = 0; i < 20_000; i++) socket.send("x");
  const [code, reason] = (await once(socket, "close")) as [number, Buffer];
  expect([code, String(reason)]).toEqual([1008, "too many messages"]);
  // The burst, and what a second or two more allow.
  expect(heard).toBeGreaterThanOrEqual(4000);
  expect(heard).toBeLessThan(15_000);
  calm.send("still here");
  expect(String((await once(calm, "message"))[0])).toBe("still here");
});

test("N5: a flood of requests is answered with 429, sockets included", async () => {
  const { port } = await webServer();
  const agent = new Agent({ keepAlive: true, maxSockets: 20 });
  onTestFinished(() => agent.destroy());
  const flood = (requests: number) =>
    Promise.all(Array.from({ length: requests }, () => ask(port, { agent }).then(({ status }) => status)));
  const statuses = await flood(400);
  expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(200);
  expect(statuses).toContain(429);
  // Wrong tokens count among them: guessing is no faster.
  await flood(100);
  expect((await upgrade(port)).status).toBe(429);
});

test("N6: a reader for whom too much waits is cut off, and its memory comes back", async () => {
  const { port, attended } = await webServer();
  const { socket } = await upgrade(port);
  socket.pause();
  const chunk = new Uint8Array(2 ** 20);
  const [server] = attended;
  for (let i = 0; i < 70; i++) server.send(chunk);
  expect(server.bufferedAmount).toBeGreaterThan(MAX_WAITING_BYTES);
  const [code] = await once(server, "close");
  expect(code).toBe(1006);
  expect(server.readyState).toBe(WebSocket.CLOSED);
});

test("N6: a request that never ends is cut off", async () => {
  const { port } = await webServer();
  const socket = connect(port, "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  socket.write("GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ");
  socket.resume();
  await once(socket, "close");
});

test("N7: every answer has the headers, whatever it says", async () => {
  const { port } = await webServer({ host: "0.0.0.0", token });
  const answers = await Promise.all([
    ask(port),
    ask(port, { path: "/nowhere" }),
    ask(port, { method: "DELETE" }),
    ask(port, { headers: { Host: "evil.example" } }),
    ask(port, { path: "/enter", method: "POST" }),
  ]);
  expect(answers.map(({ status }) => status)).toEqual([200, 404, 405, 403, 401]);
  for (const { headers } of answers) {
    expect(headers["content-security-policy"]).toMatch(
      /default-src 'none'; script-src 'self';.*frame-ancestors 'none'/,
    );
    expect(headers).toMatchObject({
      "x-content-type-options": "nosniff",
      "x-frame-options": "DENY",
      "referrer-policy": "no-referrer",
      "cross-origin-resource-policy": "same-origin",
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-embedder-policy": "require-corp",
    });
    expect(JSON.stringify(headers)).not.toContain(token);
  }
});

test("N8: no path leads out of the pages' folder", async () => {
  const { port } = await webServer();
  const up = ["../", "..%2f", "%2e%2e/", "..\\", "....//", "%2e%2e%2f", "..%5c", "/"];
  const paths = up.flatMap((step) => [
    `/${step.repeat(8)}etc/passwd`,
    `/x/${step.repeat(8)}etc/passwd`,
    `/${step}package.json`,
  ]);
  for (const path of [...paths, "/index.html%00.png", "/%", "/.%00./etc/passwd"]) {
    const { status, text } = await ask(port, { path });
    expect([path, status]).toEqual([path, expect.toSatisfy((code) => code === 404 || code === 400)]);
    expect(text).not.toMatch(/root:|latentloop"/);
  }
});
