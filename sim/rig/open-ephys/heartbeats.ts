import { Reply } from "zeromq";
import { heartbeatAddress } from "../../../server/acquisition/heartbeat.ts";

/**
 * Answers heartbeats at the data port and one, as the GUI's ZMQ Interface does; null where that port is taken.
 * @param dataAddress with its port
 */
export async function answerHeartbeats(dataAddress: string): Promise<{ dispose(): void } | null> {
  const address = heartbeatAddress(dataAddress);
  if (address === null) return null;
  const socket = new Reply({ linger: 0 });
  try {
    await socket.bind(address);
  } catch {
    socket.close();
    return null;
  }
  void (async () => {
    for await (const [request] of socket) await socket.send(answerTo(request));
  })().catch(() => {});
  return { dispose: () => socket.close() };
}

function answerTo(request: Uint8Array): string {
  try {
    const { type } = JSON.parse(new TextDecoder().decode(request)) as { type?: string };
    return type === "heartbeat" ? "heartbeat received" : "message correctly parsed";
  } catch {
    return "JSON message could not be read";
  }
}
