import { describe, expect, test } from "vitest";
import { random } from "../../server/random.ts";
import { createBrain } from "../../sim/neurons/brain.ts";
import { gammaGain, slowGain } from "../../sim/neurons/gain.ts";
import { createPopulation, type SimulatedUnit } from "../../sim/neurons/unit.ts";

const moments = (values: readonly number[]) => {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return { mean, variance: values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length };
};

/** Largest mixed difference of log rate over pairs of latents: 0 for an additive unit. */
function interaction(unit: SimulatedUnit, latents: number): number {
  const at = (d: number, a: number, e: number, b: number) => {
    const face = new Float64Array(latents).fill(0.3);
    [face[d], face[e]] = [a, b];
    return Math.log(unit.rateHz(face, 0));
  };
  let largest = 0;
  for (let d = 0; d < latents; d++)
    for (let e = d + 1; e < latents; e++)
      for (const [a, b] of [
        [2, 2],
        [-2, 1.5],
        [1, -2.5],
      ])
        largest = Math.max(largest, Math.abs(at(d, a, e, b) - at(d, a, e, 0) - at(d, 0, e, b) + at(d, 0, e, 0)));
  return largest;
}

describe("families of simulated units", () => {
  test("the first four draw what they drew before others were added", () => {
    const units = createPopulation({ ramp: 2, axis: 1, bump: 2, saturating: 2, drifting: 3 }, 6, random(4));
    // Printed by the code of commit a5f579e.
    expect(
      units.slice(0, 7).map((u) => [u.kind, u.rateHz([1, 2, -1, 0, 2, 1], 0), u.spontaneousHz, u.latencyMs]),
    ).toEqual([
      ["ramp", 9.99191534412062, 3.6850390715372097, 90.1847420327133],
      ["ramp", 5.1920485789683, 2.514435484661126, 94.10924939012264],
      ["axis", 12.954890761977726, 4.394746266943237, 76.06027451096224],
      ["bump", 3.5585844255946726, 3.367972378581312, 93.43507541408462],
      ["bump", 31.89614409318317, 2.841552106808256, 89.87543829041127],
      ["saturating", 10.981672865107353, 3.137223286133596, 82.0272347387722],
      ["saturating", 18.6522314269683, 3.059644615558179, 90.46251723021739],
    ]);
  });

  test("log rate of an additive unit is a sum over its latents, at most eightfold in ±3; of pairs and divisive units it is not", () => {
    const units = createPopulation({ additive: 20, pair: 10, divisive: 10 }, 5, random(2));
    for (const unit of units) {
      const mixed = interaction(unit, 5);
      if (unit.kind === "additive") expect(mixed).toBeLessThan(1e-12);
      else expect(mixed).toBeGreaterThan(0.1);
    }
    for (const unit of units.filter(({ kind }) => kind === "additive")) {
      const origin = unit.rateHz(new Float64Array(5), 0);
      const r = random(unit.name);
      for (let i = 0; i < 500; i++) {
        const face = Float64Array.from({ length: 5 }, () => 6 * r.uniform() - 3);
        expect(unit.rateHz(face, 0)).toBeLessThan(8.001 * origin);
      }
    }
    expect(new Set(units.slice(0, 20).map(({ tunedTo }) => tunedTo.length))).toEqual(new Set([1, 2, 3]));
  });

  test("an overdispersed unit's counts at 20 spikes/s in 0.2 s have a Fano factor of 1.5 to 2", () => {
    const [unit] = createPopulation({ overdispersed: 1 }, 3, random(7));
    const fixed = { ...unit, rateHz: () => 20, latencyMs: 0, refractoryMs: 0, spontaneousHz: 1 };
    const brain = createBrain([fixed], 0, random(3));
    const trials = 4000;
    for (let i = 0; i < trials; i++) brain.see(i, [0, 0, 0], i, i + 0.2);
    const counts = new Array(trials).fill(0);
    for (const t of brain.fire(trials).timeS) if (t % 1 < 0.2) counts[Math.floor(t)]++;
    const { mean, variance } = moments(counts);
    // Mean 4 ± 4·√(8/4000); the Fano factor's own standard error is about √(2/4000)·2 = 0.05, three of them.
    expect(Math.abs(mean - 4)).toBeLessThan(0.2);
    expect(variance / mean).toBeGreaterThan(1.35);
    expect(variance / mean).toBeLessThan(2.15);
  });

  test("a drifting unit is what it was at presentation 0, and another after hundreds", () => {
    const [unit] = createPopulation({ drifting: 1 }, 3, random(1));
    const rates = (presentation: number) =>
      [-2, -1, 0, 1, 2].map((z) => unit.rateHz([z, z, z], presentation)).map((hz) => +hz.toFixed(9));
    expect(rates(0)).toEqual(rates(0));
    const change = rates(300).map((hz, i) => Math.abs(hz / rates(0)[i] - 1));
    expect(Math.max(...change)).toBeGreaterThan(0.15);
  });
});

