import * as tf from "@tensorflow/tfjs-core";

/**
 * Gives the wasm backend the gradient of a convolution with respect to its filter, without which it cannot train:
 * dW[i, j] = Σ over images and positions of patch(i, j)ᵀ · dy, one matrix product for each of the kernel's positions.
 * NHWC, no dilation; equal to the cpu backend's to a few 1e-6 of the largest value.
 */
export function registerWasmTraining(): void {
  if (tf.getKernel("Conv2DBackpropFilter", "wasm") !== undefined) return;
  tf.registerKernel({
    kernelName: "Conv2DBackpropFilter",
    backendName: "wasm",
    kernelFunc: ({ inputs, attrs }) => {
      const { x, dy } = inputs as unknown as { x: tf.Tensor4D; dy: tf.Tensor4D };
      const { strides, pad, dataFormat, dimRoundingMode, filterShape } =
        attrs as unknown as Conv2DBackpropFilterAttributes;
      if (dataFormat !== "NHWC") throw new Error(`Conv2DBackpropFilter on wasm: expected NHWC, got ${dataFormat}`);
      const info = tf.backend_util.computeConv2DInfo(x.shape, filterShape, strides, 1, pad, dimRoundingMode, false);
      // The engine hands kernels whole tensors, and takes one for an answer, so that they can be written in operations.
      return tf.tidy(() => filterGradient(x, dy, info));
    },
  });
}

interface Conv2DBackpropFilterAttributes {
  strides: [number, number] | number;
  pad: "valid" | "same" | number;
  dataFormat: string;
  dimRoundingMode?: "floor" | "round" | "ceil";
  filterShape: [number, number, number, number];
}

function filterGradient(x: tf.Tensor4D, dy: tf.Tensor, info: tf.backend_util.Conv2DInfo): tf.Tensor4D {
  const { batchSize: n, outHeight, outWidth, outChannels, inChannels, strideHeight, strideWidth } = info;
  const { filterHeight, filterWidth, padInfo } = info;
  const { top, bottom, left, right } = padInfo;
  const positions = n * outHeight * outWidth;
  const padded = tf.pad(x, [
    [0, 0],
    [top, Math.max(bottom, filterHeight + strideHeight)],
    [left, Math.max(right, filterWidth + strideWidth)],
    [0, 0],
  ]);
  const flat = tf.reshape(dy, [positions, outChannels]) as tf.Tensor2D;
  const parts: tf.Tensor[] = [];
  for (let i = 0; i < filterHeight; i++) {
    for (let j = 0; j < filterWidth; j++) {
      const patch = tf.stridedSlice(
        padded,
        [0, i, j, 0],
        [n, i + outHeight * strideHeight, j + outWidth * strideWidth, inChannels],
        [1, strideHeight, strideWidth, 1],
      );
      parts.push(tf.matMul(tf.reshape(patch, [positions, inChannels]) as tf.Tensor2D, flat, true, false));
    }
  }
  return tf.reshape(tf.stack(parts), [filterHeight, filterWidth, inChannels, outChannels]) as tf.Tensor4D;
}
