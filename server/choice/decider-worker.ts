/** Tuning and choice on a thread of their own, so that the one that reads spikes never waits for them. */
import { random } from "../random.ts";
import { noRefits, type Refit, type RefitJob, type Refits, type Refitter, type Taught } from "../tuning/refits.ts";
import { openWorker, serve } from "../worker.ts";
import { createDecider, type DeciderData, refitterSettings } from "./decider.ts";

/** Decisions after which V8 has compiled everything that a decision runs. */
const WARM_UP = 40;

serve(({ settings, seed }: DeciderData) => {
  warmUp({ settings, seed });
  return createDecider(settings, random(seed).split("decider"), refitsElsewhere(settings));
});

/** Runs a decider that is thrown away: the first trials of a session should not wait for a compiler. */
function warmUp({ settings, seed }: DeciderData): void {
  const scratch = createDecider(settings, random(seed).split("warm-up"), noRefits);
  const counts = settings.units.map(() => 1);
  let { latents } = scratch.decide(null, 1)[0];
  for (let i = 0; i < WARM_UP; i++) {
    [{ latents }] = scratch.decide({ latents, counts }, 1);
    scratch.refine();
  }
}

/** Refits on a thread of their own: this one answers trials. A unit is asked for again only once its last refit is back. */
function refitsElsewhere(settings: DeciderData["settings"]): Refits {
  // A dead refit worker ends this one, and so the session with its journal intact.
  const worker = openWorker<Refitter>("server/tuning/refit-worker.js", refitterSettings(settings), (error) => {
    throw error;
  });
  const underWay = new Set<number>();
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
      if (underWay.has(job.unit)) return;
      underWay.add(job.unit);
      worker.call("fit", job).then(
        (refit) => {
          underWay.delete(job.unit);
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
    finished: () => finished.splice(0),
  };
}
