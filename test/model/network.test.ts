import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, expect, test } from "vitest";
import { defaultArchitecture, parameterShapes } from "../../server/model/architecture.ts";
import { useBackend } from "../../server/model/backends.ts";
import { decodeLogits, encode } from "../../server/model/network.ts";
import { random } from "../../server/random.ts";
import { tinyArchitecture as a, untrained } from "./tiny.ts";

beforeAll(() => useBackend("cpu"));

const { weights } = untrained(a);
// Biases other than zero, so that forgetting one shows.
for (const [name, values] of Object.entries(weights)) {
  if (name.endsWith("/bias")) values.set(values.map((_, i) => 0.1 * (i % 3) - 0.1));
}
const parameters = () =>
  Object.fromEntries(parameterShapes(a).map(({ name, shape }) => [name, tf.tensor(weights[name], shape)]));

/** An image as [y][x][channel]. */
type Image = number[][][];

/** Convolution by its definition, "same" padding as TensorFlow has it. */
function naiveConvolution(x: Image, name: string, size: number, stride: number): Image {
  const kernel = weights[`${name}/kernel`];
  const bias = weights[`${name}/bias`];
  const [inputs, outputs] = [x[0][0].length, bias.length];
  const out = Math.ceil(x.length / stride);
  const before = Math.floor(Math.max(0, (out - 1) * stride + size - x.length) / 2);
  return Array.from({ length: out }, (_, y) =>
    Array.from({ length: out }, (_, column) =>
      Array.from(bias, (b, o) => {
        let sum = b;
        for (let i = 0; i < size; i++) {
          for (let j = 0; j < size; j++) {
            const pixel = x[y * stride + i - before]?.[column * stride + j - before];
            for (let c = 0; c < inputs; c++)
              sum += (pixel?.[c] ?? 0) * kernel[((i * size + j) * inputs + c) * outputs + o];
          }
        }
        return sum;
      }),
    ),
  );
}

function naiveDense(x: number[], name: string): number[] {
  const bias = weights[`${name}/bias`];
  return Array.from(bias, (b, o) =>
    x.reduce((sum, value, i) => sum + value * weights[`${name}/kernel`][i * bias.length + o], b),
  );
}

/** out[2y + i][2x + j][c] = in[y][x][(2i + j)·C + c] */
function naiveDepthToSpace(x: Image): Image {
  const c = x[0][0].length / 4;
  return Array.from({ length: x.length * 2 }, (_, y) =>
    Array.from({ length: x.length * 2 }, (_, column) => {
      const from = ((y % 2) * 2 + (column % 2)) * c;
      return x[y >> 1][column >> 1].slice(from, from + c);
    }),
  );
}

const relu = (x: number[]) => x.map((value) => Math.max(0, value));
const reluImage = (x: Image): Image => x.map((row) => row.map(relu));

function close(found: ArrayLike<number>, expected: number[]) {
  expect(found.length).toBe(expected.length);
  // Single precision through six layers of numbers near 1.
  for (const [i, value] of expected.entries()) expect(Math.abs(found[i] - value)).toBeLessThan(1e-5);
}

test("the decoder is what its definition says, pixel by pixel", () => {
  const z = [0.7, -1.2, 0.4];
  let x: number[] | Image = relu(naiveDense(relu(naiveDense(z, "decoder/hidden")), "decoder/spread"));
  let image: Image = [0, 1].map((y) => [0, 1].map((c) => (x as number[]).slice((y * 2 + c) * 4, (y * 2 + c) * 4 + 4)));
  image = naiveDepthToSpace(reluImage(naiveConvolution(image, "decoder/conv0", 3, 1)));
  x = naiveDepthToSpace(naiveConvolution(image, "decoder/conv1", 3, 1));
  close(decodeLogits(a, parameters(), tf.tensor2d([z])).dataSync(), x.flat(2));
});

test("the encoder is what its definition says", () => {
  const generator = random(4);
  const image: Image = Array.from({ length: 8 }, () =>
    Array.from({ length: 8 }, () => Array.from({ length: 3 }, () => generator.uniform())),
  );
  let x = reluImage(naiveConvolution(image, "encoder/conv0", 4, 2));
  x = reluImage(naiveConvolution(x, "encoder/conv1", 4, 2));
  const posterior = naiveDense(relu(naiveDense(x.flat(2), "encoder/hidden")), "encoder/posterior");
  const { mean, logVariance } = encode(a, parameters(), tf.tensor4d([image]));
  close(mean.dataSync(), posterior.slice(0, 3));
  close(logVariance.dataSync(), posterior.slice(3));
});

test("the default network's layers meet at every size", () => {
  for (const side of [16, 32, 64, 128]) {
    const large = defaultArchitecture(side, 2);
    const { weights } = untrained(large);
    tf.tidy(() => {
      const p = Object.fromEntries(
        parameterShapes(large).map(({ name, shape }) => [name, tf.tensor(weights[name], shape)]),
      );
      expect(encode(large, p, tf.zeros([1, side, side, 3])).mean.shape).toEqual([1, 2]);
      expect(decodeLogits(large, p, tf.zeros([1, 2])).shape).toEqual([1, side, side, 3]);
    });
  }
});
