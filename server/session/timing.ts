import { type Experiment, periodMs } from "../../protocols/experiment.ts";
import { axisTestEnds } from "../choice/axis-tester.ts";
import { drawBox, drawPrior } from "../choice/candidates.ts";
import { constraints, drawAllowed } from "../choice/constraints.ts";
import { random } from "../random.ts";

/** Time that the answer to a trial takes besides its window: transport, decision and synthesis, generously. */
const LOOP_MS = 50;

/** What in an experiment can't work out as it was meant, before the first face. */
export function planWarnings(experiment: Experiment): string[] {
  return [
    ...lookaheadWarnings(experiment),
    ...photodiodeWarnings(experiment),
    ...lengthWarnings(experiment),
    ...constraintWarnings(experiment),
  ];
}

/**
 * What is to be said of the simulated rig's transport, so that nobody takes a rehearsed fault for a real one.
 *
 * @param isVirtual in virtual time nothing is sent
 */
export function transportWarnings({ simulation, alignment }: Experiment, isVirtual: boolean): string[] {
  const transport = simulation?.transport;
  if (!transport) return [];
  if (isVirtual) return ["simulation.transport says nothing in virtual time, where no message is sent"];
  const { delayMs, jitterMs, faultsPerMinute } = transport;
  const faults = Object.entries(faultsPerMinute).map(([fault, rate]) => `${fault} ${rate}`);
  return [
    `the simulated rig is made to be worse than it is: ${delayMs} ms late, ${jitterMs} ms of jitter, faults a minute: ${faults.join(", ") || "none"} (simulation.transport)`,
    ...(delayMs > alignment.transportMs && alignment.method === "software"
      ? [
          `simulation.transport.delayMs ${delayMs} is more than alignment.transportMs ${alignment.transportMs}: windows lie up to ${delayMs - alignment.transportMs} ms too early, beyond the uncertainty that is stated, and no session can tell: on a rig that is so slow give alignment.transportMs, or use a photodiode`,
        ]
      : []),
  ];
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
  if (objectivesOf(choice).includes("axis-test")) {
    const tests = Math.max(axisTest.units.length, 1);
    const ends = axisTestEnds(choice, axisTest, tests, choice.lookahead);
    const judged = ends.filter((end) => end <= trials).length;
    const what = tests === 1 ? "the test needs" : `${tests} tests need`;
    const left = tests === 1 ? "it" : `${tests - judged} of them`;
    if (ends.length < tests)
      warnings.push(
        `choice.axisTest: ${what} more trials than choice.blocks give to axis-test: ${left} will not be judged`,
      );
    else if (judged < tests)
      warnings.push(
        `choice.axisTest: ${what} ${ends[tests - 1]} trials, faces chosen ahead and by plan included, and the session has ${trials}: ${left} will not be judged`,
      );
  }
  return warnings;
}

/** Faces that are walked through the constraints, and the share of them that has to be lost for a word. */
const WALKED = 200;
const MOST = 0.5;

/** Constraints that most faces will not keep. Where a model's faces can be shown is not asked here. */
function constraintWarnings({ latents, trials, seed, choice }: Experiment): string[] {
  const { range } = choice;
  const faces = Math.min(trials, WALKED);
  const lost = (draw: typeof drawBox) => {
    const shown: Float64Array[] = [];
    let kept = 0;
    for (let i = 0; i < faces; i++) {
      const allowed = constraints(choice.constraints, shown);
      const face = drawAllowed(allowed, (r) => draw(latents, range, r), random(seed).split("constraints", i));
      if (allowed(face)) kept++;
      shown.push(face);
    }
    return faces - kept;
  };
  // `traversal-grid` shows the faces that it must.
  const drawn = objectivesOf(choice).filter((objective) => objective !== "traversal-grid");
  const draws = new Set(drawn.map((objective) => (objective === "random" ? drawPrior : drawBox)));
  const worst = Math.max(...[...draws].map(lost), 0);
  return worst > MOST * faces
    ? [
        `choice.constraints can hardly be kept: of ${faces} faces tried beforehand ${worst} did not keep them; loosen them`,
      ]
    : [];
}

const objectivesOf = ({ objective, blocks }: Experiment["choice"]) => [
  objective,
  ...blocks.map((block) => block.objective),
];

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
