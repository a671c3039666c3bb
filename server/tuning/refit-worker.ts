/** Refits on a thread of their own. */
import { serve } from "../worker.ts";
import { createRefitter, type Refitter, type RefitterSettings } from "./refits.ts";

serve((settings: RefitterSettings): Refitter => createRefitter(settings));
