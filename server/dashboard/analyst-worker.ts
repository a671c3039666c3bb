/** The analyst on a thread of its own: started with the first dashboard, and idle while nobody watches. */
import { serve } from "../worker.ts";
import { createAnalyst } from "./analyst.ts";

serve(createAnalyst);