describe("gains", () => {
  test("gamma gains have mean 1 and variance 1/shape", () => {
    const r = random(5);
    const { mean, variance } = moments(Array.from({ length: 40_000 }, () => gammaGain(5, r)));
    // Standard errors √(0.2/40000) = 0.0022 and, with kurtosis 3 + 6/5, 0.2·√(3.2/40000) = 0.0018: four of each.
    expect(Math.abs(mean - 1)).toBeLessThan(0.009);
    expect(Math.abs(variance - 0.2)).toBeLessThan(0.008);
  });

  test("a slow gain has mean 1, the asked-for spread, remembers e⁻¹ after its time scale, and depends on the presentation alone", () => {
    const gain = slowGain({ logSd: 0.4, timescaleTrials: 20 }, random(9));
    const n = 60_000;
    const gains = Array.from({ length: n }, (_, i) => gain(i));
    const logs = gains.map(Math.log);
    const { mean, variance } = moments(logs);
    const lagged = logs.slice(20).reduce((sum, v, i) => sum + (v - mean) * (logs[i] - mean), 0) / (n - 20) / variance;
    // n/40 = 1,500 independent stretches.
    expect(Math.abs(moments(gains).mean - 1)).toBeLessThan(0.05);
    expect(Math.abs(Math.sqrt(variance) - 0.4)).toBeLessThan(0.03);
    expect(Math.abs(lagged - Math.exp(-1))).toBeLessThan(0.08);
    expect(slowGain({ logSd: 0.4, timescaleTrials: 20 }, random(9))(500)).toBe(gains[500]);
  });

  test("a shared gain moves all units of a population together and leaves their tuning as it is", () => {
    const sharedGain = { logSd: 0.5, timescaleTrials: 30 };
    const plain = createPopulation({ ramp: 2, overdispersed: 1 }, 3, random(6));
    const shared = createPopulation({ ramp: 2, overdispersed: 1, sharedGain }, 3, random(6));
    expect(shared.map((u) => u.rateHz([1, 1, 1], 0))).toEqual(plain.map((u) => u.rateHz([1, 1, 1], 0)));
    const own = (presentation: number, u: number) => shared[u].gain!(presentation, random(1));
    expect(own(50, 0)).toBe(own(50, 1));
    expect(own(50, 0)).not.toBe(own(0, 0));
    expect(own(50, 2) / own(50, 0)).toBeCloseTo(plain[2].gain!(50, random(1)), 12);
  });

  test("V1 what a unit with noisy gain fires to a presentation does not depend on the faces before", () => {
    const [unit] = createPopulation({ overdispersed: 1 }, 3, random(7));
    const spikes = (first: number[]) => {
      const brain = createBrain([{ ...unit, latencyMs: 80 }], 0, random(3));
      brain.see(0, first, 0, 0.2);
      brain.see(1, [1, -1, 0], 0.5, 0.7);
      return [...brain.fire(0.78).timeS].filter((t) => t >= 0.58);
    };
    expect(spikes([0, 0, 0])).toEqual(spikes([2, 2, -2]));
  });
});
