import { type Observable, Subject } from "rxjs";
import { Pull, Subscriber } from "zeromq";
import { serverNow } from "../clock.ts";
import { ConfigurationError } from "../failure.ts";
import type { FrameReader } from "./frame-reader.ts";
import { createLatentloopReader } from "./latentloop-reader.ts";
import { createOpenEphysReader } from "./open-ephys-reader.ts";
import type { Roster } from "./roster.ts";
import type { AcquisitionCounts, AcquisitionEvent } from "./spike-batch.ts";

export interface AcquisitionOptions {
  /** ZeroMQ endpoint, as "tcp://127.0.0.1:5556". */
  address: string;
  /** `sub` connects to a publisher; `pull` binds, so that any number of scripts can push. */
  socket: "sub" | "pull";
  format: "latentloop" | "open-ephys";
  roster: Roster;
  /** The stream to follow; the first one seen where not given. */
  stream?: string;
  /** Hz. Open Ephys only: needed where no continuous channel is sent; else the stream's data messages tell it. */
  sampleRate?: number;
}

export interface Acquisition {
  /** Hot: an event that comes while nobody is subscribed is counted but not kept. */
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
  const socket = await openSocket(options);
  const watchLink = (up: boolean) => () => events.next({ type: "link", up, arrivedMs: serverNow() });
  socket.events.on("handshake", watchLink(true));
  socket.events.on("disconnect", watchLink(false));
  receive(socket, reader, events).catch((error: unknown) => events.error(error));
  return {
    events$: events.asObservable(),
    address: socket.lastEndpoint ?? options.address,
    counts: () => structuredClone(reader.counts),
    dispose() {
      if (socket.closed) return;
      socket.close();
      for (const event of reader.flush(serverNow())) events.next(event);
      events.complete();
    },
  };
}

/** Reads until the socket closes, and waits for nothing but the socket: a publisher drops what a slow reader leaves. */
async function receive(socket: Subscriber | Pull, reader: FrameReader, events: Subject<AcquisitionEvent>) {
  for await (const frames of socket) {
    if (socket.closed) return;
    for (const event of reader.read(frames, serverNow())) events.next(event);
  }
}

function createReader({ format, roster, stream, sampleRate }: AcquisitionOptions): FrameReader {
  const options = { roster, stream: stream ?? null, sampleRate: sampleRate ?? null };
  return format === "latentloop" ? createLatentloopReader(options) : createOpenEphysReader(options);
}

async function openSocket({ address, socket: kind }: AcquisitionOptions): Promise<Subscriber | Pull> {
  // No high-water mark (0): with one, ZeroMQ would drop a burst without a word; memory bounds it, and the loop keeps up.
  const socket = kind === "sub" ? new Subscriber({ receiveHighWaterMark: 0 }) : new Pull({ receiveHighWaterMark: 0 });
  try {
    if (socket instanceof Subscriber) {
      socket.connect(address);
      socket.subscribe();
    } else await socket.bind(address);
    return socket;
  } catch (error) {
    socket.close();
    const verb = kind === "sub" ? "connect to" : "bind";
    throw new ConfigurationError(
      `spikes: expected a ZeroMQ address to ${verb}, as tcp://127.0.0.1:5556, got "${address}": ${(error as Error).message}`,
    );
  }
}
