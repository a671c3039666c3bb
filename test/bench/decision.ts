import { traversalGrid } from "../../server/choice/candidates.ts";
import { createDecider, type DeciderSettings } from "../../server/choice/decider.ts";
import { outlookNumbers } from "../../server/choice/outlook.ts";
import { reachNumbers } from "../../server/choice/reach.ts";
import { targetNumbers } from "../../server/choice/target.ts";
import { random } from "../../server/random.ts";
import { readExperiment } from "../../server/session/experiment-file.ts";
import { deciderSettings } from "../../server/session/settings.ts";
import { createBasis } from "../../server/tuning/basis.ts";
import { packedLength } from "../../server/tuning/kernels/kernels.ts";
import { posteriorNumbers, prospectNumbers } from "../../server/tuning/posterior.ts";
import { noRefits } from "../../server/tuning/refits.ts";
import { runVirtualSession } from "../../sim/study/virtual.ts";
import { type Spread, spread } from "./spread.ts";

const experimentFile = "protocols/experiments/one-to-one.yaml";

export interface DecisionBench {
  units: number;
  candidates: number;
  /** From a trial's counts to the next face: means learned, the choice made; milliseconds. */
  decideMs: Spread;
  /** What of a trial's work is done in the pause after it, while the face is decoded and shown: covariances, and the next choice prepared. */
  pauseMs: Spread;
  /** Memory that the posterior and the choices hold, for each unit. */
  bytesPerUnit: number;
  /** Reading every covariance once: the least that a decision of this size can take. */
  memoryMs: Spread;
  /** decideMs over memoryMs, medians. */
  timesMemory: number;
  /** Median of the last trials over the median of trials around the hundredth. */
  lateOverEarly: number;
}

/** Tuning and choice for a population, after `trials` trials. */
export async function benchDecision(units: number, trials: number): Promise<DecisionBench> {
  const experiment = await readExperiment(experimentFile);
  const names = Array.from({ length: units }, (_, i) => `unit-${i}`);
  // 3 + 2 bases of 12 × 9 + 1 candidates: the 512 of the goal, and a few.
  const choice = { ...experiment.choice, bases: 3, refinements: 2 };
  const settings = deciderSettings({ ...experiment, choice }, names);
  const root = random(1);
  const decider = createDecider(settings, root.split("decider"), noRefits);
  const counts = root.split("counts");
  let [face] = decider.decide(null, 1);
  const { candidates } = face.reason;
  const times: number[] = [];
  const pauses: number[] = [];
  for (let t = 0; t < trials; t++) {
    const response = names.map(() => counts.int(5));
    const start = performance.now();
    [face] = decider.decide({ latents: face.latents, counts: response }, 1);
    const chosen = performance.now();
    decider.refine();
    times.push(chosen - start);
    pauses.push(performance.now() - chosen);
  }
  const memoryMs = spread(sweepTimes(units, packedLength(1 + settings.latents * (1 + settings.smooth.functions))));
  const late = spread(times.slice(-Math.min(500, trials / 2)));
  return {
    units,
    candidates,
    decideMs: late,
    pauseMs: spread(pauses.slice(-Math.min(500, trials / 2))),
    bytesPerUnit: bytesPerUnit(settings),
    memoryMs,
    timesMemory: late.p50 / memoryMs.p50,
    lateOverEarly: late.p50 / spread(times.slice(75, 125)).p50,
  };
}

/** Of the memory that the decider's loops work in (server/choice/decider.ts, `build`). */
function bytesPerUnit({ latents, smooth, choice, lookahead }: DeciderSettings): number {
  const basis = createBasis(latents, smooth.functions, smooth.lengthScale, smooth.halfWidth);
  const ahead = { grid: traversalGrid(choice.range), lookahead, bases: choice.bases + choice.refinements };
  const numbers = (units: number) =>
    posteriorNumbers(basis, units) +
    targetNumbers(basis, units) +
    reachNumbers(basis, units) +
    prospectNumbers(basis, units) +
    outlookNumbers(basis, units, ahead);
  return 8 * (numbers(2) - numbers(1));
}

function sweepTimes(units: number, length: number): number[] {
  const matrix = new Float64Array(units * length).fill(1);
  return Array.from({ length: 30 }, () => {
    const start = performance.now();
    let a = 0;
    let b = 0;
    let c = 0;
    let d = 0;
    for (let i = 0; i + 3 < matrix.length; i += 4) {
      a += matrix[i];
      b += matrix[i + 1];
      c += matrix[i + 2];
      d += matrix[i + 3];
    }
    if (a + b + c + d < 0) throw new Error("unreachable: the sum is used, so that the loop is not left out");
    return performance.now() - start;
  });
}

/** Seconds for a whole session in virtual time. */
export async function benchVirtualSession(trials: number): Promise<{ trials: number; units: number; seconds: number }> {
  const experiment = await readExperiment(experimentFile, { trials });
  runVirtualSession({ ...experiment, trials: 20 }, 1);
  const start = performance.now();
  const { units } = runVirtualSession(experiment, 1);
  return { trials, units: units.length, seconds: (performance.now() - start) / 1000 };
}
