import type { WebSocket } from "ws";
import {
  DISPLAY_VERSION,
  type DisplayMessage,
  decodeDisplayMessage,
  encodeServerMessage,
  type ServerMessage,
} from "../../protocols/wire/display.ts";
import { serverNow } from "../clock.ts";
import { MAX_WAITING_BYTES } from "../security/web-server.ts";
import { type DisplayClock, initDisplayClock, stepDisplayClock, toServerMs } from "./display-clock.ts";
import type { DisplayEvent } from "./display-server.ts";

export interface DisplayConnection {
  /** False until the display is connected, and after. */
  send(message: ServerMessage): boolean;
  /** Gives the display up. */
  end(reason: string): void;
}

export interface Attendance {
  welcome: Extract<ServerMessage, { op: "welcome" }>;
  emit(event: DisplayEvent): void;
  /** Takes the one place for a display; false where another page has it. */
  claim(connection: DisplayConnection, page: string | undefined): boolean;
  /** Takes a display that only follows. */
  mirror(connection: DisplayConnection): void;
  leave(connection: DisplayConnection): void;
}

/** From socket to `connected`: hello and the first pings. */
const HANDSHAKE_MS = 5000;
/** Pings before `connected`, one after another, so that the first onsets are converted as well as later ones. */
const FIRST_PINGS = 8;
const PING_EVERY_MS = 1000;
/** A display that answers nothing for so long is taken to be gone. */
const SILENCE_MS = 5000;

const ofItself: ReadonlySet<DisplayMessage["op"]> = new Set(["geometry", "refresh", "visibility"]);

type Hello = Extract<DisplayMessage, { op: "hello" }>;

