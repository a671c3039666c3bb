/** Checks the figures that the README promises for the main job. Run by .ci/run; prints each and fails on the first miss. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { compiledModule } from "../../server/package-root.ts";
import type { SessionSummary } from "../../server/session/summary.ts";

const out = mkdtempSync(join(tmpdir(), "latentloop-acceptance-"));
let passed = 0;
let failed = 0;

function run(...options: string[]): SessionSummary {
  const args = ["run", "protocols/experiments/one-to-one.yaml", "--json", "--out", out, ...options];
  const { stdout, status, stderr } = spawnSync(
    process.execPath,
    [fileURLToPath(compiledModule("server/main.js")), ...args],
    {
      encoding: "utf8",
    },
  );
  if (status !== 0) throw new Error(`latentloop ${args.join(" ")} ended with ${status}:\n${stderr}`);
  return JSON.parse(stdout);
}

function check(what: string, value: number, holds: boolean): void {
  process.stdout.write(`${holds ? "ok  " : "FAIL"} ${what}: ${value}\n`);
  if (holds) passed++;
  else failed++;
}

const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
const errors = { variance: [] as number[], randomRange: [] as number[] };
const correlations = { variance: [] as number[], randomRange: [] as number[] };
for (const seed of [1, 2, 3, 4, 5]) {
  const of = (objective: string) => run("--virtual", "--seed", String(seed), "--objective", objective);
  const variance = of("variance");
  const correlation = variance.tuningCorrelation!.median;
  check(`seed ${seed}, variance: tuningCorrelation.median >= 0.85`, correlation, correlation >= 0.85);
  check(
    `seed ${seed}, variance: bestLatentCorrect >= 0.9`,
    variance.bestLatentCorrect!,
    variance.bestLatentCorrect! >= 0.9,
  );
  const randomRange = of("random-range");
  correlations.variance.push(correlation);
  correlations.randomRange.push(randomRange.tuningCorrelation!.median);
  errors.variance.push(variance.curveError!.median);
  errors.randomRange.push(randomRange.curveError!.median);
  const grid = of("traversal-grid").tuningCorrelation!.median;
  check(`seed ${seed}: traversal-grid's correlation is below that of variance`, grid, grid < correlation);
}
const better = mean(errors.variance) / mean(errors.randomRange);
check("mean error of variance over that of random-range < 1", better, better < 1);
const gain = mean(correlations.variance) - mean(correlations.randomRange);
check("mean correlation of variance less that of random-range > 0", gain, gain > 0);
const live = run("--display", "headless", "--seed", "1", "--port", "0", "--events", "tcp://127.0.0.1:*");
check("live: trials", live.trials, live.trials === 300);
check("live: messages lost", live.spikes.lost, live.spikes.lost === 0);
check("live: messages rejected", live.spikes.rejected, live.spikes.rejected === 0);
check("live: faces missing when due", live.deadlineMisses, live.deadlineMisses === 0);
check("live: tuningCorrelation.median >= 0.85", live.tuningCorrelation!.median, live.tuningCorrelation!.median >= 0.85);
// Timing is told, never tested: shared machines are noisy.
process.stdout.write(`     live: last spike to ready ${JSON.stringify(live.lastSpikeToReadyMs)} ms\n`);
process.stdout.write(`     live: frames dropped ${live.droppedFrames}\n`);
rmSync(out, { recursive: true });
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed > 0 ? 1 : 0;
