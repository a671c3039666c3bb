import { hostname } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { packageRoot } from "../../server/package-root.ts";
import { nextEvents, testServer } from "../presentation/rig.ts";
import { sharedChromium } from "./shared.ts";

const clientFolder = join(packageRoot, "dist", "client");
const token = "correct-horse-battery-staple-0123456789";

const browser = sharedChromium([`--host-resolver-rules=MAP ${hostname()} 127.0.0.1`]);

test("N4: the address with the token lets a page in, also after a reload; the token stays in no address and in reach of no script", async () => {
  const { server } = await testServer({ clientFolder, host: "0.0.0.0", token });
  const page = await browser().newPage();
  onTestFinished(() => page.close());
  const violations: string[] = [];
  page.on("console", (message) => {
    if (message.text().includes("Content Security Policy")) violations.push(message.text());
  });
  const requested: string[] = [];
  page.on("request", (request) => requested.push(request.url()));

  const connected = nextEvents(server, "connected", 1, 30_000);
  await page.goto(`${server.url}#token=${token}`);
  await connected;
  expect(page.url()).toBe(server.url);
  expect(await page.evaluate("document.cookie")).toBe("");

  const again = nextEvents(server, "connected", 1, 30_000);
  await page.reload();
  await again;
  expect(requested.filter((url) => url.includes(token) && !url.includes("#"))).toEqual([]);
  // N7: PixiJS draws under the policy.
  expect(violations).toEqual([]);
});

test("N4: a page without the token says what to do, and comes in by itself once another page has shown it", async () => {
  const { server } = await testServer({ clientFolder, host: "0.0.0.0", token });
  const context = await browser().newContext();
  onTestFinished(() => context.close());
  const page = await context.newPage();
  await page.goto(server.url);
  await page.locator("#notice", { hasText: "open the address that the server printed" }).waitFor();
  const connected = nextEvents(server, "connected", 1, 30_000);
  const other = await context.newPage();
  await other.goto(`${server.url}?mirror#token=${token}`);
  await page.bringToFront();
  await connected;
});

test("N3: a page of another site can neither open a socket nor enter, though its browser has the cookie", async () => {
  const { server, events } = await testServer({ clientFolder, host: "0.0.0.0", token });
  const { server: elsewhere } = await testServer({ clientFolder });
  const context = await browser().newContext();
  onTestFinished(() => context.close());
  const mine = await context.newPage();
  const connected = nextEvents(server, "connected", 1, 30_000);
  await mine.goto(`${server.url}#token=${token}`);
  await connected;

  const hostile = await context.newPage();
  await hostile.goto(elsewhere.url);
  await hostile.evaluate(() => document.querySelector("script")?.remove());
  const socketUrl = `${server.url.replace("http:", "ws:")}display`;
  // The hostile page's own policy would stop it first: a stranger's page has none.
  const cdp = await context.newCDPSession(hostile);
  await cdp.send("Page.setBypassCSP", { enabled: true });
  await hostile.reload();
  const opened = await hostile.evaluate(
    (url) =>
      new Promise<string>((resolve) => {
        const socket = new WebSocket(url);
        socket.onopen = () => resolve("open");
        socket.onclose = () => resolve("closed");
      }),
    socketUrl,
  );
  expect(opened).toBe("closed");
  const status = await hostile.evaluate(
    (url) =>
      fetch(`${url}enter`, { method: "POST", credentials: "include", mode: "no-cors" }).then(
        (a) => a.type,
        (e) => String(e),
      ),
    server.url,
  );
  expect(status).toMatch(/opaque|TypeError/);
  expect(events.map(({ type }) => type)).not.toContain("refused");
});
