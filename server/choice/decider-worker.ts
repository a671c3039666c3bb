/** Tuning and choice on a thread of their own, so that the one that reads spikes never waits for them. */
import { random } from "../random.ts";
import { serve } from "../worker.ts";
import { createDecider, type DeciderData } from "./decider.ts";

/** Decisions after which V8 has compiled everything that a decision runs. */
const WARM_UP = 40;

serve(({ settings, seed }: DeciderData) => {
  warmUp({ settings, seed });
  return createDecider(settings, random(seed).split("decider"));
});

/** Runs a decider that is thrown away: the first trials of a session should not wait for a compiler. */
function warmUp({ settings, seed }: DeciderData): void {
  const scratch = createDecider(settings, random(seed).split("warm-up"));
  const counts = settings.units.map(() => 1);
  let { latents } = scratch.decide(null, 1)[0];
  for (let i = 0; i < WARM_UP; i++) {
    [{ latents }] = scratch.decide({ latents, counts }, 1);
    scratch.refine();
  }
}
