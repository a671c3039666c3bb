import { describe, expect, test } from "vitest";
import { bundledModel, readModelFolder } from "../../server/model/model-folder.ts";
import { random } from "../../server/random.ts";
import { type FactorName, factors } from "../../sim/faces/factors.ts";
import { latentFactor, placeOf } from "../../sim/faces/latent-factors.ts";
import { fitUnit } from "../../sim/neurons/recorded.ts";
import { createPopulation } from "../../sim/neurons/unit.ts";
import { recordedUnits } from "../../sim/study/recorded/data.ts";
import { drawCount } from "../tuning/draws.ts";

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

describe("view", () => {
  test("view-invariant and AM units take no notice of it; view-tuned and ML units fire most at one view, at any identity", () => {
    const population = { viewTuned: 6, viewInvariant: 6, ML: 6, AM: 6, viewLatents: [1, 3] };
    for (const unit of createPopulation(population, 5, random(3))) {
      const at = (yaw: number, pitch: number, identity: number) =>
        unit.rateHz([identity, yaw, -identity, pitch, identity], 0) - 2;
      if (unit.kind === "viewInvariant" || unit.kind === "AM") {
        expect(unit.tunedTo).not.toContain(1);
        expect(unit.tunedTo).not.toContain(3);
        expect(at(2, -1, 1)).toBe(at(-2, 0.5, 1));
      } else {
        const [view] = unit.tunedTo.filter((d) => d === 1 || d === 3);
        const share = (z: number, identity: number) =>
          view === 1 ? at(z, 0, identity) / at(0, 0, identity) : at(0, z, identity) / at(0, 0, identity);
        expect(Math.abs(Math.log(share(1, 1)) + Math.log(share(-1, 1)))).toBeGreaterThan(0.5);
        for (const z of [-2, -1, 1, 2]) expect(share(z, 1)).toBeCloseTo(share(z, -1), 9);
        // log share is a parabola in the view: second differences −1/w², w of 0.8 to 1.3.
        const bend = Math.log(share(1, 1)) + Math.log(share(-1, 1));
        expect(-bend).toBeGreaterThan(1 / 1.3 ** 2 - 1e-9);
        expect(-bend).toBeLessThan(1 / 0.8 ** 2 + 1e-9);
      }
    }
  });
});

describe("face patches", () => {
  test("AM: half of the units on one latent, 100 ms latency, 115 spikes/s at the best faces, scatter and time course as stated", () => {
    const units = createPopulation({ AM: 2000 }, 12, random(1));
    const onOne = units.filter(({ tunedTo }) => tunedTo.length === 1);
    expect(Math.abs(onOne.length - 1000)).toBeLessThan(4 * Math.sqrt(500));
    expect(Math.abs(mean(units.map(({ latencyMs }) => latencyMs)) - 100)).toBeLessThan((4 * 15) / Math.sqrt(2000));
    // 2.5 latent units up or down, whichever is the better.
    const best = onOne.map(({ tunedTo: [d], rateHz }) =>
      Math.max(
        ...[-2.5, 2.5].map((z) =>
          rateHz(
            Array.from({ length: 12 }, (_, i) => (i === d ? z : 0)),
            0,
          ),
        ),
      ),
    );
    // 2 + (25 … 50) · softplus(3), on average 37.5 · 3.0486 + 2 = 116.3 ± 7.2 · 3.05 / √1000.
    expect(Math.abs(mean(best) - 116.3)).toBeLessThan(2.8);
    expect(new Set(units.map(({ timeCourse }) => JSON.stringify(timeCourse)))).toEqual(
      new Set(['{"transientMs":75,"sustained":0.15}']),
    );
  });

  test("what a file says of all units goes before what a patch says of its own", () => {
    const [unit] = createPopulation(
      { AM: 1, timeCourse: { transientMs: 30, sustained: 1 }, latency: { meanMs: 150, sdMs: 0 } },
      12,
      random(1),
    );
    expect(unit.timeCourse).toEqual({ transientMs: 30, sustained: 1 });
    expect(unit.latencyMs).toBeCloseTo(150, 9);
  });
});

