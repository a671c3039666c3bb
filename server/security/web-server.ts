/**
 * The one HTTP server of a session. Nothing else makes one, so that every page, socket and path is behind the guard; and every
 * socket has its limits, whoever attends it.
 */
import { createServer, type IncomingMessage, type RequestListener, type Server, STATUS_CODES } from "node:http";
import { hostname } from "node:os";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import { ENTER_PATH } from "../../protocols/wire/entry.ts";
import { serverNow } from "../clock.ts";
import { ConfigurationError } from "../failure.ts";
import { createGuard, type GuardOptions } from "./guard.ts";
import { securityHeaders } from "./headers.ts";
import { type Allowance, fullBucket, take } from "./rate-limit.ts";

export interface Attendant {
  /** Receives each socket that is opened at its path, the address it comes from, and what its own address asks. */
  attend(socket: WebSocket, from: string, query: URLSearchParams): void;
  /** False while whoever comes is told to come again; left out: always ready. */
  isReady?(): boolean;
}

export interface WebServerOptions extends GuardOptions {
  /** 0: any free port. */
  port: number;
  /** Answers what is no socket; the headers of security are set already. */
  pages: RequestListener;
  /** By path. */
  sockets: Readonly<Record<string, Attendant>>;
}

export interface WebServer {
  port: number;
  /** For people: with a name that other machines know, where they can come. */
  url: string;
  /** The same for programs on this machine, with ws:. */
  localSocketUrl: string;
  /** Closes every socket, cuts those that do not answer, frees the port. `goodbye` is called while they are still open. */
  dispose(goodbye: () => void): Promise<void>;
}

/** Largest message that anyone may send; the longest is a display's `hello`. */
const MAX_INCOMING_BYTES = 64 * 1024;
/** Whoever reads so slowly that this much waits for him is cut off: the queue must end somewhere. */
export const MAX_WAITING_BYTES = 64 * 2 ** 20;
/** A display tells four things of a face, and shows at most some hundred a second. */
const MESSAGES: Allowance = { burst: 4000, perSecond: 1000 };
const MAX_CONNECTIONS = 256;
/** For a request's headers, and for all of it. */
const REQUEST_MS = 5000;
const LOOK_EVERY_MS = 1000;
/** How long a socket may take over its goodbye before it is cut. */
const GOODBYE_MS = 500;

/** Listens. @throws ConfigurationError where it cannot */
export async function openWebServer({ port, pages, sockets, ...options }: WebServerOptions): Promise<WebServer> {
  const guard = createGuard(options);
  const timeouts = {
    headersTimeout: REQUEST_MS,
    requestTimeout: REQUEST_MS,
    connectionsCheckingInterval: LOOK_EVERY_MS,
  };
  const http = createServer(timeouts, (request, response) => {
    response.setHeaders(new Map(Object.entries(securityHeaders)));
    const isEntry = pathOf(request) === ENTER_PATH;
    const refusal = guard.refusal(request, isEntry ? "private" : "page", serverNow());
    const turnAway = (status: number, reason: string) =>
      response.writeHead(status, { "Content-Type": "text/plain; charset=utf-8" }).end(`${reason}\n`);
    if (refusal) return turnAway(refusal.status, refusal.reason);
    if (isEntry) {
      if (request.method !== "POST") return turnAway(405, "expected POST");
      const cookie = guard.cookie(actualPort);
      return response.writeHead(204, cookie === null ? {} : { "Set-Cookie": cookie }).end();
    }
    if (request.method !== "GET" && request.method !== "HEAD") return turnAway(405, "expected GET or HEAD");
    pages(request, response);
  });
  http.maxConnections = MAX_CONNECTIONS;
  const webSockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_INCOMING_BYTES,
    perMessageDeflate: false,
  });
  http.on("upgrade", (request, socket, head) => {
    const refusal = guard.refusal(request, "private", serverNow());
    if (refusal) return turnAway(socket, refusal.status, refusal.reason);
    const path = pathOf(request);
    const attendant = Object.hasOwn(sockets, path) ? sockets[path] : undefined;
    if (!attendant) return turnAway(socket, 404, "no such path");
    if (attendant.isReady?.() === false) return turnAway(socket, 503, "not yet; try again in a moment");
    webSockets.handleUpgrade(request, socket, head, (accepted) => {
      limitMessages(accepted);
      attendant.attend(accepted, request.socket.remoteAddress ?? "", queryOf(request));
    });
  });
  const actualPort = await listen(http, options.host, port);
  const looking = setInterval(() => {
    for (const socket of webSockets.clients) if (socket.bufferedAmount > MAX_WAITING_BYTES) socket.terminate();
  }, LOOK_EVERY_MS);

  const { own, local } = namesOf(options.host);
  return {
    port: actualPort,
    url: `http://${own}:${actualPort}/`,
    localSocketUrl: `ws://${local}:${actualPort}`,
    async dispose(goodbye) {
      clearInterval(looking);
      const freed = new Promise<void>((resolve) => http.close(() => resolve()));
      goodbye();
      for (const socket of webSockets.clients) socket.close(1001, "server stopped");
      await allClosed(webSockets);
      http.closeAllConnections();
      await freed;
    },
  };
}

/** Hears a socket's messages before anyone else does; after too many nobody hears it again. */
function limitMessages(socket: WebSocket): void {
  const bucket = fullBucket(MESSAGES, serverNow());
  socket.on("message", () => {
    if (take(bucket, MESSAGES, serverNow())) return;
    socket.removeAllListeners("message");
    socket.close(1008, "too many messages");
    setTimeout(() => socket.terminate(), GOODBYE_MS).unref();
  });
}

const pathOf = ({ url = "" }: IncomingMessage): string => url.split("?")[0];
const queryOf = ({ url = "" }: IncomingMessage): URLSearchParams =>
  new URLSearchParams(url.split("?").slice(1).join("?"));

function turnAway(socket: Duplex, status: number, reason: string): void {
  socket.on("error", () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n${reason}\n`,
  );
}

async function allClosed(webSockets: WebSocketServer): Promise<void> {
  const closed = Promise.all(
    [...webSockets.clients].map((socket) => new Promise<void>((resolve) => socket.once("close", () => resolve()))),
  );
  const cut = setTimeout(() => {
    for (const socket of webSockets.clients) socket.terminate();
  }, GOODBYE_MS);
  await closed;
  clearTimeout(cut);
}

/** An address as it stands in a URL; the one for every address is none that can be gone to. */
function namesOf(host: string): { own: string; local: string } {
  if (host === "0.0.0.0") return { own: hostname(), local: "127.0.0.1" };
  if (host === "::") return { own: hostname(), local: "[::1]" };
  const name = host.includes(":") ? `[${host}]` : host;
  return { own: name, local: name };
}

/** Listens and gives the port; port 0 is any free one. Throws ConfigurationError where it cannot. */
function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => reject(listenFailure(error, host, port)));
    server.listen(port, host, () => resolve((server.address() as { port: number }).port));
  });
}

function listenFailure(error: NodeJS.ErrnoException, host: string, port: number): Error {
  switch (error.code) {
    case "EADDRINUSE":
      return new ConfigurationError(
        `port ${port} on ${host} is in use: is another session running? Stop it, or take any free port with --port 0`,
      );
    case "EACCES":
      return new ConfigurationError(
        `port ${port} on ${host} needs rights that this user does not have: try --port 8470`,
      );
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return new ConfigurationError(`${host} is not an address of this machine: try --host 127.0.0.1`);
    default:
      return error;
  }
}
