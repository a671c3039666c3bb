/** The two sockets of the page: what happens comes from one, commands go to the other and are answered. */
import {
  DASHBOARD_VERSION,
  type DashboardMessage,
  WATCH_PATH,
  type WatchRequest,
} from "../../protocols/wire/dashboard.ts";
import { pack, unpack } from "../../protocols/wire/message.ts";
import type { OperatorAnswer, OperatorCommand } from "../../protocols/wire/operator.ts";
import { CLOSED_FOR_GOOD } from "../../protocols/wire/sessions.ts";
import { enter } from "../entry.ts";
import { createRequests, type Without } from "../requests.ts";

const RECONNECT_MS = 1000;
const ANSWER_MS = 5000;
const OPERATOR_VERSION = 1;
const OPERATOR_PATH = "/operator";

export type Command = Without<OperatorCommand, "v" | "id">;
type Request = Without<WatchRequest, "v">;

export interface Connection {
  ask(request: Request): void;
  /** Resolves with null once it is done, or why it was refused. */
  command(command: Command): Promise<string | null>;
}

const urlOf = (path: string) => `${location.protocol.replace("http", "ws")}//${location.host}${path}${location.search}`;

export function connect(
  received: (message: DashboardMessage) => void,
  /** `why`: the server's word where it does not let this page in. */
  changed: (connected: boolean, why?: string) => void,
): Connection {
  let watch: WebSocket | null = null;
  let operator: Promise<WebSocket> | null = null;
  const requests = createRequests();

  const open = async () => {
    const unwelcome = await enter();
    if (unwelcome !== null) {
      changed(false, unwelcome);
      setTimeout(open, RECONNECT_MS);
      return;
    }
    const socket = new WebSocket(urlOf(WATCH_PATH));
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => {
      const message = unpack(new Uint8Array(data));
      if (!message.ok) return;
      watch = socket;
      received(message.value as DashboardMessage);
    };
    socket.onclose = ({ code }) => {
      if (watch === socket) watch = null;
      changed(false);
      if (code !== CLOSED_FOR_GOOD) setTimeout(open, RECONNECT_MS);
    };
  };
  void open();

  const operate = () =>
    (operator ??= new Promise((resolve, reject) => {
      const socket = new WebSocket(urlOf(OPERATOR_PATH));
      socket.binaryType = "arraybuffer";
      socket.onopen = () => resolve(socket);
      socket.onmessage = ({ data }) => {
        const message = unpack(new Uint8Array(data));
        if (!message.ok) return;
        const answer = message.value as OperatorAnswer;
        // Without an id the command could not be read, or nobody may command here; that is said to whoever waits.
        requests.answer(answer.id, answer.op === "refused" ? answer.reason : null);
      };
      socket.onclose = () => {
        operator = null;
        reject(new Error("the server takes no commands now: the session has ended, or it is another computer's"));
        requests.answer(null, "the connection ended before the server answered");
      };
    }));

  return {
    ask(request) {
      if (watch?.readyState === WebSocket.OPEN)
        watch.send(pack({ v: DASHBOARD_VERSION, ...request }) as Uint8Array<ArrayBuffer>);
    },
    async command(command) {
      try {
        const socket = await operate();
        return await new Promise<string | null>((resolve) => {
          const id = requests.open(resolve);
          setTimeout(() => requests.answer(id, "the server has not answered for 5 s"), ANSWER_MS);
          socket.send(pack({ v: OPERATOR_VERSION, id, ...command }) as Uint8Array<ArrayBuffer>);
        });
      } catch (error) {
        return (error as Error).message;
      }
    },
  };
}
