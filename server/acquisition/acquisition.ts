import { merge, Observable, Subject } from "rxjs";
import { Pull, Subscriber } from "zeromq";
import { serverNow } from "../clock.ts";
import { ConfigurationError } from "../failure.ts";
import { bindingWith, connectingWith, type Keys } from "../security/curve.ts";
import type { FollowedStream, FrameReader } from "./frame-reader.ts";
import { heartbeatAddress, startHeartbeat } from "./heartbeat.ts";
import { createLatentloopReader } from "./latentloop-reader.ts";
import { createOpenEphysReader } from "./open-ephys-reader.ts";
import type { Roster } from "./roster.ts";
import { type AcquisitionCounts, type AcquisitionEvent, addCounts } from "./spike-batch.ts";

export interface AcquisitionOptions {
  /** ZeroMQ endpoint, as "tcp://127.0.0.1:5556". */
  address: string;
  /** `sub` connects to a publisher; `pull` binds, so that any number of scripts can push. */
  socket: "sub" | "pull";
  format: "latentloop" | "open-ephys";
  roster: Roster;
  /** The streams to follow; none: the first one seen. */
  streams: readonly FollowedStream[];
  /** Hz, of a stream that is not named. Open Ephys only: needed where no continuous channel is sent; else data messages tell it. */
  sampleRate?: number;
  /** Open Ephys only: tell the GUI that this client is there. */
  heartbeat?: boolean;
  /** Left out: nothing is encrypted. */
  keys?: Keys | null;
  /** What tells when a message that has just come arrived, server clock in ms; left out: the server's clock. */
  arrivalServerMs?: () => number;
}

export interface Acquisition {
  /** Hot. Reading begins with the first subscription, so that nothing is lost before it; ZeroMQ keeps what comes earlier. */
  readonly events$: Observable<AcquisitionEvent>;
  /** The endpoint in use, with its port where it was left open. */
  readonly address: string;
  counts(): AcquisitionCounts;
  /** Stops receiving, tells what was held back, completes `events$`. */
  dispose(): void;
}

/**
 * Opens the way in for spikes.
 * @throws ConfigurationError where the address is none or cannot be bound.
 */
export async function openAcquisition(options: AcquisitionOptions): Promise<Acquisition> {
  const reader = createReader(options);
  const events = new Subject<AcquisitionEvent>();
  // No high-water mark (0): with one, ZeroMQ would drop a burst without a word; memory bounds it, and the loop keeps up.
  const unbounded = { receiveHighWaterMark: 0 };
  const { keys = null, arrivalServerMs = serverNow } = options;
  const socket =
    options.socket === "sub"
      ? new Subscriber({ ...unbounded, ...connectingWith(keys) })
      : new Pull({ ...unbounded, ...bindingWith(keys) });
  const early: AcquisitionEvent[] = [];
  let isReading = false;
  const tell = (event: AcquisitionEvent) => {
    if (isReading) events.next(event);
    else early.push(event);
  };
  const watchLink = (up: boolean) => () => tell({ type: "link", up, arrivedServerMs: serverNow() });
  socket.events.on("handshake", watchLink(true));
  socket.events.on("disconnect", watchLink(false));
  await attach(socket, options.address);
  const heartbeatAt = options.heartbeat ? heartbeatAddress(options.address) : null;
  const heartbeat =
    heartbeatAt === null
      ? null
      : startHeartbeat(heartbeatAt, (answered) => tell({ type: "heartbeat", answered, arrivedServerMs: serverNow() }));
  return {
    events$: new Observable((subscriber) => {
      const subscription = events.subscribe(subscriber);
      if (!isReading) {
        isReading = true;
        for (const event of early.splice(0)) events.next(event);
        receive(socket, reader, events, arrivalServerMs).catch((error: unknown) => events.error(error));
      }
      return subscription;
    }),
    address: socket.lastEndpoint ?? options.address,
    counts: () => structuredClone(reader.counts),
    dispose() {
      if (socket.closed) return;
      heartbeat?.dispose();
      socket.close();
      for (const event of reader.flush(serverNow())) events.next(event);
      events.complete();
    },
  };
}

/** Several senders, each at its own address, as one. */
export function together(all: readonly Acquisition[]): Acquisition {
  if (all.length === 1) return all[0];
  return {
    events$: merge(...all.map(({ events$ }) => events$)),
    address: all.map(({ address }) => address).join(" and "),
    counts: () => all.map((one) => one.counts()).reduce(addCounts),
    dispose() {
      for (const one of all) one.dispose();
    },
  };
}

/** Reads until the socket closes, and waits for nothing but the socket: a publisher drops what a slow reader leaves. */
async function receive(
  socket: Subscriber | Pull,
  reader: FrameReader,
  events: Subject<AcquisitionEvent>,
  arrivalServerMs: () => number,
) {
  try {
    while (!socket.closed) {
      const frames = await socket.receive();
      for (const event of reader.read(frames, arrivalServerMs())) events.next(event);
    }
  } catch (error) {
    if (!socket.closed) throw error;
  }
}

function createReader({ format, roster, streams, sampleRate }: AcquisitionOptions): FrameReader {
  const options = { roster, streams, sampleRate: sampleRate ?? null };
  return format === "latentloop" ? createLatentloopReader(options) : createOpenEphysReader(options);
}

async function attach(socket: Subscriber | Pull, address: string): Promise<void> {
  const isSubscriber = socket instanceof Subscriber;
  try {
    if (!isSubscriber) return await socket.bind(address);
    socket.connect(address);
    socket.subscribe();
  } catch (error) {
    socket.close();
    throw new ConfigurationError(
      `spikes: expected a ZeroMQ address to ${isSubscriber ? "connect to" : "bind"}, as tcp://127.0.0.1:5556, got "${address}": ${(error as Error).message}`,
    );
  }
}
