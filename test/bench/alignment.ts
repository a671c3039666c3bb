/**
 * 200,000 simulated presentations in virtual time through the trials of a session: `npm run study:alignment [onsets] [seed]`.
 * Pulses lost 1 %, extra 1 %, glitches 0.5 %, clocks up to 50 ppm apart that jump and restart, queues of 20 ms.
 */
import { random } from "../../server/random.ts";
import { readExperiment } from "../../server/session/experiment-file.ts";
import type { AlignmentSettings } from "../../server/trials/trial.ts";
import { judgeStream } from "../../sim/timing/judge.ts";
import type { StreamFaults } from "../../sim/timing/stream.ts";

const [onsets = 200_000, seed = 1] = process.argv.slice(2).map(Number);
const faults: StreamFaults = {
  lost: 0.01,
  extra: 0.01,
  glitches: 0.005,
  driftPpm: 50,
  jumps: 1 / 4000,
  restarts: 1 / 8000,
  bursts: 0.05,
  burstMs: 20,
  inverted: false,
  unheard: 0,
};
const { alignment, response } = await readExperiment("protocols/experiments/one-to-one.yaml");
const runs: [string, number, Partial<AlignmentSettings>][] = [
  ["photodiode, 5 faces/s", 12, { method: "photodiode" }],
  ["photodiode, 10 faces/s", 6, { method: "photodiode" }],
  ["software, 5 faces/s", 12, { method: "software", displayDelayMs: 24 }],
];
for (const [name, periodFrames, changed] of runs) {
  const startMs = performance.now();
  const settings = { units: 1, ...response, alignment: { ...alignment, ...changed } };
  const judgement = judgeStream(onsets, periodFrames, faults, settings, random(seed).split(name));
  const seconds = (performance.now() - startMs) / 1000;
  process.stdout.write(`${JSON.stringify({ name, seconds, ...judgement })}\n`);
}
