import { Publisher } from "zeromq";
import { encodePublicEvent, type PublicEvent } from "../../protocols/wire/events.ts";
import { ConfigurationError } from "../failure.ts";
import { bindingWith, type Keys } from "../security/curve.ts";

export interface PublicEvents {
  /** The endpoint others connect to. */
  address: string;
  publish(event: PublicEvent): void;
  /** Everything published is handed to the network; the socket is closed. */
  dispose(): Promise<void>;
}

/** Opens the socket on which any program can follow the session. Throws ConfigurationError where it can't be bound. */
export async function openPublicEvents(address: string, keys: Keys | null = null): Promise<PublicEvents> {
  const socket = new Publisher({ sendHighWaterMark: 0, linger: 500, ...bindingWith(keys) });
  await socket.bind(address).catch((error: Error) => {
    throw new ConfigurationError(
      `--events ${address}: expected an address that is free, as tcp://127.0.0.1:5570; ${error.message}`,
    );
  });
  // zeromq takes one send at a time, so each waits for the one before; a PUB socket never blocks on its subscribers.
  let sending: Promise<void> = Promise.resolve();
  return {
    address: socket.lastEndpoint!,
    publish(event) {
      const [topic, body] = encodePublicEvent(event);
      sending = sending.then(() => socket.send([topic, body as Buffer]));
    },
    async dispose() {
      await sending;
      socket.close();
    },
  };
}
