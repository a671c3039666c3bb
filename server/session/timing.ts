import { type Experiment, periodMs } from "../../protocols/experiment.ts";
import { axisTestEnds } from "../choice/axis-tester.ts";
import { drawBox, drawPrior } from "../choice/candidates.ts";
import { constraints, drawAllowed } from "../choice/constraints.ts";
import { createProgram } from "../choice/program.ts";
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
  const root = random(seed);
  const walk = (draw: typeof drawBox): Walk => {
    const fixed = Array.from({ length: choice.catch?.faces ?? 0 }, (_, k) =>
      draw(latents, range, root.split("catch", k)),
    );
    const program = createProgram(choice, fixed);
    const shown: Float64Array[] = [];
    const walked: Walk = { chosen: { faces: 0, lost: 0 }, planned: { faces: 0, lost: 0 } };
    for (let i = 0; i < faces; i++) {
      const allowed = constraints(choice.constraints, shown);
      const { planned } = program.due(i);
      const face = planned?.face ?? drawAllowed(allowed, (r) => draw(latents, range, r), root.split("constraints", i));
      const of = planned ? walked.planned : walked.chosen;
      of.faces++;
      of.lost += Number(!allowed(face));
      program.shown(i, face, planned === null);
      shown.push(face);
    }
    return walked;
  };
  // `traversal-grid` shows the faces that it must.
  const drawn = objectivesOf(choice).filter((objective) => objective !== "traversal-grid");
  const draws = new Set(drawn.map((objective) => (objective === "random" ? drawPrior : drawBox)));
  const walks = [...draws].map(walk);
  const hardly = (of: keyof Walk) => walks.map((walked) => walked[of]).find(({ faces: n, lost }) => lost > MOST * n);
  const [chosen, planned] = [hardly("chosen"), hardly("planned")];
  return [
    ...(chosen
      ? [
          `choice.constraints can hardly be kept: of ${chosen.faces} faces tried beforehand ${chosen.lost} did not keep them; loosen them`,
        ]
      : []),
    ...(planned
      ? [
          `choice.catch and choice.repeats come whatever choice.constraints say: of ${planned.faces} such faces tried beforehand ${planned.lost} did not keep them`,
        ]
      : []),
  ];
}

/** Faces that were walked through the constraints, and how many of them did not keep these: chosen ones, and those that come by plan. */
type Walk = Record<"chosen" | "planned", { faces: number; lost: number }>;

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
