import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, test } from "vitest";
import { parameterShapes } from "../../server/model/architecture.ts";
import { useBackend } from "../../server/model/backends.ts";
import { spearman } from "../../server/model/measures/rank.ts";
import { depthToSpace } from "../../server/model/network.ts";
import { evaluate, reordered } from "../../server/model/training/evaluation.ts";
import type { ImageSet } from "../../server/model/training/images.ts";
import { bound, totalCorrelation } from "../../server/model/training/objective.ts";
import { independentComponents, rotated } from "../../server/model/training/rotation.ts";
import { betaAt, capacityAt, learningRateAt } from "../../server/model/training/schedule.ts";
import { prepare, splitImages, type TrainingRecipe, train } from "../../server/model/training/trainer.ts";
import { random } from "../../server/random.ts";
import { tinyArchitecture as a, untrained } from "./tiny.ts";

/** Squares of one grey on a ground of another: two factors. */
function squares(count: number): ImageSet {
  const draws = random("squares");
  const pixels = new Uint8Array(count * 8 * 8 * 3);
  for (let i = 0; i < count; i++) {
    const [inside, outside] = [draws.uniform() * 255, draws.uniform() * 255];
    for (let y = 0; y < 8; y++) {
      for (let x = 0; x < 8; x++) {
        const value = x > 1 && x < 6 && y > 1 && y < 6 ? inside : outside;
        pixels.fill(value, ((i * 8 + y) * 8 + x) * 3, ((i * 8 + y) * 8 + x + 1) * 3);
      }
    }
  }
  return { count, side: 8, pixels, channels: 3 as const, manifest: undefined };
}

const recipe: TrainingRecipe = {
  architecture: a,
  likelihood: { kind: "bernoulli" },
  tc: 0,
  steps: 60,
  batch: 16,
  seed: 1,
  validation: 0.1,
  betaFrom: 2,
  beta: 1,
  learningRate: 3e-3,
};

async function losses(backend: "cpu" | "wasm", steps: number, changes: Partial<TrainingRecipe> = {}) {
  await useBackend(backend);
  const history: number[] = [];
  await train(squares(200), { ...recipe, steps, ...changes }, async ({ nll }) => {
    history.push(nll);
    return "go on";
  });
  return history;
}

