import * as tf from "@tensorflow/tfjs-core";

/**
 * Gradients of the operations in the training objective. tfjs-core's own are in a file that Node cannot import (they come
 * along only with the whole of @tensorflow/tfjs, as under tfjs-node), so these few are given here; one that is there
 * already is left alone, except those of activations, which tfjs-node takes through ten operations each. Each is checked
 * against finite differences through the objective.
 */
export function registerGradients(): void {
  for (const gradient of gradients) {
    const known = tf.getGradient(gradient.kernelName) !== undefined;
    if (known && !activations.includes(gradient.kernelName)) continue;
    if (known) tf.unregisterGradient(gradient.kernelName);
    tf.registerGradient(gradient);
  }
}

const activations = ["Relu", "LeakyRelu"];

type Attributes = Record<string, never>;

function gradient(
  kernelName: string,
  inputsToSave: string[],
  gradFunc: (dy: tf.Tensor, saved: tf.Tensor[], attributes: Attributes) => Record<string, () => tf.Tensor>,
  outputsToSave: boolean[] = [],
): tf.GradConfig {
  return {
    kernelName,
    inputsToSave,
    outputsToSave,
    gradFunc: (dy, saved, attributes) => gradFunc(dy as tf.Tensor, saved, attributes as Attributes),
  };
}

/** Undoes broadcasting: sums a gradient over the axes along which the input was repeated. */
function unbroadcast(dy: tf.Tensor, input: tf.Tensor): tf.Tensor {
  const axes = tf.broadcast_util.getReductionAxes(input.shape, dy.shape);
  return tf.reshape(axes.length > 0 ? tf.sum(dy, axes) : dy, input.shape);
}

/** Repeats a gradient of a sum or mean along the axes that were summed away. */
function spread(dy: tf.Tensor, x: tf.Tensor, axis: number[]): tf.Tensor {
  const axes = tf.util.parseAxisParam(axis, x.shape);
  const kept = x.shape.map((size, i) => (axes.includes(i) ? 1 : size));
  return tf.mul(tf.reshape(dy, kept), tf.ones(x.shape));
}

const gradients: tf.GradConfig[] = [
  gradient("Add", ["a", "b"], (dy, [a, b]) => ({ a: () => unbroadcast(dy, a), b: () => unbroadcast(dy, b) })),
  gradient("Sub", ["a", "b"], (dy, [a, b]) => ({ a: () => unbroadcast(dy, a), b: () => unbroadcast(tf.neg(dy), b) })),
  gradient("Multiply", ["a", "b"], (dy, [a, b]) => ({
    a: () => unbroadcast(tf.mul(dy, b), a),
    b: () => unbroadcast(tf.mul(dy, a), b),
  })),
  gradient("RealDiv", ["a", "b"], (dy, [a, b]) => ({
    a: () => unbroadcast(tf.div(dy, b), a),
    b: () => unbroadcast(tf.neg(tf.div(tf.mul(dy, a), tf.square(b))), b),
  })),
  gradient("Square", ["x"], (dy, [x]) => ({ x: () => tf.mul(dy, tf.mul(x, 2)) })),
  gradient("Exp", [], (dy, [y]) => ({ x: () => tf.mul(dy, y) }), [true]),
  gradient("Softplus", ["x"], (dy, [x]) => ({ x: () => tf.mul(dy, tf.sigmoid(x)) })),
  gradient("Sigmoid", [], (dy, [y]) => ({ x: () => tf.mul(dy, tf.mul(y, tf.sub(1, y))) }), [true]),
  gradient("Abs", ["x"], (dy, [x]) => ({ x: () => tf.mul(dy, tf.sign(x)) })),
  gradient("Relu", ["x"], (dy, [x]) => ({ x: () => tf.where(tf.greater(x, 0), dy, tf.zerosLike(dy)) })),
  gradient("LeakyRelu", ["x"], (dy, [x], { alpha }) => ({
    x: () => tf.where(tf.greater(x, 0), dy, tf.mul(dy, alpha)),
  })),
  gradient("ClipByValue", ["x"], (dy, [x], { clipValueMin, clipValueMax }) => ({
    x: () =>
      tf.where(tf.logicalAnd(tf.greaterEqual(x, clipValueMin), tf.lessEqual(x, clipValueMax)), dy, tf.zerosLike(dy)),
  })),
  gradient("Reshape", ["x"], (dy, [x]) => ({ x: () => tf.reshape(dy, x.shape) })),
  gradient("Sum", ["x"], (dy, [x], { axis }) => ({ x: () => spread(dy, x, axis) })),
  gradient("Mean", ["x"], (dy, [x], { axis }) => ({ x: () => tf.mul(spread(dy, x, axis), dy.size / x.size) })),
  gradient("Slice", ["x"], (dy, [x], attributes) => {
    const { begin, size } = attributes as unknown as { begin: number | number[]; size: number | number[] };
    const [from, length] = tf.slice_util.parseSliceParams(x, begin, size);
    return {
      x: () => tf.pad(dy, from.map((start, i) => [start, x.shape[i] - start - length[i]]) as [number, number][]),
    };
  }),
  gradient("BatchMatMul", ["a", "b"], (dy, [a, b], { transposeA, transposeB }) => {
    if (transposeA || transposeB) throw new Error("gradient of a transposed product: not needed so far");
    // Transposed first: wasm multiplies ten times slower with its own flags for it.
    return { a: () => tf.matMul(dy, tf.transpose(b)), b: () => tf.matMul(tf.transpose(a), dy) };
  }),
  gradient("Conv2D", ["x", "filter"], (dy, [x, filter], attributes) => {
    const { strides, pad, dataFormat, dimRoundingMode } = attributes;
    const common = { strides, pad, dataFormat, dimRoundingMode };
    return {
      x: () => run("Conv2DBackpropInput", { dy, filter }, { ...common, inputShape: x.shape }),
      filter: () => run("Conv2DBackpropFilter", { x, dy }, { ...common, filterShape: filter.shape }),
    };
  }),
];

function run(kernel: string, inputs: tf.NamedTensorMap, attributes: object): tf.Tensor {
  return tf.engine().runKernel(kernel, inputs, attributes as tf.NamedAttrMap) as tf.Tensor;
}
