import { Subject } from "rxjs";
import { Pull, Subscriber } from "zeromq";
import { decodeGateMessage, type GateMessage } from "../../protocols/wire/gate.ts";
import { ConfigurationError } from "../failure.ts";
import { bindingWith, connectingWith, type Keys } from "../security/curve.ts";

export interface GateSocketOptions {
  /** ZeroMQ endpoint, as "tcp://eye-tracker:5580". */
  address: string;
  /** `sub` connects to a publisher; `pull` binds, and the sender pushes. */
  socket: "sub" | "pull";
  /** Left out: nothing is encrypted. */
  keys?: Keys | null;
  /** Told of each message that can't be used. */
  rejected(detail: string): void;
}

export interface GateSocket {
  /** Hot. Reading begins at once: the gate's present state is all that counts. */
  readonly messages$: Subject<GateMessage>;
  readonly address: string;
  dispose(): void;
}

/** @throws ConfigurationError where the address is none or cannot be bound */
export async function openGateSocket({
  address,
  socket: kind,
  keys = null,
  rejected,
}: GateSocketOptions): Promise<GateSocket> {
  const socket = kind === "sub" ? new Subscriber(connectingWith(keys)) : new Pull(bindingWith(keys));
  try {
    if (socket instanceof Pull) await socket.bind(address);
    else {
      socket.connect(address);
      socket.subscribe();
    }
  } catch (error) {
    socket.close();
    throw new ConfigurationError(
      `gate.address: expected a ZeroMQ address to ${kind === "sub" ? "connect to" : "bind"}, as tcp://127.0.0.1:5580, got "${address}": ${(error as Error).message}`,
    );
  }
  const messages$ = new Subject<GateMessage>();
  void (async () => {
    for await (const frames of socket) {
      // A publisher may put a topic before the message.
      const message = decodeGateMessage(frames[frames.length - 1]);
      if (message.ok) messages$.next(message.value);
      else rejected(message.detail);
    }
  })().catch((error: Error) => messages$.error(error));
  return {
    messages$,
    address: socket.lastEndpoint ?? address,
    dispose() {
      socket.close();
      messages$.complete();
    },
  };
}
