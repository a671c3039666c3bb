import { mkdir, open, rename } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { threadId } from "node:worker_threads";

/** Where this program keeps on this machine what can be had again: $LATENTLOOP_CACHE, or ~/.cache/latentloop. */
export const cacheFolder = (): string => process.env.LATENTLOOP_CACHE ?? join(homedir(), ".cache", "latentloop");

/** Writes a file of the cache whole or not at all. @throws what the file system throws */
export async function writeCached(file: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  // Two processes, or threads, may write the same.
  const own = `${file}.${process.pid}-${threadId}`;
  const written = await open(own, "w");
  try {
    await written.writeFile(content);
    await written.sync();
  } finally {
    await written.close();
  }
  await rename(own, file);
}
