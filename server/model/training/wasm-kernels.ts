import * as tf from "@tensorflow/tfjs-core";

/**
 * Gives the wasm backend the two gradients of a convolution: the one with respect to the filter, which it lacks, and a
 * quicker one with respect to the input. NHWC, no dilation. Both come down to products and convolutions that XNNPACK does;
 * they equal the cpu backend's to a few 1e-6 of the largest value.
 */
export function registerWasmTraining(): void {
  if (tf.getKernel("Conv2DBackpropFilter", "wasm") !== undefined) return;
  tf.registerKernel({
    kernelName: "Conv2DBackpropFilter",
    backendName: "wasm",
    // The engine hands kernels whole tensors, and takes one for an answer, so that they can be written in operations.
    kernelFunc: ({ inputs, attrs }) => {
      const { x, dy } = inputs as unknown as { x: tf.Tensor4D; dy: tf.Tensor4D };
      const { filterShape, ...rest } = attrs as unknown as Attributes & { filterShape: Shape4 };
      return tf.tidy(() => filterGradient(x, dy, geometry(x.shape, filterShape, rest)));
    },
  });
  tf.unregisterKernel("Conv2DBackpropInput", "wasm");
  tf.registerKernel({
    kernelName: "Conv2DBackpropInput",
    backendName: "wasm",
    kernelFunc: ({ inputs, attrs }) => {
      const { dy, filter } = inputs as unknown as { dy: tf.Tensor4D; filter: tf.Tensor4D };
      const { inputShape, ...rest } = attrs as unknown as Attributes & { inputShape: Shape4 };
      return tf.tidy(() => inputGradient(dy, filter, geometry(inputShape, filter.shape, rest)));
    },
  });
}

type Shape4 = [number, number, number, number];

interface Attributes {
  strides: [number, number] | number;
  pad: "valid" | "same" | number;
  dataFormat: string;
  dimRoundingMode?: "floor" | "round" | "ceil";
}

function geometry(input: Shape4, filter: Shape4, { strides, pad, dataFormat, dimRoundingMode }: Attributes) {
  const info = tf.backend_util.computeConv2DInfo(input, filter, strides, 1, pad, dimRoundingMode, false);
  if (dataFormat !== "NHWC" || info.strideHeight !== info.strideWidth) {
    throw new Error(`convolution on wasm: expected NHWC and one stride, got ${dataFormat} and ${strides}`);
  }
  return info;
}

/**
 * dW[i, j] = Σ over images and positions of patch(i, j)ᵀ · dy: patches as rows of one matrix [kernel · C, positions], times
 * dy as [positions, C']. Strides are turned into offsets within blocks first, since only plain slices are quick.
 */
function filterGradient(x: tf.Tensor4D, dy: tf.Tensor4D, info: tf.backend_util.Conv2DInfo): tf.Tensor4D {
  const { batchSize: n, inChannels: c, outHeight, outWidth, outChannels, filterHeight, filterWidth } = info;
  const s = info.strideHeight;
  const { top, left } = info.padInfo;
  const high = outHeight + Math.ceil(filterHeight / s);
  const wide = outWidth + Math.ceil(filterWidth / s);
  const padded = fitted(x, [top, high * s - info.inHeight - top], [left, wide * s - info.inWidth - left]);
  // [n·high, s, wide, s·c] → [s, n·high, wide, s·c] → [s·c, s·n·high·wide]: every offset within a block by itself.
  const rows = tf.transpose(tf.reshape(padded, [n * high, s, wide, s * c]), [1, 0, 2, 3]);
  const columns = tf.transpose(tf.reshape(rows, [s * n * high * wide, s * c]));
  const blocks = tf.reshape(columns, [s * c, s * n, high, wide]);
  const patches: tf.Tensor[] = [];
  for (let i = 0; i < filterHeight; i++) {
    for (let j = 0; j < filterWidth; j++) {
      const from = [(j % s) * c, (i % s) * n, Math.floor(i / s), Math.floor(j / s)];
      patches.push(tf.reshape(tf.slice(blocks, from, [c, n, outHeight, outWidth]), [c, n * outHeight * outWidth]));
    }
  }
  const dw = tf.matMul(tf.concat(patches, 0), tf.reshape(dy, [n * outHeight * outWidth, outChannels]));
  return tf.reshape(dw, [filterHeight, filterWidth, c, outChannels]);
}

/** dx: dy spread apart by the stride, convolved with the filter turned round, channels in and out exchanged. */
function inputGradient(dy: tf.Tensor4D, filter: tf.Tensor4D, info: tf.backend_util.Conv2DInfo): tf.Tensor4D {
  const { batchSize: n, outHeight, outWidth, outChannels, filterHeight, filterWidth } = info;
  const s = info.strideHeight;
  const { top, left } = info.padInfo;
  const apart = s === 1 ? dy : spreadApart(dy, n, outHeight, outWidth, outChannels, s);
  const padded = fitted(
    apart,
    [filterHeight - 1 - top, info.inHeight + top - outHeight * s],
    [filterWidth - 1 - left, info.inWidth + left - outWidth * s],
  );
  const turned = tf.transpose(tf.reverse(filter, [0, 1]), [0, 1, 3, 2]) as tf.Tensor4D;
  return tf.conv2d(padded, turned, 1, "valid");
}

/** Puts s − 1 zeros after every position, down and across. */
function spreadApart(dy: tf.Tensor4D, n: number, h: number, w: number, c: number, s: number): tf.Tensor4D {
  const zeros = tf.zeros([n, h, w, (s * s - 1) * c]);
  const blocks = tf.reshape(tf.concat([dy, zeros], 3), [n * h, w, s, s, c]);
  return tf.reshape(tf.transpose(blocks, [0, 2, 1, 3, 4]), [n, h * s, w * s, c]);
}

/** Pads height and width with zeros, or cuts them where a number is negative. */
function fitted(x: tf.Tensor4D, height: [number, number], width: [number, number]): tf.Tensor4D {
  const [n, h, w, c] = x.shape;
  const cut = (by: number) => Math.max(0, -by);
  const begin = [0, cut(height[0]), cut(width[0]), 0];
  const size = [n, h - cut(height[0]) - cut(height[1]), w - cut(width[0]) - cut(width[1]), c];
  const grown = [height, width].map((pair) => pair.map((by) => Math.max(0, by))) as [number, number][];
  return tf.pad(tf.slice(x, begin, size), [[0, 0], grown[0], grown[1], [0, 0]]);
}
