import { Observable, Subject } from "rxjs";
import { Subscriber } from "zeromq";
import { serverNow } from "../../clock.ts";
import type { Acquisition } from "../acquisition.ts";
import type { Roster } from "../roster.ts";
import type { AcquisitionEvent } from "../spike-batch.ts";
import { endpointOf, timeRate, trodesServer } from "./discovery.ts";
import { createTrodesReader, type TrodesSource, trodesSources } from "./reader.ts";

export interface TrodesOptions {
  /** Of the network's central server, as "tcp://127.0.0.1:49152". */
  address: string;
  roster: Roster;
  /** Hz of its timestamps; left out: Trodes is asked. */
  sampleRate?: number;
}

/**
 * Opens the way in for spikes from a Trodes network. Sources that are not published yet are waited for, each by itself.
 *
 * @throws ConfigurationError where no Trodes network answers at the address
 */
export async function openTrodes({ address, roster, sampleRate }: TrodesOptions): Promise<Acquisition> {
  const server = await trodesServer(address);
  const reader = createTrodesReader(roster, sampleRate ?? (await timeRate(server)));
  const events = new Subject<AcquisitionEvent>();
  const stop = new AbortController();
  const sockets: Subscriber[] = [];

  async function follow(source: TrodesSource): Promise<void> {
    const endpoint = await endpointOf(server, source, stop.signal);
    if (endpoint === null) return;
    const socket = new Subscriber({ receiveHighWaterMark: 0 });
    sockets.push(socket);
    const name = new TextEncoder().encode(source);
    const watchLink = (up: boolean) => () => events.next({ type: "link", up, arrivedServerMs: serverNow() });
    if (source === "source.spikes") {
      socket.events.on("handshake", watchLink(true));
      socket.events.on("disconnect", watchLink(false));
    }
    socket.connect(endpoint);
    socket.subscribe();
    try {
      while (!socket.closed) {
        const [body] = await socket.receive();
        for (const event of reader.read([name, body], serverNow())) events.next(event);
      }
    } catch (error) {
      if (!socket.closed) throw error;
    }
  }

  let isReading = false;
  return {
    events$: new Observable((subscriber) => {
      const subscription = events.subscribe(subscriber);
      if (!isReading) {
        isReading = true;
        for (const source of trodesSources) follow(source).catch((error: unknown) => events.error(error));
      }
      return subscription;
    }),
    address,
    counts: () => structuredClone(reader.counts),
    dispose() {
      if (stop.signal.aborted) return;
      stop.abort();
      for (const socket of sockets) socket.close();
      for (const event of reader.flush(serverNow())) events.next(event);
      events.complete();
    },
  };
}