describe("factors of rendered heads", () => {
  const at = (name: FactorName, d: number, z: number) =>
    placeOf(
      latentFactor(name),
      Array.from({ length: 12 }, (_, i) => (i === d ? z : 0)),
    );

  test("each moves most with the latent that the model's card names after it, over nearly all of its range", async () => {
    const { card } = await readModelFolder(bundledModel("faces-64"));
    for (const { name } of factors) {
      const moves = card.latents.each.map((_, d) => Math.abs(at(name, d, 2) - at(name, d, -2)));
      const most = moves.indexOf(Math.max(...moves));
      expect(name.startsWith(card.latents.each[most].name.split(" ")[1])).toBe(true);
      expect(moves[most]).toBeGreaterThan(0.85);
    }
  });

  test("of heads drawn from the prior each is spread about as evenly as it was rendered", () => {
    const r = random(4);
    const n = 4000;
    for (const { name } of factors) {
      const places = Array.from({ length: n }, () =>
        placeOf(
          latentFactor(name),
          Array.from({ length: 12 }, () => r.normal()),
        ),
      );
      // Uniform: mean 0.5, standard deviation 0.289, which a posterior mean falls short of, or goes beyond, by what it leaves unexplained.
      expect(Math.abs(mean(places) - 0.5)).toBeLessThan(0.05);
      const sd = Math.sqrt(mean(places.map((v) => (v - mean(places)) ** 2)));
      expect(Math.abs(sd - Math.sqrt(1 / 12))).toBeLessThan(0.03);
    }
  });

  test("a factor unit's rate is a ramp over its factor: from 2 spikes/s up, of one sign", () => {
    for (const unit of createPopulation({ factor: 12 }, 12, random(5))) {
      const r = random(unit.name);
      const followed = factors.filter(({ name }) => {
        const pairs = Array.from({ length: 200 }, () => {
          const z = Array.from({ length: 12 }, () => r.normal());
          return { place: placeOf(latentFactor(name), z), hz: unit.rateHz(z, 0) };
        });
        pairs.sort((a, b) => a.place - b.place);
        const steps = pairs.slice(1).map(({ hz }, i) => Math.sign(hz - pairs[i].hz));
        return new Set(steps.filter((s) => s !== 0)).size === 1;
      });
      expect(followed).toHaveLength(1);
    }
  });
});

describe("recorded units", () => {
  test("a fit finds the rates and the dispersion of counts that were drawn with them", () => {
    const r = random(2);
    const rates = [3, 12, 6];
    const stimuli = rates.map((mu, i) => ({
      latents: Float64Array.of(i - 1),
      counts: Array.from({ length: 4000 }, () => drawCount(mu, 0.3, r)),
    }));
    const { at, meanHz, dispersion } = fitUnit({ name: "u", area: "V1", windowMs: 500, stimuli });
    expect(at).toEqual([-1, 0, 1]);
    // Standard error of a mean √((μ + 0.3 μ²)/4000), four of them, in spikes/s over 0.5 s.
    rates.forEach((mu, i) => {
      expect(Math.abs(meanHz[i] - 2 * mu)).toBeLessThan(8 * Math.sqrt((mu + 0.3 * mu ** 2) / 4000));
    });
    expect(Math.abs(dispersion - 0.3)).toBeLessThan(0.03);
    const poisson = stimuli.map((s, i) => ({ ...s, counts: s.counts.map(() => rates[i]) }));
    expect(fitUnit({ name: "u", area: "V1", windowMs: 500, stimuli: poisson }).dispersion).toBe(0);
  });

  test("the median unit's dispersion is what the patches take", () => {
    const all = recordedUnits("disparity").map((unit) => fitUnit(unit).dispersion);
    all.sort((a, b) => a - b);
    expect(all[79]).toBeCloseTo(0.137, 3);
  });

  test("a recorded unit has the rates of a real one at its stimuli, and lies between them elsewhere", () => {
    const real = recordedUnits("disparity").map((unit) => fitUnit(unit).meanHz);
    for (const unit of createPopulation({ recorded: 20 }, 4, random(6))) {
      const [d] = unit.tunedTo;
      const rate = (z: number) =>
        unit.rateHz(
          [0, 0, 0, 0].map((_, i) => (i === d ? z : 0)),
          0,
        );
      // Disparities differ between units; their ends do not: ±3.
      const own = real.filter((hz) => hz[0] === rate(-3) && hz[hz.length - 1] === rate(3));
      expect(own.length).toBeGreaterThan(0);
      const dense = Array.from({ length: 601 }, (_, i) => rate(-3 + i / 100));
      expect(
        own.some((hz) => Math.max(...hz) >= Math.max(...dense) - 1e-9 && Math.min(...hz) <= Math.min(...dense) + 1e-9),
      ).toBe(true);
      expect(rate(10)).toBe(rate(3));
    }
  });
});
