/** Refits on a thread of their own; it also writes snapshots, for which the one that decides has no time. */
import { type Snapshot, type WrittenSnapshot, writeSnapshot } from "../session/snapshot.ts";
import { giveWay, serve } from "../worker.ts";
import { createRefitter, type Refitter, type RefitterSettings } from "./refitter.ts";

export interface RefitService extends Refitter {
  /** Writes a snapshot with what this thread holds once all that it was asked before is done. Throws what the file system throws. */
  write(folder: string, snapshot: Omit<Snapshot, "refitter">): WrittenSnapshot;
}

giveWay();
serve((settings: RefitterSettings): RefitService => {
  const refitter = createRefitter(settings);
  return {
    ...refitter,
    write: (folder, snapshot) => writeSnapshot(folder, { ...snapshot, refitter: refitter.state() }),
  };
});
