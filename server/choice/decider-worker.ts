/** Tuning and choice on a thread of their own, so that the one that reads spikes never waits for them. */
import { random } from "../random.ts";
import { replayJournal } from "../session/replay.ts";
import { readSnapshot, type Snapshot, type SnapshotHead, type WrittenSnapshot } from "../session/snapshot.ts";
import type { RefitService } from "../tuning/refit-worker.ts";
import { noRefits, type Refits } from "../tuning/refits.ts";
import type { Refit, RefitJob, Taught } from "../tuning/refitter.ts";
import { handAllOver, openWorker, serve } from "../worker.ts";
import { createDecider, type Decider, type DeciderData, refitterSettings } from "./decider.ts";
import { type Difference, type FaceChoice, pacedRefits } from "./replay.ts";

/** Decisions after which V8 has compiled everything that a decision runs; with many units it has sooner, and nobody waits for longer than that. */
const WARM_UP = 40;
const WARM_UP_MS = 400;

/** What the thread offers. */
export interface DeciderService extends Decider {
  /** Runs a decider that is thrown away: the first trials of a session should not wait for a compiler. Changes nothing; once is enough. */
  warmUp(): void;
  /**
   * Takes a new decider to where a session's journal has it, before anything else is asked of it, and then warms it up.
   *
   * @param snapshots names of those to begin with: the first that can be read, or else the journal's beginning
   */
  restore(folder: string, records: number, snapshots: readonly string[]): Promise<Restored>;
  /** Writes what is known now, and what the loop's own thread says, into the session's folder. Nothing waits for it. */
  snapshot(folder: string, head: SnapshotHead): Promise<WrittenSnapshot>;
}

export interface Restored {
  /** Chosen and not answered, oldest first. */
  faces: FaceChoice[];
  /** Where it came to something else than the journal says: another machine, or another version. */
  difference: Difference | null;
}

serve(({ settings, seed }: DeciderData): DeciderService => {
  const elsewhere = refitsElsewhere(settings);
  const refits = pacedRefits(elsewhere);
  refits.run();
  const decider = createDecider(settings, random(seed).split("decider"), refits);
  let isWarm = false;
  const warmUp = () => {
    if (isWarm) return;
    isWarm = true;
    const untilMs = performance.now() + WARM_UP_MS;
    const scratch = createDecider(settings, random(seed).split("warm-up"), noRefits);
    const counts = settings.units.map(() => 1);
    let { latents } = scratch.decide(null, 1)[0];
    for (let i = 0; i < WARM_UP && performance.now() < untilMs; i++) {
      [{ latents }] = scratch.decide({ latents, counts }, 1);
      scratch.refine();
    }
  };
  return {
    ...decider,
    warmUp,
    async restore(folder, records, snapshots) {
      refits.pace();
      const { units, windowS } = settings;
      const from = firstReadable(folder, snapshots);
      if (from) {
        await refits.goOnFrom(from.refitter);
        decider.goOnFrom(from.decider);
      }
      const { difference } = await replayJournal(folder, { units, windowS, decider, refits }, { records, from });
      refits.run();
      // Once that is answered: displays find their way here meanwhile.
      setImmediate(warmUp);
      return { faces: decider.outstanding(), difference };
    },
    snapshot: (folder, head) => elsewhere.write(folder, { ...head, decider: decider.state() }),
    beliefs() {
      const beliefs = decider.beliefs();
      if (!beliefs) return null;
      const { mean, precision, covariance, dispersion } = beliefs;
      return handAllOver(beliefs, [mean, precision, covariance, dispersion]);
    },
  };
});

function firstReadable(folder: string, names: readonly string[]): Snapshot | null {
  for (const name of names)
    try {
      return readSnapshot(folder, name);
    } catch {
      // The journal has all that it has.
    }
  return null;
}

/** Refits on a thread of their own: this one answers trials. */
function refitsElsewhere(settings: DeciderData["settings"]): Refits & {
  write(...args: Parameters<RefitService["write"]>): Promise<WrittenSnapshot>;
} {
  // A dead refit worker ends this one, and so the session with its journal intact.
  const worker = openWorker<RefitService>("server/tuning/refit-worker.js", refitterSettings(settings), (error) => {
    throw error;
  });
  let finished: Refit[] = [];
  return {
    learn(taught: Taught) {
      void worker.call("learn", taught);
    },
    reset(unit) {
      void worker.call("reset", unit);
      finished = finished.filter((refit) => refit.unit !== unit);
    },
    request(job: RefitJob) {
      worker.call("fit", job).then(
        (refit) => {
          finished.push(refit);
        },
        // A fit that fails ends this thread, and so the session with its journal intact.
        (error) => {
          throw error;
        },
      );
    },
    examine: (job) => worker.call("examine", job),
    readBack: (beliefs) => worker.call("readBack", beliefs),
    shown: () => worker.call("shown"),
    finished: () => finished.splice(0),
    state: () => worker.call("state"),
    async goOnFrom(state) {
      finished = await worker.call("goOnFrom", state);
    },
    write: (folder, snapshot) => worker.call("write", folder, snapshot),
  };
}
