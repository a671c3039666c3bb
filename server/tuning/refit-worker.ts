/** Refits on a thread of their own. */
import { serve } from "../worker.ts";
import { createRefitter, type Refitter, type RefitterSettings } from "./refits.ts";

export type RefitApi = Refitter;

serve((settings: RefitterSettings): RefitApi => createRefitter(settings));
