import type { Refits } from "./refits.ts";
import { createRefitter, type Refit, type RefitterSettings } from "./refitter.ts";

/** Refits on this thread: finished when they are asked for, taken over in the next pause. */
export function refitsHere(settings: RefitterSettings): Refits {
  const refitter = createRefitter(settings);
  let finished: Refit[] = [];
  return {
    learn: refitter.learn,
    reset(unit) {
      refitter.reset(unit);
      finished = finished.filter((refit) => refit.unit !== unit);
    },
    request: (job) => finished.push(refitter.fit(job)),
    examine: async (job) => refitter.examine(job),
    readBack: async (beliefs) => refitter.readBack(beliefs),
    shown: async () => refitter.shown(),
    finished: () => finished.splice(0),
    state: async () => refitter.state(),
    async goOnFrom(state) {
      finished = refitter.goOnFrom(state);
    },
  };
}
