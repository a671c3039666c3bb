import type { Random } from "../../random.ts";
import { type Architecture, parameterShapes } from "../architecture.ts";

/**
 * Initial parameters: He normal kernels (He et al. 2015, sd √(2 / fan-in)) before ReLU; small ones for the posterior, so
 * that training starts near the prior; zero biases. A function of the generator's identity and the parameter's name.
 */
export function initialParameters(a: Architecture, generator: Random): Record<string, Float32Array> {
  const parameters: Record<string, Float32Array> = {};
  for (const { name, shape } of parameterShapes(a)) {
    const values = new Float32Array(shape.reduce((product, n) => product * n, 1));
    if (name.endsWith("/kernel")) {
      const fanIn = values.length / shape[shape.length - 1];
      const sd = name === "encoder/posterior/kernel" ? 0.1 / Math.sqrt(fanIn) : Math.sqrt(2 / fanIn);
      const draws = generator.split("initial", name);
      for (let i = 0; i < values.length; i++) values[i] = sd * draws.normal();
    }
    parameters[name] = values;
  }
  return parameters;
}
