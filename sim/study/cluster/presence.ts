import { randomUUID } from "node:crypto";
import type { Redis } from "ioredis";
import { PREFIX } from "./connection.ts";

/** A worker as it tells of itself. */
export interface WorkerPresence {
  host: string;
  pid: number;
  queue: string;
  /** Sessions at a time, and those that it has run. */
  slots: number;
  done: number;
}

/** A study as its coordinator tells of it. */
export interface StudyPresence {
  study: string;
  host: string;
  pid: number;
  queue: string;
  startedAt: string;
  /** Sessions that were still to be run when it was started, that ended since, and of these that failed. */
  planned: number;
  ended: number;
  failed: number;
}

const EVERY_MS = 2000;
const FORGOTTEN_S = 10;
const key = (what: Presence, id: string) => `${PREFIX}:present-${what}:${id}`;
type Presence = "worker" | "study";

/** Keeps telling of oneself; who stops is forgotten. */
export function announce<T extends WorkerPresence | StudyPresence>(redis: Redis, what: Presence, now: () => T) {
  const id = key(what, randomUUID());
  // Where Redis is away, the next one will do.
  const tell = () => redis.set(id, JSON.stringify(now()), "EX", FORGOTTEN_S).catch(() => {});
  const told = tell();
  const timer = setInterval(tell, EVERY_MS);
  return {
    told,
    async dispose() {
      clearInterval(timer);
      if (redis.status === "ready") await redis.del(id).catch(() => {});
    },
  };
}

export const presentWorkers = (redis: Redis): Promise<WorkerPresence[]> => present(redis, "worker");
export const presentStudies = (redis: Redis): Promise<StudyPresence[]> => present(redis, "study");

async function present<T>(redis: Redis, what: Presence): Promise<T[]> {
  const keys: string[] = [];
  let cursor = "0";
  do {
    const [next, found] = await redis.scan(cursor, "MATCH", key(what, "*"), "COUNT", 1000);
    cursor = next;
    keys.push(...found);
  } while (cursor !== "0");
  if (keys.length === 0) return [];
  const texts = await redis.mget(...keys.sort());
  return texts.flatMap((text) => (text ? [JSON.parse(text) as T] : []));
}
