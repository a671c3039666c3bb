/**
 * `node dist/test/bench/latent-factors.js <heads>`: the table of sim/faces/latent-factors.ts, from heads that `latentloop faces` rendered with
 * another seed than the model's; as JSON on stdout, with the R² on every second head of what the others give.
 */
import { chooseBackend } from "../../server/model/backends.ts";
import { bundledModel, readModelFolder } from "../../server/model/model-folder.ts";
import { evaluate } from "../../server/model/training/evaluation.ts";
import { readFactors } from "../../server/model/training/factors.ts";
import { readImages } from "../../server/model/training/images.ts";
import { factor as cholesky, solve } from "../../server/tuning/cholesky.ts";
import { logistic } from "../../server/tuning/numerics.ts";
import { factors } from "../../sim/faces/factors.ts";

const heads = process.argv[2];
const model = await readModelFolder(bundledModel("faces-64"));
await chooseBackend({ model });
const images = await readImages(heads);
const all = Uint32Array.from({ length: images.count }, (_, i) => i);
const { means } = await evaluate(model.card.architecture, model.weights, images, all);
const known = (await readFactors(heads))!;

/** Least squares of y on (1, z). */
function regress(z: readonly Float32Array[], y: ArrayLike<number>): Float64Array {
  const n = z[0].length + 1;
  const gram = new Float64Array(n * n);
  const weights = new Float64Array(n);
  z.forEach((latents, i) => {
    const row = [1, ...latents];
    for (let a = 0; a < n; a++) {
      weights[a] += row[a] * y[i];
      for (let b = 0; b < n; b++) gram[a * n + b] += row[a] * row[b];
    }
  });
  if (!cholesky(gram, n)) throw new Error("expected more heads than latents");
  solve(gram, n, weights);
  return weights;
}

const predict = (weights: Float64Array, z: ArrayLike<number>): number => {
  let sum = weights[0];
  for (let d = 1; d < weights.length; d++) sum += weights[d] * z[d - 1];
  return logistic(sum);
};

const edge = 0.5 / images.count;
const table = factors.map(({ name, range: [low, high] }) => {
  const u = known.get(name)!.map((value) => (value - low) / (high - low));
  const y = u.map((share) => {
    const inside = Math.min(1 - edge, Math.max(edge, share));
    return Math.log(inside / (1 - inside));
  });
  const half = (which: number) => all.filter((i) => i % 2 === which);
  const fitted = regress(
    [...half(0)].map((i) => means[i]),
    [...half(0)].map((i) => y[i]),
  );
  let error = 0;
  let spread = 0;
  for (const i of half(1)) {
    error += (u[i] - predict(fitted, means[i])) ** 2;
    spread += (u[i] - 0.5) ** 2;
  }
  const [offset, ...weights] = regress(means, y);
  const round = (value: number) => Number(value.toFixed(2));
  return { name, r2: round(1 - error / spread), offset: round(offset), weights: weights.map(round) };
});
process.stdout.write(`${JSON.stringify(table)}\n`);
