import { describe, expect, test } from "vitest";
import { random } from "../../server/random.ts";
import { quantile } from "../../server/session/quantile.ts";
import { createBrain } from "../../sim/neurons/brain.ts";
import { codedLatent, createPopulation, type SimulatedUnit } from "../../sim/neurons/unit.ts";
import { correlation } from "../../sim/study/curves.ts";

const unit = (rate: number, refractoryMs = 0): SimulatedUnit => ({
  name: "u",
  kind: "ramp",
  tunedTo: [0],
  rateHz: (z) => rate * z[0],
  spontaneousHz: 5,
  latencyMs: 80,
  refractoryMs,
});

describe("simulated units", () => {
  test("a one-latent unit answers to its latent alone; an axis unit to all", () => {
    for (const u of createPopulation({ ramp: 5, bump: 5, saturating: 5, axis: 5 }, 4, random(1))) {
      const at = (d: number, z: number) => {
        const face = new Float64Array(4);
        face[d] = z;
        return u.rateHz(face, 0);
      };
      const moves = [0, 1, 2, 3].map((d) => Math.abs(at(d, 2) - at(d, -2)) > 1e-9);
      expect(moves).toEqual([0, 1, 2, 3].map((d) => u.tunedTo.includes(d)));
      expect(codedLatent(u)).toBe(u.kind === "axis" ? null : u.tunedTo[0]);
      for (const z of [-3, 0, 3]) expect(at(0, z)).toBeGreaterThan(0);
    }
  });

  test("a unit does not change when others are added after it", () => {
    const few = createPopulation({ ramp: 2 }, 6, random(4));
    const more = createPopulation({ ramp: 2, axis: 3 }, 6, random(4));
    expect(more[1].rateHz([1, 2, -1, 0, 2, 1], 0)).toBe(few[1].rateHz([1, 2, -1, 0, 2, 1], 0));
  });
});

describe("simulated spikes", () => {
  test("counts are Poisson at the driven rate in [onset + latency, offset + latency), spontaneous elsewhere", () => {
    const brain = createBrain([unit(40)], 0, random(1));
    const trials = 3000;
    const driven: number[] = [];
    let spontaneous = 0;
    for (let i = 0; i < trials; i++) brain.see(i, [1], i, i + 0.2);
    const { timeS } = brain.fire(trials + 0.08);
    let k = 0;
    for (let i = 0; i < trials; i++) {
      let n = 0;
      for (; k < timeS.length && timeS[k] < i + 1.08; k++) {
        if (timeS[k] >= i + 0.08 && timeS[k] < i + 0.28) n++;
        else spontaneous++;
      }
      driven.push(n);
    }
    const mean = driven.reduce((a, b) => a + b, 0) / trials;
    const variance = driven.reduce((a, b) => a + (b - mean) ** 2, 0) / trials;
    // Mean 40 Hz × 0.2 s = 8, standard error sqrt(8/3000) = 0.052; Fano factor 1 ± sqrt(2/3000) = 0.026. Four of each.
    expect(Math.abs(mean - 8)).toBeLessThan(0.21);
    expect(Math.abs(variance / mean - 1)).toBeLessThan(0.11);
    // 5 Hz for the other 0.8 s of each second: 12,000 ± sqrt(12,000) = 110.
    expect(Math.abs(spontaneous - 12_000)).toBeLessThan(450);
  });

  test("no two spikes are closer than the refractory period", () => {
    const brain = createBrain([unit(300, 2)], 0, random(2));
    brain.see(0, [1], 0, 20);
    const { timeS } = brain.fire(20);
    let least = Number.POSITIVE_INFINITY;
    for (let i = 1; i < timeS.length; i++) least = Math.min(least, timeS[i] - timeS[i - 1]);
    expect(least).toBeGreaterThanOrEqual(0.002);
    // With dead time τ the rate is λ/(1 + λτ) = 300/1.6 = 187.5 Hz over 20 s.
    expect(Math.abs(timeS.length - 3735)).toBeLessThan(200);
  });

  test("asked in small steps or in one, and with onsets that jitter, a response has the same spikes after its onset", () => {
    const spikesAfter = (onsetS: number, steps: number) => {
      const brain = createBrain([unit(60)], 0, random(3));
      brain.see(0, [1], onsetS, onsetS + 0.2);
      const times: number[] = [];
      for (let i = 1; i <= steps; i++) times.push(...brain.fire((i / steps) * 2).timeS);
      return times.filter((t) => t >= onsetS + 0.08 && t < onsetS + 0.28).map((t) => +(t - onsetS).toFixed(9));
    };
    const whole = spikesAfter(1, 1);
    expect(whole.length).toBeGreaterThan(3);
    expect(spikesAfter(1, 400)).toEqual(whole);
    expect(spikesAfter(1.0037, 400)).toEqual(whole);
  });
});

test("scores: correlation and quantiles as NumPy has them", () => {
  // numpy.corrcoef([1,2,3,5],[2,1,4,6])[0,1] and numpy.quantile([4,1,3,2], .1)
  expect(correlation([1, 2, 3, 5], [2, 1, 4, 6])).toBeCloseTo(0.9022436386781061, 12);
  expect(quantile([4, 1, 3, 2], 0.1)).toBeCloseTo(1.3, 12);
  expect(correlation([1, 1, 1], [1, 2, 3])).toBe(0);
});
