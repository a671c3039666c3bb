/** Finding what a Trodes network publishes, and where (SPEC.md, W31): its central server knows every endpoint by name. */
import { setTimeout as sleep } from "node:timers/promises";
import { Request, Subscriber } from "zeromq";
import { z } from "zod";
import { pack, unpack } from "../../../protocols/wire/message.ts";
import { ConfigurationError } from "../../failure.ts";

const PATIENCE_MS = 5000;
const RETRY_MS = 500;

const greeting = z.object({ replyEndpoint: z.string().min(1) });

/**
 * Where requests to a Trodes network's server go: it publishes that address over and over.
 *
 * @throws ConfigurationError where nothing that speaks so answers at the address
 */
export async function trodesServer(address: string): Promise<string> {
  const socket = new Subscriber({ receiveTimeout: PATIENCE_MS, linger: 0 });
  try {
    socket.connect(address);
    socket.subscribe();
    const [frame] = await socket.receive();
    const message = unpack(frame);
    const parsed = greeting.safeParse(message.ok ? message.value : null);
    if (!parsed.success) throw new Error("its message has no replyEndpoint");
    return parsed.data.replyEndpoint;
  } catch (error) {
    throw new ConfigurationError(
      `--rig ${address}: expected the server of a Trodes network (as tcp://127.0.0.1:49152), ${(error as Error).message}`,
    );
  } finally {
    socket.close();
  }
}

async function ask(endpoint: string, request: object): Promise<unknown> {
  const socket = new Request({ sendTimeout: PATIENCE_MS, receiveTimeout: PATIENCE_MS, linger: 0 });
  try {
    socket.connect(endpoint);
    await socket.send(pack(request));
    const [frame] = await socket.receive();
    const message = unpack(frame);
    if (!message.ok) throw new Error(message.detail);
    return message.value;
  } finally {
    socket.close();
  }
}

const askFor = async (server: string, name: string): Promise<string> =>
  z.string().parse(await ask(server, { tag: "get", name, endpoint: "" }));

/** The endpoint of a source, once there is one; null where `stopped` aborts first. A server that does not answer is asked again. */
export async function endpointOf(server: string, name: string, stopped: AbortSignal): Promise<string | null> {
  while (!stopped.aborted) {
    const endpoint = await askFor(server, name).catch(() => "");
    if (stopped.aborted) return null;
    if (endpoint !== "") return endpoint;
    await sleep(RETRY_MS, undefined, { signal: stopped }).catch(() => {});
  }
  return null;
}

const timerate = z.tuple([z.unknown(), z.unknown(), z.object({ timerate: z.number().positive() })]);

/** Ticks of the network's clock a second, in Hz. Throws ConfigurationError where Trodes does not say. */
export async function timeRate(server: string): Promise<number> {
  try {
    const service = await askFor(server, "trodes.info");
    if (service === "") throw new Error("it has no service trodes.info");
    return timerate.parse(await ask(service, { request: "timerate" }))[2].timerate;
  } catch (error) {
    throw new ConfigurationError(
      `recording.sampleRate: expected the rate of Trodes' timestamps from its network, ${(error as Error).message.split("\n")[0]}; give it in the experiment file`,
    );
  }
}
