import { homedir } from "node:os";
import { join } from "node:path";

/** Where this program keeps on this machine what can be had again: $LATENTLOOP_CACHE, or ~/.cache/latentloop. */
export const cacheFolder = (): string => process.env.LATENTLOOP_CACHE ?? join(homedir(), ".cache", "latentloop");
