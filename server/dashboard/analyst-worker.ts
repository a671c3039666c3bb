/** The analyst on a thread of its own: started with the first dashboard, and idle while nobody watches. */
import { giveWay, serve } from "../worker.ts";
import { createAnalyst } from "./analyst.ts";

giveWay();
serve(createAnalyst);
