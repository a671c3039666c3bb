/** Tuning and choice on a thread of their own, so that the one that reads spikes never waits for them. */
import { random } from "../../sim/random.ts";
import { serve } from "../worker.ts";
import { createDecider, type DeciderData } from "./decider.ts";

serve(({ settings, seed }: DeciderData) => createDecider(settings, random(seed).split("decider")));
