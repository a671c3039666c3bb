import { type Experiment, periodMs } from "../../protocols/experiment.ts";
import { trialsOfAxisTest } from "../choice/axis-test.ts";

/** Time that the answer to a trial takes besides its window: transport, decision and synthesis, generously. */
const LOOP_MS = 50;

/** What in an experiment can't work out as it was meant, before the first face. */
export function planWarnings(experiment: Experiment): string[] {
  return [...lookaheadWarnings(experiment), ...photodiodeWarnings(experiment), ...lengthWarnings(experiment)];
}

/** What the session is too short for. */
function lengthWarnings({ trials, choice }: Experiment): string[] {
  const { objective, blocks, axisTest } = choice;
  const warnings: string[] = [];
  const inBlocks = blocks.reduce((sum, { faces }) => sum + faces, 0);
  if (blocks.length > 0 && inBlocks >= trials)
    warnings.push(
      `choice.blocks take ${inBlocks} faces and the session has ${trials} trials: the objective ${objective} never has its turn`,
    );
  if (objective === "axis-test") {
    const tests = Math.max(axisTest.units.length, 1);
    const needed = Math.max(axisTest.afterTrials, inBlocks) + tests * trialsOfAxisTest(axisTest);
    if (needed > trials)
      warnings.push(
        `choice.axisTest: ${tests} ${tests === 1 ? "test needs" : "tests need"} ${needed} trials and the session has ${trials}: ${tests === 1 ? "it" : "the last"} will not be judged`,
      );
  }
  return warnings;
}

function lookaheadWarnings({ stimulus, response, choice }: Experiment): string[] {
  const answerMs = response.latencyMs + response.windowMs + LOOP_MS;
  const aheadMs = choice.lookahead * periodMs(stimulus);
  if (aheadMs >= answerMs) return [];
  const enough = Math.ceil(answerMs / periodMs(stimulus));
  return [
    `choice.lookahead ${choice.lookahead} × ${periodMs(stimulus)} ms a face is less than the ${answerMs} ms that an answer takes: faces will come late; take ${enough}`,
  ];
}

/** A shift is known to this beside the tolerance: the stream's transport and what its clock is uncertain by. */
const SHIFT_MS = 5;

function photodiodeWarnings({ stimulus, alignment, choice }: Experiment): string[] {
  if (alignment.method !== "photodiode") return [];
  const { maxDelayMs, toleranceMs, transportMs } = alignment;
  const warnings: string[] = [];
  const roomMs = maxDelayMs + 2 * toleranceMs + transportMs + SHIFT_MS;
  if (roomMs >= periodMs(stimulus))
    warnings.push(
      `alignment.maxDelayMs ${maxDelayMs} and what else is unknown (${roomMs} ms) is not less than the ${periodMs(stimulus)} ms from face to face: edges could belong to the face before; give the delay of your screen more closely`,
    );
  if (choice.lookahead < FOUND_WITH)
    warnings.push(
      `choice.lookahead ${choice.lookahead}: the photodiode's shift is found with ${FOUND_WITH} faces, so the first trials wait for 2 s and are flagged`,
    );
  return warnings;
}

/** SPEC.md, T11. */
const FOUND_WITH = 3;
