import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { Request } from "zeromq";

export interface Heartbeat {
  dispose(): void;
}

const EVERY_MS = 2000;
/** A request without an answer blocks its socket: after so long a new one is opened. */
const PATIENCE_MS = 10_000;

/** Where the GUI's ZMQ Interface takes heartbeats: the data port and one; null where the address has no port to count from. */
export function heartbeatAddress(dataAddress: string): string | null {
  const [, host, port] = /^(tcp:\/\/.+):(\d+)$/.exec(dataAddress) ?? [];
  return port === undefined || Number(port) >= 65_535 ? null : `${host}:${Number(port) + 1}`;
}

/**
 * Tells the Open Ephys GUI that this client is there (SPEC.md, W30), so that its ZMQ Interface lists it.
 *
 * @param answered told at each change: whether the GUI answers
 */
export function startHeartbeat(address: string, answered: (answers: boolean) => void): Heartbeat {
  const uuid = randomUUID();
  const stop = new AbortController();
  let socket: Request | null = null;
  let last: boolean | null = null;
  const tell = (answers: boolean) => {
    if (answers === last || stop.signal.aborted) return;
    last = answers;
    answered(answers);
  };
  const beat = async () => {
    socket ??= open(address);
    try {
      await socket.send(JSON.stringify({ application: "latentloop", uuid, type: "heartbeat" }));
      await socket.receive();
      tell(true);
    } catch {
      socket.close();
      socket = null;
      tell(false);
    }
  };
  void (async () => {
    while (!stop.signal.aborted) {
      await beat();
      await sleep(EVERY_MS, undefined, { signal: stop.signal }).catch(() => {});
    }
  })();
  return {
    dispose() {
      stop.abort();
      socket?.close();
    },
  };
}

function open(address: string): Request {
  const socket = new Request({ sendTimeout: PATIENCE_MS, receiveTimeout: PATIENCE_MS, linger: 0 });
  socket.connect(address);
  return socket;
}
