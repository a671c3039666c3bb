import { WebSocket } from "ws";
import { DISPLAY_VERSION, type DisplayMessage, encodeDisplayMessage } from "../../protocols/wire/display.ts";
import { ConfigurationError } from "../../server/failure.ts";
import { openDisplaySession, type Welcome } from "../../stimulus-client/display-session.ts";
import type { Picture } from "../../stimulus-client/schedule.ts";
import { startFrames } from "./frames.ts";

export interface HeadlessDisplayOptions {
  /** ws://host:port/display */
  url: string;
  /** Sent with the request: where the server asks for a token, it is in here. */
  headers?: Record<string, string>;
  /** Interval of its frame clock; 1000 / 60 where not given. */
  frameMs?: number;
  /** Told after each frame that changed the picture; `pixels` is null for the background. */
  onPicture?: (picture: Picture, pixels: Uint8Array | null) => void;
}

export interface HeadlessSummary {
  frames: number;
  faces: number;
  shown: number;
  late: number;
  dropped: number;
  cancelled: number;
  rejected: number;
}

export interface HeadlessDisplay {
  readonly welcome: Welcome;
  readonly summary: Readonly<HeadlessSummary>;
  /** Settles when the connection has ended, with the reason in words. */
  readonly closed: Promise<string>;
  dispose(): Promise<void>;
}

/**
 * A display without a screen: the page's protocol and schedule on a timer's frames.
 * Throws ConfigurationError where no server answers at `url` or the server turns it away.
 */
export async function runHeadlessDisplay(options: HeadlessDisplayOptions): Promise<HeadlessDisplay> {
  const { url, headers = {}, frameMs = 1000 / 60, onPicture } = options;
  if (!/^wss?:\/\//.test(url)) {
    throw new ConfigurationError(`display url: expected ws://host:port/display, got ${url}`);
  }
  const socket = new WebSocket(url, { perMessageDeflate: false, headers });
  const summary = { frames: 0, faces: 0, shown: 0, late: 0, dropped: 0, cancelled: 0, rejected: 0 };
  const faces = new Map<number, Uint8Array>();
  let goodbye: string | null = null;
  let failure: Error | null = null;

  const send = (message: DisplayMessage) => {
    note(summary, message);
    if (socket.readyState === WebSocket.OPEN) socket.send(encodeDisplayMessage(message));
  };
  const closed = new Promise<string>((resolve) => {
    socket.on("error", (error) => {
      failure = error;
    });
    socket.on("close", (code) => resolve(goodbye ?? failure?.message ?? `the connection was lost (${code})`));
  });

  const welcomed = new Promise<Welcome>((resolve, reject) => {
    const session = openDisplaySession({
      frameMs,
      patches: { patch: false, code: 0 },
      send,
      screen: {
        // The copy stands for the upload to a GPU: the face no longer depends on the message it came in.
        upload: ({ face, pixels }) => faces.set(face, Uint8Array.from(pixels)),
        release: (face) => faces.delete(face),
        welcome(message) {
          stopFrames = startFrames(frameMs, (displayMs) => {
            summary.frames++;
            const picture = session.frame(displayMs);
            if (picture !== drawn)
              onPicture?.(picture, picture.face === null ? null : (faces.get(picture.face) ?? null));
            drawn = picture;
          });
          resolve(message);
        },
        shown: () => undefined,
        readout: () => undefined,
        refused({ message }) {
          goodbye = message;
          reject(new ConfigurationError(`the server at ${url} turned this display away: ${message}`));
        },
        bye: ({ message }) => {
          goodbye = message;
        },
      },
    });
    let drawn: Picture | null = null;
    let stopFrames = () => {};
    socket.on("open", () =>
      send({
        op: "hello",
        v: DISPLAY_VERSION,
        agent: "latentloop headless display",
        frameMs,
        unsteady: 0,
        role: "stimulus",
        last: null,
      }),
    );
    socket.on("message", (data) => session.receive(data as Buffer));
    socket.on("close", () => stopFrames());
    closed.then((reason) => reject(new ConfigurationError(`no display server at ${url}: ${reason}`)));
  });

  return {
    welcome: await welcomed,
    summary,
    closed,
    async dispose() {
      socket.close(1000, "display closed");
      await closed;
    },
  };
}

function note(summary: HeadlessSummary, message: DisplayMessage): void {
  switch (message.op) {
    case "ready":
      summary.faces++;
      break;
    case "shown":
      summary.shown++;
      summary.dropped += message.dropped;
      if (message.lateFrames > 0) summary.late++;
      break;
    case "cancelled":
    case "rejected":
      summary[message.op]++;
  }
}

export const describeSummary = (summary: HeadlessSummary): string =>
  `${summary.shown} presentations shown, ${summary.late} late, ${summary.cancelled} cancelled; ` +
  `${summary.dropped} frames dropped before an onset; ${summary.faces} faces received, ` +
  `${summary.rejected} messages rejected; ${summary.frames} frames in all`;
