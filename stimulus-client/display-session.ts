/** One connection of a display, from `welcome` to its end, free of sockets and pixels: the page and the headless display share it. */
import { type DisplayMessage, decodeServerMessage, type ServerMessage } from "../protocols/wire/display.ts";
import { initSchedule, type Picture, type ScheduleInput, stepSchedule } from "./schedule.ts";

type Message<Op extends ServerMessage["op"]> = Extract<ServerMessage, { op: Op }>;
export type Face = Message<"face">;
export type Welcome = Message<"welcome">;

/** What a display does with what the server says. */
export interface Screen {
  /** Makes the face drawable at the next frame; throws where it cannot. */
  upload(face: Face): void;
  release(face: number): void;
  welcome(message: Welcome): void;
  /** Told of each onset before it is reported. */
  shown(report: Extract<DisplayMessage, { op: "shown" }>): void;
  readout(message: Message<"readout">): void;
  refused(message: Message<"refused">): void;
  bye(message: Message<"bye">): void;
}

export interface DisplaySession {
  receive(data: Uint8Array): void;
  /** To be called in each frame's callback with its `performance.now()`: what to draw in this frame. */
  frame(displayMs: number): Picture;
  /** The screen's interval between frames from here on. */
  rate(frameMs: number): void;
  patchTest(): void;
}

export interface DisplaySessionOptions {
  /** Measured interval between frames. */
  frameMs: number;
  /** How the photodiode's patches stand. */
  patches: Omit<Picture, "face">;
  screen: Screen;
  send(message: DisplayMessage): void;
}

export function openDisplaySession({ frameMs, patches, screen, send }: DisplaySessionOptions): DisplaySession {
  let schedule = initSchedule(frameMs, patches);
  const step = (input: ScheduleInput) => {
    const [next, reports] = stepSchedule(schedule, input);
    schedule = next;
    for (const report of reports) {
      if (report.op === "shown") screen.shown(report);
      send(report);
    }
  };

  const handlers: { [Op in ServerMessage["op"]]: (message: Message<Op>) => void } = {
    ping: ({ t0ServerMs }) => send({ op: "pong", t0ServerMs, displayMs: performance.now() }),
    face: (message) => {
      const { face } = message;
      if (schedule.readyAt.has(face)) return send({ op: "rejected", detail: `face ${face} is here already` });
      try {
        screen.upload(message);
      } catch (error) {
        return send({ op: "rejected", detail: `face ${face} cannot be drawn: ${(error as Error).message}` });
      }
      step({ type: "ready", face });
      send({ op: "ready", face });
    },
    release: ({ face }) => {
      step({ type: "release", face });
      screen.release(face);
    },
    show: ({ presentation, face, onMs, periodMs }) => step({ type: "show", presentation, face, onMs, periodMs }),
    clear: () => step({ type: "clear" }),
    welcome: (message) => screen.welcome(message),
    readout: (message) => screen.readout(message),
    refused: (message) => screen.refused(message),
    bye: (message) => screen.bye(message),
  };

  return {
    receive(data) {
      const message = decodeServerMessage(data);
      if (!message.ok) return send({ op: "rejected", detail: message.detail });
      (handlers[message.value.op] as (value: ServerMessage) => void)(message.value);
    },
    frame(displayMs) {
      step({ type: "frame", displayMs });
      return schedule.picture;
    },
    rate: (to) => step({ type: "rate", frameMs: to }),
    patchTest: () => step({ type: "patch-test" }),
  };
}