describe("gradients", () => {
  beforeAll(async () => {
    await useBackend("cpu");
    prepare();
  });

  test.each([
    { activation: "relu", likelihood: { kind: "bernoulli" } },
    { activation: "leaky-relu", likelihood: { kind: "gaussian", sd: 0.3 } },
  ] as const)("of the bound agree with finite differences for every parameter: %o", ({ activation, likelihood }) => {
    const { weights } = untrained(a);
    const draws = random(8);
    const x = tf.tensor4d(
      Float32Array.from({ length: 2 * 192 }, () => draws.uniform()),
      [2, 8, 8, 3],
    );
    const noise = tf.tensor2d(
      Float32Array.from({ length: 6 }, () => draws.normal()),
      [2, 3],
    );
    const shapes = parameterShapes(a);
    const tensors = shapes.map(({ name, shape }) => tf.tensor(weights[name], shape));
    const loss = (...values: tf.Tensor[]) => {
      const p = Object.fromEntries(shapes.map(({ name }, i) => [name, values[i]]));
      const { nll, kl, tc } = bound({ ...a, activation }, p, x, noise, likelihood, 50);
      return tf.add(tf.add(nll, tf.mul(tf.abs(tf.sub(tf.sum(kl), 9)), 3)), tf.mul(tc!, 7)) as tf.Scalar;
    };
    const gradients = tf.grads(loss)(tensors);
    for (const [i, { name, shape }] of shapes.entries()) {
      // Along a random direction: (f(w + εd) − f(w − εd)) / 2ε against ∇f · d. ReLU's kinks and single precision, with
      // f near 130, leave a few per cent at ε = 1e-3.
      const direction = tf.tensor(
        Float32Array.from({ length: weights[name].length }, () => draws.normal()),
        shape,
      );
      const epsilon = 2e-3;
      const moved = (by: number) =>
        loss(...tensors.map((t, k) => (k === i ? tf.add(t, tf.mul(direction, by)) : t))).dataSync()[0];
      const difference = (moved(epsilon) - moved(-epsilon)) / (2 * epsilon);
      const slope = tf.sum(tf.mul(gradients[i], direction)).dataSync()[0];
      expect(Math.abs(difference - slope), name).toBeLessThan(0.05 * Math.max(1, Math.abs(slope)));
    }
  });

  test("depth to space carries its gradient back to where the value came from", () => {
    const weight = tf.tensor4d(
      Array.from({ length: 64 }, (_, i) => i),
      [1, 4, 4, 4],
    );
    const x = tf.zeros([1, 2, 2, 16]) as tf.Tensor4D;
    const gradient = tf.grad((t) => tf.sum(tf.mul(depthToSpace(t as tf.Tensor4D, 2), weight)))(x) as tf.Tensor4D;
    // The gradient of a rearrangement, rearranged, is the weight itself.
    expect(Array.from(depthToSpace(gradient, 2).dataSync())).toEqual(Array.from(weight.dataSync()));
  });

  test.each([
    { size: 3, stride: 1, pad: "same" as const, side: 6 },
    { size: 4, stride: 2, pad: "same" as const, side: 8 },
    { size: 4, stride: 2, pad: "same" as const, side: 7 },
    { size: 3, stride: 2, pad: "valid" as const, side: 8 },
    { size: 3, stride: 1, pad: 1, side: 5 },
  ])("of a convolution on wasm are those of the cpu backend: %o", async ({ size, stride, pad, side }) => {
    const draws = random(`filter ${size} ${stride} ${pad}`);
    const values = (n: number) => Float32Array.from({ length: n }, () => draws.normal());
    const image = values(2 * side * side * 3);
    const filter = values(size * size * 3 * 5);
    const found: Float32Array[][] = [];
    for (const backend of ["cpu", "wasm"] as const) {
      await useBackend(backend);
      prepare();
      const before = tf.memory().numTensors;
      const gradients = tf.tidy(() => {
        const loss = (x: tf.Tensor, w: tf.Tensor) =>
          tf.sum(tf.square(tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, stride, pad)));
        return tf.grads(loss)([tf.tensor4d(image, [2, side, side, 3]), tf.tensor4d(filter, [size, size, 3, 5])]);
      });
      found.push((await Promise.all(gradients.map((gradient) => gradient.data()))) as Float32Array[]);
      tf.dispose(gradients);
      expect(tf.memory().numTensors).toBe(before);
    }
    for (const which of [0, 1]) {
      const largest = Math.max(...found[0][which].map(Math.abs));
      for (const [i, value] of found[0][which].entries()) {
        expect(Math.abs(value - found[1][which][i])).toBeLessThan(1e-5 * largest);
      }
    }
  });
});

test("training lowers the loss, and the same seed gives the same course, on wasm as on cpu", async () => {
  const wasm = await losses("wasm", 60);
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  expect(mean(wasm.slice(-10))).toBeLessThan(mean(wasm.slice(0, 10)) - 2);
  expect(await losses("wasm", 5)).not.toEqual(wasm.slice(0, 5));
  expect(await losses("wasm", 60)).toEqual(wasm);
  const [cpu, again] = [await losses("cpu", 8), await losses("wasm", 8)];
  // Rounding differs and grows with the steps.
  for (let i = 0; i < 8; i++) expect(Math.abs(cpu[i] - again[i])).toBeLessThan(1e-2);
});

