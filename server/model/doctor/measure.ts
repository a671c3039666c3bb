/** What one backend does on this machine; run in a process of its own, for a broken one may end it. */
import * as tf from "@tensorflow/tfjs-core";
import { random } from "../../random.ts";
import { type Architecture, defaultArchitecture, parameterShapes } from "../architecture.ts";
import type { BackendName } from "../backend-name.ts";
import { useBackend } from "../backends.ts";
import { createDecoder } from "../decoder.ts";
import type { ModelFolder } from "../model-folder.ts";
import { initialParameters } from "../training/initial.ts";
import { bound } from "../training/objective.ts";
import { prepare } from "../training/trainer.ts";

export const sides = [64, 128] as const;
export const batches = [1, 8, 32] as const;

export interface Measured {
  version: string;
  /** Milliseconds for a batch, median; null where one took longer than there was patience for. */
  decodeMs: { side: number; batch: number; ms: number | null }[];
  /** Of the same face, in levels of 255, against the reference backend. */
  pixelsOff: number;
  /** Largest difference of a training step's loss and gradients (batch 2), relative to the largest entry of each. */
  trainingOff: number | null;
  /** Milliseconds for a training step, batch 32 at 64². */
  trainingMs: number | null;
}

const LATENTS = 12;
const PATIENCE_MS = 4000;

/** @param reference what pixels and the training step are compared with: the plain `cpu` backend, or wasm for its speed */
export async function measureBackend(name: BackendName, reference: BackendName): Promise<Measured> {
  // What cannot be had says so before anything is computed.
  await useBackend(name);
  const small = networkOf(64);
  await useBackend(reference);
  const expected = await figures(small);
  const version = await useBackend(name);
  const found = await figures(small);
  const decodeMs: Measured["decodeMs"] = [];
  for (const side of sides) decodeMs.push(...(await decodeTimes(side)));
  return {
    version,
    decodeMs,
    pixelsOff: Math.max(...found.face.map((value, i) => Math.abs(value - expected.face[i]))),
    trainingOff: found.step && expected.step && worstRelative(found.step.numbers, expected.step.numbers),
    trainingMs: found.step && found.step.ms < PATIENCE_MS / 2 ? (await trainingStep(small, 32)).ms : null,
  };
}

/** An untrained network of the default architecture: as quick as a trained one, and there without a file. */
function networkOf(side: number): { architecture: Architecture; weights: Record<string, Float32Array> } {
  const architecture = defaultArchitecture(side, LATENTS);
  return { architecture, weights: initialParameters(architecture, random(1)) };
}

async function decodeTimes(side: number): Promise<Measured["decodeMs"]> {
  const decoder = decoderOf(networkOf(side));
  const draws = random(2);
  const times: Measured["decodeMs"] = [];
  let one = 0;
  for (const batch of batches) {
    const patient = one * batch < PATIENCE_MS;
    const ms = patient
      ? await medianMs(() => decoder.decode(Float32Array.from({ length: batch * LATENTS }, () => draws.normal())))
      : null;
    if (batch === 1) one = ms!;
    times.push({ side, batch, ms });
  }
  decoder.dispose();
  return times;
}

async function medianMs(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  const first = performance.now() - begun;
  if (first > PATIENCE_MS / 4) return first;
  const times: number[] = [];
  while (times.length < 3 || (times.length < 25 && performance.now() - begun < 1000)) {
    const start = performance.now();
    await work();
    times.push(performance.now() - start);
  }
  return times.sort((a, b) => a - b)[times.length >> 1];
}

interface Figures {
  face: Uint8Array;
  /** Null where the backend has not all that training needs. */
  step: { numbers: Float32Array[]; ms: number } | null;
}

async function figures(network: ReturnType<typeof networkOf>): Promise<Figures> {
  const decoder = decoderOf(network);
  const face = await decoder.decode(Float32Array.from({ length: LATENTS }, (_, i) => (i % 3) - 1));
  decoder.dispose();
  return { face, step: await trainingStep(network, 2).catch(() => null) };
}

/** Loss and gradients of a batch of noise: what Adam turns into a step. */
async function trainingStep({ architecture, weights }: ReturnType<typeof networkOf>, n: number) {
  prepare();
  const draws = random(3);
  const pixels = Float32Array.from({ length: n * architecture.side ** 2 * 3 }, () => draws.uniform());
  const noise = Float32Array.from({ length: n * LATENTS }, () => draws.normal());
  const shapes = parameterShapes(architecture);
  const parameters = shapes.map(({ name, shape }) => tf.tensor(weights[name], shape));
  const step = async () => {
    const start = performance.now();
    const results = tf.tidy(() => {
      const images = tf.tensor4d(pixels, [n, architecture.side, architecture.side, 3]);
      const epsilon = tf.tensor2d(noise, [n, LATENTS]);
      const { value, grads } = tf.valueAndGrads((...p: tf.Tensor[]) => {
        const { nll, kl } = bound(
          architecture,
          Object.fromEntries(shapes.map(({ name }, i) => [name, p[i]])),
          images,
          epsilon,
        );
        return tf.add(nll, tf.sum(kl));
      })(parameters);
      return [value, ...grads];
    });
    const numbers = await Promise.all(results.map(async (tensor) => Float32Array.from(await tensor.data())));
    tf.dispose(results);
    return { numbers, ms: performance.now() - start };
  };
  let result = await step();
  // The first compiles and allocates; where it took long, that is not what took it.
  if (result.ms < PATIENCE_MS / 4) result = await step();
  tf.dispose(parameters);
  return result;
}

function worstRelative(found: Float32Array[], expected: Float32Array[]): number {
  return Math.max(
    ...expected.map((values, k) => {
      const scale = values.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-12);
      return values.reduce((worst, value, i) => Math.max(worst, Math.abs(value - found[k][i])), 0) / scale;
    }),
  );
}

function decoderOf({ architecture, weights }: ReturnType<typeof networkOf>) {
  const { side } = architecture;
  // Of the card the decoder reads these two.
  const card = { architecture, image: { width: side, height: side } } as ModelFolder["card"];
  return createDecoder({ folder: "", card, weights });
}
