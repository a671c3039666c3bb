import { Redis } from "ioredis";
import { ConfigurationError } from "../../../server/failure.ts";

/** All keys of studies in Redis begin with it. */
export const PREFIX = "latentloop";

const schemes: Record<string, string> = {
  "redis:": "redis:",
  "rediss:": "rediss:",
  "valkey:": "redis:",
  "valkeys:": "rediss:",
};
const CONNECT_MS = 5000;
const RETRY_MS = 1000;

/** An address as it may be shown: without its password. */
export function shownAddress(address: string): string {
  const url = new URL(address);
  if (url.password) url.password = "…";
  return decodeURI(url.href);
}

/**
 * Connects to Redis or Valkey. Once it was reached, a connection that breaks is made again for as long as it takes.
 *
 * @param lost told when it breaks, and when it is back
 * @throws ConfigurationError for an address that is none, or where nobody answers
 */
export async function connect(address: string, lost: (words: string) => void): Promise<Redis> {
  const expected = `--cluster ${address}: expected the address of a Redis or Valkey server, as redis://host:6379`;
  if (!URL.canParse(address)) throw new ConfigurationError(expected);
  const url = new URL(address);
  const scheme = schemes[url.protocol];
  if (!scheme || !url.hostname) throw new ConfigurationError(expected);
  const shown = shownAddress(address);
  let reached = false;
  let up = true;
  const redis = new Redis(scheme + url.href.slice(url.protocol.length), {
    lazyConnect: true,
    connectTimeout: CONNECT_MS,
    // What workers wait with must not give up.
    maxRetriesPerRequest: null,
    // Asked for each time that the connection breaks, and not where it is closed from here.
    retryStrategy() {
      if (!reached) return null;
      if (up) lost(`${shown} is lost; trying again`);
      up = false;
      return RETRY_MS;
    },
  });
  let reason = "";
  redis.on("error", (error: NodeJS.ErrnoException) => {
    reason = error.message || (error.code ?? "");
  });
  redis.on("ready", () => {
    if (!up) lost(`${shown} is back`);
    up = true;
  });
  try {
    await redis.connect();
    await redis.ping();
  } catch (error) {
    redis.disconnect();
    throw new ConfigurationError(
      `--cluster ${shown}: expected a Redis or Valkey server there, ${reason || (error as Error).message}`,
    );
  }
  reached = true;
  return redis;
}
