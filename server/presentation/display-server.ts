import { randomUUID } from "node:crypto";
import { type Observable, Subject } from "rxjs";
import type { WebSocket } from "ws";
import {
  DISPLAY_PATH,
  DISPLAY_VERSION,
  type DisplayMessage,
  type ServerMessage,
} from "../../protocols/wire/display.ts";
import type { GuardOptions } from "../security/guard.ts";
import { type Attendant, openWebServer } from "../security/web-server.ts";
import { clientPages } from "./client-pages.ts";
import { attendDisplay, type DisplayConnection } from "./display-connection.ts";

type Body<Op extends DisplayMessage["op"]> = Omit<Extract<DisplayMessage, { op: Op }>, "op">;
type Stamped<T> = T & { serverMs: number };

/** What happens at the display. `serverMs`: when the server learnt of it. */
export type DisplayEvent = Stamped<
  /** `last`: the last presentation of this session that the display had shown before. */
  | { type: "connected"; agent: string; frameMs: number; unsteady: number; last: number | null }
  | { type: "lost"; reason: string }
  | { type: "refused"; reason: "version" | "occupied" | "malformed"; message: string }
  /** A message that could not be used: the display's by the server, or ("by-display") the server's by the display. */
  | { type: "rejected"; reason: "malformed" | "version" | "unexpected" | "by-display"; detail: string }
  | ({ type: "ready" } & Body<"ready">)
  /**
   * `onsetServerMs`: `displayMs` on the server's clock, right to within `uncertaintyMs`. `retold`: shown before the connection
   * was lost, and told once more since.
   */
  | ({ type: "shown"; onsetServerMs: number; uncertaintyMs: number; retold: boolean } & Body<"shown">)
  | ({ type: "hidden" } & Body<"hidden">)
  | ({ type: "cancelled" } & Body<"cancelled">)
  | ({ type: "geometry" } & Body<"geometry">)
  | ({ type: "refresh" } & Body<"refresh">)
  | ({ type: "visibility" } & Body<"visibility">)
  | ({ type: "command" } & Body<"command">)
>;

export interface DisplayServerOptions extends GuardOptions {
  /** 0: any free port. */
  port: number;
  /** The built pages: dist/client. */
  clientFolder: string;
  welcome: Omit<Extract<ServerMessage, { op: "welcome" }>, "op" | "v" | "sessionId">;
  /** Who else is attended at this port, by path. */
  others?: Readonly<Record<string, Attendant>>;
}

export interface DisplayServer {
  /** The page to open in a browser. */
  url: string;
  /** Where a display on this machine that is no browser connects. */
  socketUrl: string;
  /** Hot. Displays are taken from the first subscription on. */
  events$: Observable<DisplayEvent>;
  /** False where there is no display (from before `connected`, or after `lost`): the message is not sent nor kept. */
  send(message: ServerMessage): boolean;
  /** Messages turned away so far, by reason. */
  rejected(): Readonly<Record<string, number>>;
  /** Says goodbye (`reason` is for whoever stands at the display) and frees the port. */
  dispose(reason?: string): Promise<void>;
}

/** Serves the display's page, talks to one display, and lets any number of mirrors follow it. Throws ConfigurationError where the port is not free. */
export async function openDisplayServer(options: DisplayServerOptions): Promise<DisplayServer> {
  const { clientFolder, welcome, others = {} } = options;
  const events = new Subject<DisplayEvent>();
  const counts: Record<string, number> = {};
  const emit = (event: DisplayEvent) => {
    if (event.type === "rejected") counts[event.reason] = (counts[event.reason] ?? 0) + 1;
    events.next(event);
  };

  let current: { connection: DisplayConnection; page: string | undefined } | null = null;
  const sessionId = randomUUID();
  const mirrors = new Set<DisplayConnection>();
  /** What a mirror must be told that comes late: faces that may still be asked for. */
  const faces = new Map<number, ServerMessage>();

  const attend = (socket: WebSocket) =>
    attendDisplay(socket, {
      welcome: { op: "welcome", v: DISPLAY_VERSION, sessionId, ...welcome },
      emit,
      claim(connection, page) {
        if (current !== null && (page === undefined || page !== current.page)) return false;
        current?.connection.end("the display has connected anew");
        current = { connection, page };
        return true;
      },
      mirror(connection) {
        for (const face of faces.values()) connection.send(face);
        mirrors.add(connection);
      },
      leave(connection) {
        if (current?.connection === connection) current = null;
        mirrors.delete(connection);
      },
    });
  const send = (message: ServerMessage): boolean => {
    if (message.op === "face") faces.set(message.face, message);
    if (message.op === "release") faces.delete(message.face);
    for (const mirror of mirrors) mirror.send(message);
    return current?.connection.send(message) ?? false;
  };
  const server = await openWebServer({
    ...options,
    pages: clientPages(clientFolder),
    sockets: {
      ...others,
      // A page that was left open comes at once: what it says must not be lost before anyone listens. It tries again.
      [DISPLAY_PATH]: { attend, isReady: () => events.observed },
    },
  });
  return {
    url: server.url,
    socketUrl: `${server.localSocketUrl}${DISPLAY_PATH}`,
    events$: events.asObservable(),
    send,
    rejected: () => counts,
    async dispose(reason = "the server has stopped") {
      await server.dispose(() => send({ op: "bye", message: reason }));
      events.complete();
    },
  };
}
