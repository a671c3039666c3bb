/** The list's socket: the newest list comes by itself, requests are answered. */
import { pack, unpack } from "../../protocols/wire/message.ts";
import { LOBBY_PATH, LOBBY_VERSION, type LobbyMessage, type LobbyRequest } from "../../protocols/wire/sessions.ts";
import { enter } from "../entry.ts";
import { createRequests, type Without } from "../requests.ts";

const RECONNECT_MS = 1000;

export type Request = Without<LobbyRequest, "v" | "id">;
export type Listing = Extract<LobbyMessage, { op: "lobby" }>;

/**
 * @param changed told of each list, and of null, with the server's word, where there is no connection
 * @returns asks for something: null once it is done, or why it was refused
 */
export function connect(
  changed: (listing: Listing | null, why: string) => void,
): (request: Request) => Promise<string | null> {
  let socket: WebSocket | null = null;
  const requests = createRequests();

  function take(message: LobbyMessage): void {
    if (message.op === "lobby") changed(message, "");
    else requests.answer(message.id, message.op === "refused" ? message.reason : null);
  }

  const open = async () => {
    const unwelcome = await enter();
    if (unwelcome !== null) {
      changed(null, unwelcome);
      setTimeout(open, RECONNECT_MS);
      return;
    }
    const own = new WebSocket(`${location.protocol.replace("http", "ws")}//${location.host}${LOBBY_PATH}`);
    own.binaryType = "arraybuffer";
    own.onopen = () => {
      socket = own;
    };
    own.onmessage = ({ data }) => {
      const message = unpack(new Uint8Array(data));
      if (message.ok) take(message.value as LobbyMessage);
    };
    own.onclose = () => {
      socket = null;
      requests.answer(null, "the connection ended before the server answered");
      changed(null, "");
      setTimeout(open, RECONNECT_MS);
    };
  };
  void open();

  return (request) =>
    new Promise((resolve) => {
      if (!socket) return resolve("the server does not answer");
      const id = requests.open(resolve);
      socket.send(pack({ v: LOBBY_VERSION, id, ...request }) as Uint8Array<ArrayBuffer>);
    });
}
