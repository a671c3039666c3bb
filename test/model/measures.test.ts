import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { disentanglement } from "../../server/model/measures/dci.ts";
import { lasso, standardised } from "../../server/model/measures/lasso.ts";
import { measures } from "../../server/model/measures/measures.ts";
import { mutualInformationGap } from "../../server/model/measures/mig.ts";
import { spearman } from "../../server/model/measures/rank.ts";
import { agreement, disentanglementRanking } from "../../server/model/measures/udr.ts";
import { random } from "../../server/random.ts";

const reference = JSON.parse(readFileSync(new URL("../fixtures/measures/reference.json", import.meta.url), "utf8")) as {
  factors: number[][];
  latents: number[][];
  other: number[][];
  kl: number[];
  otherKl: number[];
  spearman: number;
  mig: { mig: number; each: number[] };
  dci: ReturnType<typeof disentanglement>;
  udr: number;
};
const { factors, latents } = reference;

const close = (found: readonly number[], expected: readonly number[], digits: number) => {
  expect(found.length).toBe(expected.length);
  for (const [i, value] of expected.entries()) expect(found[i]).toBeCloseTo(value, digits);
};

test("the mutual information gap is that of scikit-learn's mutual information over NumPy's bins", () => {
  const { mig, each } = mutualInformationGap(factors, latents);
  expect(mig).toBeCloseTo(reference.mig.mig, 10);
  close(each, reference.mig.each, 10);
});

test("DCI is that of scikit-learn's Lasso", () => {
  const found = disentanglement(factors, latents);
  for (const key of ["disentanglement", "completeness", "informativeness"] as const) {
    expect(found[key], key).toBeCloseTo(reference.dci[key], 6);
  }
  close(found.informativenessOf, reference.dci.informativenessOf, 6);
  close(found.importance.flat(), reference.dci.importance.flat(), 6);
});

test("UDR and Spearman's correlation are those of SciPy's ranks", () => {
  const one = { latents, klNats: reference.kl };
  const other = { latents: reference.other, klNats: reference.otherKl };
  expect(spearman(factors[0], latents[3])).toBeCloseTo(reference.spearman, 10);
  expect(agreement(one, other)).toBeCloseTo(reference.udr, 10);
  expect(agreement(other, one)).toBeCloseTo(reference.udr, 10);
  close(disentanglementRanking([one, other]), [reference.udr, reference.udr], 10);
});

test("a code that is the factors scores 1 (UDR with itself too), one that is a rotation of them far less", () => {
  const draws = random("perfect");
  const n = 4000;
  const uniform = [0, 1, 2].map(() => Float64Array.from({ length: n }, () => draws.uniform()));
  const known = new Map(uniform.map((values, f) => [`f${f}`, values]));
  const perfect = measures(known, [uniform[2], uniform[0], uniform[1]]);
  // Twenty bins against twenty of 4000 independent draws share about 19²/8000 nats by accident, of log 20.
  expect(perfect.mig).toBeGreaterThan(0.97);
  expect(perfect.dci).toMatchObject({ disentanglement: 1, completeness: 1 });
  expect(perfect.dci.informativeness).toBeGreaterThan(0.999);
  expect(perfect.factors.map(({ latent, hasOwnLatent }) => [latent, hasOwnLatent])).toEqual([
    [1, true],
    [2, true],
    [0, true],
  ]);
  const [x, y, z] = uniform;
  const turned = [x.map((v, i) => v + y[i]), x.map((v, i) => v - y[i]), z];
  const rotated = measures(known, turned);
  expect(rotated.mig).toBeLessThan(0.4);
  expect(rotated.ownLatents).toBe(1);
  expect(rotated.factors[0].rival).toMatchObject({ name: "f1" });
  const codes = (of: Float64Array[]) => ({ latents: of, klNats: [1, 1, 1] });
  expect(agreement(codes(uniform), codes(uniform))).toBeGreaterThan(0.95);
  expect(agreement(codes(uniform), codes(turned))).toBeLessThan(0.6);
});

test("Lasso drops what explains less than its penalty, and leaves constants alone", () => {
  const draws = random("lasso");
  const column = standardised(Float64Array.from({ length: 500 }, () => draws.normal()));
  const constant = standardised(new Float64Array(500).fill(3));
  // One standardised column: the weight is the correlation, less α.
  const y = column.map((value) => 0.5 * value);
  expect(Array.from(lasso([column, constant], y, 0.1))[0]).toBeCloseTo(0.4, 9);
  expect(Array.from(lasso([column, constant], y, 0.6))).toEqual([0, 0]);
});