test("training stops when told to and leaves no tensor behind", async () => {
  await useBackend("wasm");
  const before = tf.memory().numTensors;
  let steps = 0;
  await train(squares(40), recipe, async () => (++steps === 3 ? "stop" : "go on"));
  expect(steps).toBe(3);
  expect(tf.memory().numTensors).toBe(before);
});

test("an interrupted training, resumed, ends where the uninterrupted one does, bit for bit", async () => {
  await useBackend("wasm");
  const images = squares(50);
  const whole = await train(images, { ...recipe, steps: 9 }, async () => "go on");
  const half = await train(images, { ...recipe, steps: 9 }, async ({ step }) => (step === 4 ? "stop" : "go on"));
  expect(half.step).toBe(4);
  expect(await train(images, { ...recipe, steps: 9, state: half }, async () => "go on")).toEqual(whole);
});

test("training can go on from a model's weights", async () => {
  const { weights } = untrained(a, 9);
  const first = await losses("wasm", 1, { initial: weights });
  expect(await losses("wasm", 1, { initial: untrained(a, 9).weights })).toEqual(first);
  expect(await losses("wasm", 1)).not.toEqual(first);
});

test("a loss that is not finite is told, with what to try", async () => {
  await expect(losses("cpu", 60, { learningRate: 1e30 })).rejects.toThrow(/finite loss.*--learning-rate/);
});

test("total correlation is that of the mixture of posteriors, estimated as minibatch-weighted sampling does", async () => {
  await useBackend("cpu");
  const draws = random("tc");
  const [n, d, population] = [5, 3, 40];
  const values = () => Float32Array.from({ length: n * d }, () => draws.normal());
  const [z, mean, logVariance] = [values(), values(), values()];
  const density = (k: number, m: number, i: number) => {
    const variance = Math.exp(logVariance[m * d + i]);
    return Math.exp(-((z[k * d + i] - mean[m * d + i]) ** 2) / (2 * variance)) / Math.sqrt(2 * Math.PI * variance);
  };
  let expected = 0;
  for (let k = 0; k < n; k++) {
    const sum = (term: (m: number) => number) =>
      [0, 1, 2, 3, 4].reduce((total, m) => total + term(m), 0) / (n * population);
    expected += Math.log(sum((m) => density(k, m, 0) * density(k, m, 1) * density(k, m, 2))) / n;
    for (let i = 0; i < d; i++) expected -= Math.log(sum((m) => density(k, m, i))) / n;
  }
  const tensor = (x: Float32Array) => tf.tensor2d(x, [n, d]);
  const [found] = totalCorrelation(tensor(z), tensor(mean), tensor(logVariance), population).dataSync();
  expect(found).toBeCloseTo(expected, 4);
});

test("independent components of mixed uniform sources are the sources, and mixing undoes unmixing", () => {
  const draws = random("sources");
  const mix = [
    [1, 0.9, 0.2],
    [-0.6, 1, 0.3],
    [0.1, -0.4, 2],
  ];
  const sources = Array.from({ length: 5000 }, () => [0, 1, 2].map(() => draws.uniform()));
  const rows = sources.map((s) => mix.map((row) => row.reduce((sum, weight, i) => sum + weight * s[i], 3)));
  const { mean, unmixing, mixing } = independentComponents(rows);
  const found = rows.map((row) => unmixing.map((w) => w.reduce((sum, v, i) => sum + v * (row[i] - mean[i]), 0)));
  for (const s of [0, 1, 2]) {
    const rho = [0, 1, 2]
      .map((k) =>
        Math.abs(
          spearman(
            sources.map((x) => x[s]),
            found.map((y) => y[k]),
          ),
        ),
      )
      .sort();
    expect(rho[2]).toBeGreaterThan(0.995);
    expect(rho[1]).toBeLessThan(0.05);
  }
  for (const [i, row] of rows.slice(0, 5).entries()) {
    const back = mixing.map((m, k) => mean[k] + m.reduce((sum, v, j) => sum + v * found[i][j], 0));
    for (const k of [0, 1, 2]) expect(back[k]).toBeCloseTo(row[k], 9);
  }
});

