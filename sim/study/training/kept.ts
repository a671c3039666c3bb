import { readdir, readFile, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { deserialize, serialize } from "node:v8";
import { cacheFolder, writeCached } from "../../../server/cache.ts";
import type { TrainingState } from "../../../server/model/training/trainer.ts";
import type { CellResult } from "../cell.ts";

/** Where a training stands, and the figures of the checkpoints that it has passed. */
export interface Standing {
  /** Index of the stage, and where that stands. */
  stage: number;
  state: TrainingState;
  result: CellResult;
}

/**
 * Where a training stands, as this machine's cache keeps it, for whoever takes it up here after it was interrupted.
 *
 * @param key of the cell: what is found under it is of this very training, on this version of the program and of V8
 */
export function keptTraining(key: string) {
  const file = join(cacheFolder(), "trainings", `${key}.bin`);
  return {
    /** Null where there is nothing, or nothing whole. */
    read: (): Promise<Standing | null> =>
      readFile(file)
        .then(deserialize)
        .catch(() => null),
    /** A training that was taken for lost may run twice. @throws if the cache can't be written */
    async write(standing: Standing): Promise<void> {
      await writeCached(file, serialize(standing));
      await forgetOld(dirname(file));
    },
    forget: (): Promise<void> => rm(file, { force: true }),
  };
}

/** Trainings that nobody has gone on with for so long are not kept. */
const KEPT_MS = 30 * 24 * 3_600_000;

async function forgetOld(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const file = join(folder, name);
    // Another process may have just renamed or removed it.
    const written = await stat(file).catch(() => null);
    if (written && Date.now() - written.mtimeMs > KEPT_MS) await rm(file, { force: true });
  }
}
