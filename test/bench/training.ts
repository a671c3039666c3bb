import { execFileSync } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { defaultArchitecture } from "../../server/model/architecture.ts";
import { useBackend } from "../../server/model/backends.ts";
import { train } from "../../server/model/training/trainer.ts";
import { packageRoot } from "../../server/package-root.ts";
import { random } from "../../server/random.ts";

const [batch, steps, rounds, warmUp] = [64, 30, 3, 5];

/**
 * Images a second in training, on native TensorFlow if it is here and on wasm; beside them the same network in PyTorch, by
 * turns, if $LATENTLOOP_TORCH names a Python that has it. Medians of three.
 */
export async function benchTraining() {
  const python = process.env.LATENTLOOP_TORCH;
  const threads = availableParallelism();
  const script = fileURLToPath(new URL(`file://${packageRoot}/test/bench/training.py`));
  const torch = () =>
    Number(
      execFileSync(python!, [script, "--threads", String(threads), "--batch", String(batch), "--steps", String(steps)]),
    );
  const native = await useBackend("tfjs-node").catch(() => undefined);
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < rounds; round++) {
    if (native !== undefined) ours.push(await imagesPerS(steps));
    if (python !== undefined) theirs.push(torch());
  }
  await useBackend("wasm");
  const wasm = await imagesPerS(6);
  const middle = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? null;
  const [tfjsNode, pytorch] = [middle(ours), middle(theirs)];
  return { batch, threads, tfjsNode, pytorch, pytorchOverOurs: tfjsNode && pytorch && pytorch / tfjsNode, wasm };
}

async function imagesPerS(steps: number): Promise<number> {
  const draws = random("noise");
  const pixels = Uint8Array.from({ length: 256 * 64 * 64 * 3 }, () => draws.int(256));
  let started = 0;
  await train(
    { count: 256, side: 64, pixels, channels: 3 as const, manifest: undefined },
    {
      architecture: defaultArchitecture(64, 12),
      likelihood: { kind: "bernoulli" },
      betaFrom: 4,
      beta: 4,
      tc: 0,
      learningRate: 1e-3,
      steps: steps + warmUp,
      batch,
      seed: 1,
      validation: 0.05,
    },
    async ({ step }) => {
      if (step === warmUp) started = performance.now();
      return "go on";
    },
  );
  return (steps * batch) / ((performance.now() - started) / 1000);
}