test("turning a model's code changes no picture, and makes its latents uncorrelated, of second moment 1", async () => {
  await useBackend("cpu");
  const { weights } = untrained(a, 5);
  // Large enough posteriors for all to count as active.
  const loud = { ...weights, "encoder/posterior/kernel": weights["encoder/posterior/kernel"].map((v) => 30 * v) };
  const images = squares(400);
  const chosen = Uint32Array.from({ length: 400 }, (_, i) => i);
  const before = await evaluate(a, loud, images, chosen);
  const after = await evaluate(a, rotated(a, loud, before), images, chosen);
  expect(after.psnrDb).toBeCloseTo(before.psnrDb, 3);
  for (const [l, { mean, sd }] of after.latents.entries()) {
    expect(mean).toBeCloseTo(0, 3);
    expect(sd ** 2 + after.noiseVariance[l]).toBeCloseTo(1, 2);
    for (let other = 0; other < l; other++) {
      const product = after.means.reduce((sum, row) => sum + row[l] * row[other], 0) / 400;
      expect(Math.abs(product)).toBeLessThan(1e-3);
    }
  }
});

test("held-out images are not trained on, and the seed decides which", () => {
  const { training, held } = splitImages(100, 0.05, 1);
  expect(held.length).toBe(5);
  expect(new Set([...training, ...held]).size).toBe(100);
  expect(splitImages(100, 0.05, 1).held).toEqual(held);
  expect(splitImages(100, 0.05, 2).held).not.toEqual(held);
  expect(() => splitImages(1, 0.05, 1)).toThrow("at least 2 images");
});

test("reordering latents permutes their summaries and changes no picture", async () => {
  await useBackend("cpu");
  const { weights } = untrained(a, 5);
  const chosen = Uint32Array.of(0, 1, 2, 3);
  const before = await evaluate(a, weights, squares(4), chosen);
  const after = await evaluate(a, reordered(a, weights, [2, 0, 1]), squares(4), chosen);
  expect(after.psnrDb).toBeCloseTo(before.psnrDb, 4);
  for (const [to, from] of [2, 0, 1].entries()) {
    expect(after.latents[to].klNats).toBeCloseTo(before.latents[from].klNats, 6);
    expect(after.latents[to].mean).toBeCloseTo(before.latents[from].mean, 5);
  }
});

test("β falls geometrically to its end and stays, as capacity rises in a line; the learning rate falls after it", () => {
  const schedule = { betaFrom: 100, beta: 1, tc: 0, capacity: 21, learningRate: 1e-3 };
  expect(betaAt(schedule, 0)).toBeCloseTo(100);
  expect(betaAt(schedule, 0.35)).toBeCloseTo(10);
  for (const progress of [0.7, 0.8, 1]) expect(betaAt(schedule, progress)).toBeCloseTo(1);
  expect([0, 0.35, 0.7, 1].map((progress) => capacityAt(schedule, progress))).toEqual([0, 10.5, 21, 21]);
  expect(learningRateAt(schedule, 0.5)).toBeCloseTo(1e-3);
  expect(learningRateAt(schedule, 1)).toBeCloseTo(5e-5);
});

test("Spearman's correlation sees order alone, and shares ranks among ties", () => {
  expect(spearman([1, 2, 3, 4], [1, 8, 27, 1000])).toBeCloseTo(1);
  expect(spearman([1, 2, 3, 4], [4, 3, 2, 1])).toBeCloseTo(-1);
  // Ranks 0.5, 0.5, 2, 3 against 0, 1, 2, 3: 4.5 / √(4.5 · 5).
  expect(spearman([1, 1, 2, 3], [1, 2, 3, 4])).toBeCloseTo(4.5 / Math.sqrt(22.5));
  expect(spearman([1, 1], [1, 2])).toBeNaN();
});
