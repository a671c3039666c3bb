import { type Experiment, periodMs } from "../../protocols/experiment.ts";

/** Time that the answer to a trial takes besides its window: transport, decision and synthesis, generously. */
const LOOP_MS = 50;

/** What in an experiment's timing can't work out, before the first face. */
export function timingWarnings({ stimulus, response, choice }: Experiment): string[] {
  const answerMs = response.latencyMs + response.windowMs + LOOP_MS;
  const aheadMs = choice.lookahead * periodMs(stimulus);
  if (aheadMs >= answerMs) return [];
  const enough = Math.ceil(answerMs / periodMs(stimulus));
  return [
    `choice.lookahead ${choice.lookahead} × ${periodMs(stimulus)} ms a face is less than the ${answerMs} ms that an answer takes: faces will come late; take ${enough}`,
  ];
}
