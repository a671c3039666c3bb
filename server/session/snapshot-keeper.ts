/** When a running session writes a snapshot, and what it says of it. */
import type { SessionFolder } from "./folder.ts";
import { type SnapshotHead, snapshotName, type WrittenSnapshot } from "./snapshot.ts";
import type { SessionEvent } from "./view.ts";

export interface SnapshotKeeperOptions {
  folder: SessionFolder;
  session: Omit<SnapshotHead["session"], "progress" | "isOver">;
  everyTrials: number;
  /** Has it written, of how things are now; the loop does not wait. */
  write(head: SnapshotHead): Promise<WrittenSnapshot>;
  now(): number;
  said(line: string): void;
}

/** Trials without a refit after which those that were due together have all come: they take longest to compute again. */
const REFITS_OVER = 5;
/** Writing takes a twentieth of the time at most. */
const REST = 20;

/** Told of every event after it was journalled. */
export function createSnapshotKeeper({ folder, session, everyTrials, write, now, said }: SnapshotKeeperOptions) {
  let last = folder.progress.lessons;
  /** Lessons when a refit came last, since the last snapshot; null: none has. */
  let refitted: number | null = null;
  let busy = false;
  let restUntilMs = 0;
  let hasFailed = false;

  return (event: SessionEvent): void => {
    if (event.kind !== "refined") return;
    const { progress } = folder;
    const { lessons } = progress;
    if (event.refits.length > 0) refitted = lessons;
    const isDue = lessons - last >= everyTrials || (refitted !== null && lessons - refitted >= REFITS_OVER);
    if (!isDue || busy || now() < restUntilMs) return;
    busy = true;
    last = lessons;
    refitted = null;
    const place = folder.place();
    folder.note("snapshot", now(), { file: snapshotName(place.n) });
    write({ place, session: { ...session, progress, isOver: false } })
      .then(
        ({ ms }) => {
          restUntilMs = now() + REST * ms;
          hasFailed = false;
        },
        (error: Error) => {
          if (!hasFailed)
            said(
              `warning: no snapshot could be written (${error.message}); to go on with the session takes longer without`,
            );
          hasFailed = true;
        },
      )
      .finally(() => {
        busy = false;
      });
  };
}
