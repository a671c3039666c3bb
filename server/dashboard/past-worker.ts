/** A past session's analyst on a thread of its own. */
import { serve } from "../worker.ts";
import { createPastAnalyst } from "./past-analyst.ts";

serve(createPastAnalyst);