/** The life of one socket: greeted or refused, timed, listened to until it closes. */
export function attendDisplay(socket: WebSocket, { welcome, emit, claim, mirror, leave }: Attendance): void {
  let phase: "new" | "timing" | "connected" | "mirror" | "closed" = "new";
  let hello: Hello | null = null;
  const unanswered = new Set<number>();
  let clock: DisplayClock = initDisplayClock;
  let heardServerMs = serverNow();
  let lostReason: string | null = null;
  /** What the display told of itself while its clock was being timed. */
  const early: DisplayMessage[] = [];
  let pinging: NodeJS.Timeout | undefined;

  const transmit = (message: ServerMessage) => socket.send(encodeServerMessage(message));
  const ping = () => {
    const t0ServerMs = serverNow();
    unanswered.add(t0ServerMs);
    transmit({ op: "ping", t0ServerMs });
  };
  const cut = (reason: string) => {
    lostReason ??= reason;
    socket.terminate();
  };
  /** The end is told at once, not when the socket's comes: another connection may be waiting for the place. */
  const ended = (reason: string) => {
    const wasConnected = phase === "connected";
    phase = "closed";
    clearTimeout(handshake);
    clearInterval(pinging);
    leave(connection);
    if (wasConnected) emit({ type: "lost", reason, serverMs: serverNow() });
  };
  const refuse = (reason: Extract<DisplayEvent, { type: "refused" }>["reason"], message: string) => {
    phase = "closed";
    transmit({ op: "refused", reason, message });
    socket.close(1008, reason);
    emit({ type: "refused", reason, message, serverMs: serverNow() });
  };
  const handshake = setTimeout(() => {
    if (phase === "new") refuse("malformed", `expected a hello within ${HANDSHAKE_MS / 1000} s, got none`);
    else if (phase === "timing") cut(`no answer to the first pings within ${HANDSHAKE_MS / 1000} s`);
  }, HANDSHAKE_MS);

  const connection: DisplayConnection = {
    send(message) {
      if (phase !== "connected" && phase !== "mirror") return false;
      if (socket.bufferedAmount > MAX_WAITING_BYTES) {
        cut(`the display reads too slowly: ${Math.round(socket.bufferedAmount / 2 ** 20)} MiB wait for it`);
        return false;
      }
      transmit(message);
      return true;
    },
    end(reason) {
      cut(reason);
      ended(reason);
    },
  };

  const keepAlive = () => {
    clearTimeout(handshake);
    let tickedServerMs = serverNow();
    pinging = setInterval(() => {
      // A server that was held up has not read yet what the display said meanwhile.
      heardServerMs += Math.max(serverNow() - tickedServerMs - PING_EVERY_MS, 0);
      tickedServerMs = serverNow();
      const silentMs = tickedServerMs - heardServerMs;
      if (silentMs > SILENCE_MS) cut(`no word from the display for ${(silentMs / 1000).toFixed(1)} s`);
      else ping();
    }, PING_EVERY_MS);
  };

  const greet = (message: Hello) => {
    if (message.role === "mirror") {
      phase = "mirror";
      transmit(welcome);
      keepAlive();
      return mirror(connection);
    }
    if (!claim(connection, message.page)) {
      return refuse(
        "occupied",
        "Another display is connected to this server. Close that one, then reload this page; or add ?mirror to the address to follow it.",
      );
    }
    phase = "timing";
    hello = message;
    transmit(welcome);
    ping();
  };

  const tellShown = (
    shown: Omit<Extract<DisplayMessage, { op: "shown" }>, "op">,
    retold: boolean,
    serverMs: number,
  ) => {
    const onset = toServerMs(clock, shown.displayMs);
    // A callback that ran late in its frame says less about when the frame was; and nothing can be told of before it is.
    const impossibleMs = Math.max(onset.serverMs - onset.uncertaintyMs - serverMs, 0);
    const uncertaintyMs = onset.uncertaintyMs + shown.callbackLateMs + impossibleMs;
    emit({ type: "shown", ...shown, onsetServerMs: onset.serverMs, uncertaintyMs, retold, serverMs });
  };

  const connect = ({ agent, frameMs, unsteady, last }: Hello) => {
    phase = "connected";
    keepAlive();
    const serverMs = serverNow();
    const shown = last?.sessionId === welcome.sessionId ? last.shown : null;
    emit({ type: "connected", agent, frameMs, unsteady, last: shown?.presentation ?? null, serverMs });
    if (shown === null) return;
    const { op: _, ...body } = shown;
    tellShown(body, true, serverMs);
  };

  const handlers: {
    [Op in DisplayMessage["op"]]: (message: Extract<DisplayMessage, { op: Op }>, serverMs: number) => void;
  } = {
    hello: (_message, serverMs) =>
      emit({ type: "rejected", reason: "unexpected", detail: "expected one hello, got another", serverMs }),
    pong({ t0ServerMs, displayMs }, serverMs) {
      if (!unanswered.delete(t0ServerMs)) {
        return emit({ type: "rejected", reason: "unexpected", detail: `no ping left at ${t0ServerMs}`, serverMs });
      }
      clock = stepDisplayClock(clock, { t0ServerMs, displayMs, t1ServerMs: serverMs });
      if (phase !== "timing") return;
      if (clock.length < FIRST_PINGS) ping();
      else {
        connect(hello!);
        for (const told of early.splice(0)) handle(told, serverMs);
      }
    },
    ready: ({ op: type, ...ready }, serverMs) => emit({ type, ...ready, serverMs }),
    shown: ({ op: _, ...shown }, serverMs) => tellShown(shown, false, serverMs),
    geometry: ({ op: type, ...geometry }, serverMs) => emit({ type, ...geometry, serverMs }),
    refresh: ({ op: type, ...refresh }, serverMs) => emit({ type, ...refresh, serverMs }),
    visibility: ({ op: type, ...visibility }, serverMs) => emit({ type, ...visibility, serverMs }),
    command: ({ op: type, ...command }, serverMs) => emit({ type, ...command, serverMs }),
    hidden: ({ op: type, ...hidden }, serverMs) => emit({ type, ...hidden, serverMs }),
    cancelled: ({ op: type, ...cancelled }, serverMs) => emit({ type, ...cancelled, serverMs }),
    rejected: ({ detail }, serverMs) => emit({ type: "rejected", reason: "by-display", detail, serverMs }),
  };

  const handle = (message: DisplayMessage, serverMs: number) =>
    (handlers[message.op] as (value: DisplayMessage, serverMs: number) => void)(message, serverMs);

  socket.on("message", (data, isBinary) => {
    const serverMs = serverNow();
    if (phase === "closed") return;
    heardServerMs = serverMs;
    const message = isBinary
      ? decodeDisplayMessage(data as Buffer)
      : ({ ok: false, reason: "malformed", detail: "expected MessagePack in a binary frame, got text" } as const);
    if (phase === "new") {
      if (!message.ok) return refuse(message.reason, firstRefusal(message));
      if (message.value.op === "hello") return greet(message.value);
      return refuse("malformed", `expected hello first, got ${message.value.op}`);
    }
    if (!message.ok) return emit({ type: "rejected", reason: message.reason, detail: message.detail, serverMs });
    // A mirror shows what it is told; what it reports is nobody's onset.
    if (phase === "mirror") return;
    if (phase === "timing" && ofItself.has(message.value.op)) return void early.push(message.value);
    if (phase === "timing" && message.value.op !== "pong") {
      const detail = `expected pongs before ${message.value.op}`;
      return emit({ type: "rejected", reason: "unexpected", detail, serverMs });
    }
    handle(message.value, serverMs);
  });
  socket.on("error", (error) => {
    lostReason ??= error.message;
  });
  socket.on("close", (code, reason) => {
    ended(lostReason ?? (reason.length > 0 ? `${reason} (${code})` : `the connection closed (${code})`));
  });
}

function firstRefusal({ reason, detail }: { reason: "malformed" | "version"; detail: string }): string {
  if (reason === "malformed") return `expected hello first: ${detail}`;
  return `${detail}: the page and the server come from different releases (the server speaks version ${DISPLAY_VERSION}). Run npm run build, restart the server and start this display again.`;
}
