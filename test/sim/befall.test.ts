import { describe, expect, test } from "vitest";
import { parseExperimentValue } from "../../protocols/experiment.ts";
import { random } from "../../server/random.ts";
import { readExperiment } from "../../server/session/experiment-file.ts";
import { factorsOfFaces64 } from "../../sim/faces/latent-factors.ts";
import { createBrain } from "../../sim/neurons/brain.ts";
import { createPopulation, type Neuron, type Population, populationFault } from "../../sim/neurons/unit.ts";
import { correlation } from "../../sim/study/curves.ts";
import { truthOf } from "../../sim/study/truth.ts";

const moments = (values: readonly number[]) => {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return { mean, variance: values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length };
};

/** Every unit fires at 40 spikes/s to any face, 5 spontaneously, from 80 ms on, without a refractory period. */
const plain = { rateHz: () => 40, spontaneousHz: 5, latencyMs: 80, refractoryMs: 0 };

/** Spikes of each unit, from each onset on: presentations of 0.2 s, one a second. */
function responses(
  units: Parameters<typeof createBrain>[0],
  faces: readonly ArrayLike<number>[],
  seed = 1,
  adaptation?: Population["adaptation"],
) {
  const brain = createBrain(units, 0, random(seed), adaptation);
  faces.forEach((face, i) => {
    brain.see(i, face, i, i + 0.2);
  });
  const out = units.map(() => faces.map((): number[] => []));
  const { unit, timeS } = brain.fire(faces.length);
  timeS.forEach((t, k) => {
    out[unit[k]][Math.floor(t)].push(t % 1);
  });
  return out;
}
const counts = (spikes: readonly number[][], fromS: number, toS: number) =>
  spikes.map((times) => times.filter((t) => t >= fromS && t < toS).length);
const faces = (n: number, face: ArrayLike<number> = [0, 0, 0]) => Array.from({ length: n }, () => face);

describe("what befalls simulated units", () => {
  test("latencies are log-normal with the mean and the spread that are asked for", () => {
    const units = createPopulation({ ramp: 4000, latency: { meanMs: 100, sdMs: 20 } }, 3, random(2));
    const { mean, variance } = moments(units.map(({ latencyMs }) => latencyMs));
    const logs = moments(units.map(({ latencyMs }) => Math.log(latencyMs)));
    // Standard errors 20/√4000 = 0.32, and 20/√8000 · 1.1 = 0.25; σ² of the logarithm is log(1 + 0.2²), within √(2/4000) of itself. Four of each.
    expect(Math.abs(mean - 100)).toBeLessThan(1.3);
    expect(Math.abs(Math.sqrt(variance) - 20)).toBeLessThan(1);
    expect(Math.abs(logs.variance / Math.log(1.04) - 1)).toBeLessThan(0.09);
    expect(units.map(({ name, kind }) => [name, kind])).toEqual(
      createPopulation({ ramp: 4000 }, 3, random(2)).map(({ name, kind }) => [name, kind]),
    );
  });

  test("a time course: driven while the transient lasts, then a share of what is above the spontaneous rate", () => {
    const [unit] = createPopulation({ ramp: 1, timeCourse: { transientMs: 60, sustained: 0.4 } }, 3, random(1));
    const n = 4000;
    const [spikes] = responses([{ ...unit, ...plain }], faces(n));
    // 40 Hz · 0.06 s = 2.4; then 5 + 0.4 · 35 = 19 Hz · 0.14 s = 2.66; then 5 Hz · 0.5 s = 2.5. Poisson: four standard errors √(mean/n).
    for (const [fromS, toS, expected] of [
      [0.08, 0.14, 2.4],
      [0.14, 0.28, 2.66],
      [0.28, 0.78, 2.5],
    ]) {
      const { mean, variance } = moments(counts(spikes, fromS, toS));
      expect(Math.abs(mean - expected)).toBeLessThan(4 * Math.sqrt(expected / n));
      expect(Math.abs(variance / mean - 1)).toBeLessThan(4 * Math.sqrt(2 / n));
    }
  });

  test("adaptation: an immediate repetition loses the whole suppression, a later one e^(−lag/memory) of it, another face none", () => {
    const [unit] = createPopulation({ ramp: 1 }, 3, random(1));
    const adaptation = { suppression: 0.5, memoryFaces: 4, width: 0.5 };
    // Far from one another and from what comes back: A A B C D A, then so much else that all is forgotten.
    const far = (k: number) => [100 * (k + 1), 50 * k, 0];
    const rounds = 1500;
    const shown = Array.from({ length: rounds }, (_, round) => {
      const a = far(100 * round);
      return [a, a, ...[1, 2, 3].map((k) => far(100 * round + k)), a];
    }).flat();
    const [spikes] = responses([{ ...unit, ...plain }], shown, 3, adaptation);
    const evoked = counts(spikes, 0.08, 0.28);
    // Of A at the sixth place: it was shown 4 and 5 faces ago, lags 3 and 4 after the first.
    const sixth = 1 - 0.5 * (1 - (1 - Math.exp(-3 / 4)) * (1 - Math.exp(-1)));
    for (const [place, share] of [
      [0, 1],
      [1, 0.5],
      [2, 1],
      [5, sixth],
    ]) {
      const expected = (5 + share * 35) * 0.2;
      const { mean } = moments(evoked.filter((_, i) => i % 6 === place));
      expect(Math.abs(mean - expected)).toBeLessThan(4 * Math.sqrt(expected / rounds));
    }
  });

  test("gain noise: variance μ + φ μ², and counts that correlate by φ ρ μ / (1 + φ μ)", () => {
    const population = { ramp: 6, gainNoise: { variance: 0.25, correlation: 0.4 } };
    const units = createPopulation(population, 3, random(4)).map((unit) => ({
      ...unit,
      ...plain,
      spontaneousHz: 0.001,
    }));
    const n = 6000;
    const all = responses(units, faces(n)).map((spikes) => counts(spikes, 0.08, 0.28));
    for (const unit of all) {
      const { mean, variance } = moments(unit);
      // μ = 8: variance 8 + 16 = 24, standard error of the mean √(24/6000) = 0.063. Of the variance: that of a log-normal mixture, about 24 · √(6/6000).
      expect(Math.abs(mean - 8)).toBeLessThan(0.26);
      expect(Math.abs(variance - 24)).toBeLessThan(3);
    }
    // 0.25 · 0.4 · 8 / (1 + 0.25 · 8) = 0.267; each of 15 pairs within 4/√6000, wider for the heavy tails, their mean nearer.
    const pairs = all.flatMap((a, i) => all.slice(i + 1).map((b) => correlation(a, b)));
    for (const r of pairs) expect(Math.abs(r - 0.2667)).toBeLessThan(0.07);
    expect(Math.abs(moments(pairs).mean - 0.2667)).toBeLessThan(0.03);
  });

  test("gain noise without a correlation leaves units independent", () => {
    const units = createPopulation({ ramp: 2, gainNoise: { variance: 0.25, correlation: 0 } }, 3, random(4));
    const [a, b] = responses(
      units.map((unit) => ({ ...unit, ...plain })),
      faces(4000),
    ).map((spikes) => counts(spikes, 0.08, 0.28));
    expect(Math.abs(correlation(a, b))).toBeLessThan(4 / Math.sqrt(4000));
  });

  test("units are lost and found at presentations of their own, and are silent without", () => {
    const turnover = { lost: 0.5, found: 0.25, trials: 40 };
    const units = createPopulation({ ramp: 400, turnover }, 3, random(8));
    const present = units.map((unit) => unit.present!);
    const lost = present.filter(({ until }) => until < Number.POSITIVE_INFINITY).length;
    const found = present.filter(({ from }) => from > 0).length;
    // Binomial, four standard errors. One in forty of those found, and of those lost as well, is so at presentation 0: 400 · 0.25 · 39/40 · (1 − 0.5/40).
    expect(Math.abs(lost - 200)).toBeLessThan(40);
    expect(Math.abs(found - 96.3)).toBeLessThan(34.2);
    const spikes = responses(
      units.map((unit) => ({ ...unit, ...plain })),
      faces(50),
    );
    spikes.forEach((trials, u) => {
      const { from, until } = present[u];
      trials.forEach((times, i) => {
        // The unit goes, or comes, with the response to that presentation.
        const there = from <= i && i < until;
        const after = times.filter((t) => t >= 0.08);
        if (!there) expect(after).toEqual([]);
      });
      const within = trials.slice(from, Math.min(50, until));
      if (within.length > 10) expect(within.flat().length).toBeGreaterThan(within.length);
    });
  });

  test("drift leaves a unit what it was at presentation 0, and moves its gain by no more than twice the swing", () => {
    const drift = { logGain: 0.4, shift: 0 };
    const [still, moved] = [{ ramp: 3 }, { ramp: 3, drift }].map((p) => createPopulation(p, 3, random(6)));
    moved.forEach((unit, u) => {
      const z = [1, -1, 0.5];
      expect(unit.rateHz(z, 0)).toBeCloseTo(still[u].rateHz(z, 0), 12);
      const logs = Array.from({ length: 1200 }, (_, n) => Math.log(unit.rateHz(z, n) / still[u].rateHz(z, n)));
      // A whole period at least: from the lowest to the highest it is twice the swing.
      expect(Math.max(...logs) - Math.min(...logs)).toBeCloseTo(0.8, 3);
    });
  });
});

describe("sorting errors", () => {
  const [first, second] = createPopulation({ ramp: 2 }, 3, random(5)).map((unit, u) => ({
    ...unit,
    ...plain,
    rateHz: () => 30 + 20 * u,
  }));

  test("a merged unit has the spikes of both neurons, in order", () => {
    const merged = { ...first, sources: [first, second].map((neuron: Neuron) => ({ neuron, share: 1 })) };
    const apart = createBrain([first, second], 0, random(2));
    const together = createBrain([merged], 0, random(2));
    for (let i = 0; i < 20; i++) for (const brain of [apart, together]) brain.see(i, [0, 0, 0], i, i + 0.2);
    const { timeS } = apart.fire(20);
    const one = together.fire(20);
    expect([...one.timeS]).toEqual([...timeS].sort((a, b) => a - b));
    expect(new Set(one.unit)).toEqual(new Set([0]));
  });

  test("a split neuron's spikes go to either unit, in its share; counts of Poisson parts are independent", () => {
    const parts = [0.3, 0.7].map((share) => ({ ...first, sources: [{ neuron: first, share }] }));
    const n = 4000;
    const [a, b] = responses(parts, faces(n)).map((spikes) => counts(spikes, 0.08, 0.28));
    // 30 Hz · 0.2 s = 6 spikes: 1.8 and 4.2, four standard errors of a Poisson mean; a Poisson stream dealt at random gives independent streams.
    expect(Math.abs(moments(a).mean - 1.8)).toBeLessThan(4 * Math.sqrt(1.8 / n));
    expect(Math.abs(moments(b).mean - 4.2)).toBeLessThan(4 * Math.sqrt(4.2 / n));
    expect(Math.abs(correlation(a, b))).toBeLessThan(4 / Math.sqrt(n));
  });

  test("V1 what a missorted unit fires to a presentation does not depend on the faces before", () => {
    const units = createPopulation({ ramp: 12, sortingErrors: { merged: 0.4, split: 0.4 } }, 3, random(3));
    expect(units.some(({ sources }) => sources?.length === 2)).toBe(true);
    expect(units.some(({ sources }) => sources?.length === 1)).toBe(true);
    const second = (before: number[]) =>
      responses(units, [before, [1, -1, 0]]).map((trials) => trials[1].filter((t) => t >= 0.1 && t < 0.27));
    expect(second([0, 0, 0])).toEqual(second([2, 2, -2]));
  });

  test("a population's faults are as frequent as asked for, and the shares of a split neuron make one", () => {
    const units = createPopulation({ ramp: 2000, sortingErrors: { merged: 0.2, split: 0.1 } }, 3, random(9));
    const merged = units.filter(({ sources }) => sources?.some(({ share }, i) => i > 0 && share === 1)).length;
    expect(Math.abs(merged - 400)).toBeLessThan(4 * Math.sqrt(2000 * 0.2 * 0.8));
    const shares = new Map<Neuron, number>();
    for (const { sources = [] } of units)
      for (const { neuron, share } of sources) shares.set(neuron, (shares.get(neuron) ?? 0) + share);
    for (const sum of shares.values()) expect(sum).toBeCloseTo(1, 12);
    // One unit in ten is a part of the one before, except where that is one already: p(1 − p) in the long run is p/(1 + p).
    const parts = units.filter(
      ({ sources }, i) => i > 0 && sources && sources[0].neuron === units[i - 1].sources?.[0].neuron,
    ).length;
    expect(Math.abs(parts - 2000 * (0.1 / 1.1))).toBeLessThan(4 * Math.sqrt(2000 * 0.09));
    expect(units.map(({ name }) => name)).toEqual(
      createPopulation({ ramp: 2000 }, 3, random(9)).map(({ name }) => name),
    );
  });
});

test("V3 the truth of a merged unit with a time course is what its windows hold on average", async () => {
  const experiment = { ...(await readExperiment("protocols/experiments/one-to-one.yaml")), latents: 3 };
  const { latencyMs, windowMs } = experiment.response;
  const population = {
    AM: 40,
    viewLatents: [0],
    gainNoise: { variance: 0.05, correlation: 0 },
    sortingErrors: { merged: 0.5, split: 0.3 },
  };
  const units = createPopulation(population, 3, random(11));
  const n = 3000;
  const face = [0.5, -0.8, 0.9];
  const fromS = latencyMs / 1000;
  const toS = fromS + windowMs / 1000;
  let square = 0;
  responses(units, faces(n, face)).forEach((spikes, u) => {
    const { mean, variance } = moments(counts(spikes, fromS, toS));
    const expected = truthOf(experiment, units[u], 0).rateHz(face) * (windowMs / 1000);
    const errors = (mean - expected) / Math.sqrt(variance / n);
    square += errors ** 2;
    // A refractory period's correction holds for a constant rate: up to 0.3 % off at the edges of a step.
    expect(Math.abs(errors)).toBeLessThan(4.5);
  });
  // Mean of 40 squared standard normals is 1 ± √(2/40) = 0.22, and the correction adds little: no bias in common.
  expect(square / 40).toBeLessThan(2);
});

describe("a simulation that can't be", () => {
  test("is refused in words", async () => {
    const { recording } = await readExperiment("protocols/experiments/one-to-one.yaml");
    const fault = (population: Population, latents: number, model = "faces-64") =>
      populationFault(population, { model, latents, recording: { ...recording, units: [{ name: "AM-1" }] } });
    expect(fault({}, 12)).toBe("expected at least one unit, found none");
    expect(fault({ AM: 3 }, 12)).toBeNull();
    expect(fault({ AM: 3, viewLatents: [12] }, 12)).toMatch(/which has 12, found 12/);
    expect(fault({ AM: 3 }, 12, "our-vae")).toMatch(
      /viewLatents: expected the latents that turn the head of our-vae, found/,
    );
    expect(fault({ AM: 3, viewLatents: [4] }, 12, "our-vae")).toBeNull();
    expect(fault({ AM: 3 }, 12, "faces-128")).toBeNull();
    expect(fault({ AM: 3 }, 2)).toMatch(/expected some of the latents, found all/);
    expect(fault({ ramp: 3 }, 1)).toBeNull();
    expect(fault({ factor: 3 }, 12)).toBeNull();
    expect(fault({ ramp: 1, recordedFrom: "estimates.json" }, 12)).toBe(
      "recordedFrom: expected recorded units, found none",
    );
    expect(fault({ ramp: 1, standsIn: true }, 12)).toBeNull();
    expect(fault({ ramp: 1, AM: 1, standsIn: true }, 12)).toBe(
      "standsIn: expected as many units as recording.units has, 1, found 2",
    );
    expect(fault({ factor: 3 }, 12, "our-vae")).toBe(
      "latentFactors: expected the factors in the latents of our-vae, found nothing",
    );
    const latentFactors = factorsOfFaces64.map((row) => ({ ...row, weights: row.weights.slice(0, 5) }));
    expect(fault({ factor: 3, latentFactors }, 5, "our-vae")).toBeNull();
    expect(fault({ factor: 3, latentFactors }, 6, "our-vae")).toMatch(/expected 6 weights, .* found 5 of gender/);
    expect(fault({ factor: 3, latentFactors: latentFactors.slice(1) }, 5, "our-vae")).toMatch(/expected gender/);
    expect(fault({ ramp: 3, latentFactors }, 5)).toBe("latentFactors: expected factor units, found none");
  });

  test("by the schema, with the field and what was found", async () => {
    const base = await readExperiment("protocols/experiments/one-to-one.yaml");
    const errors = (simulation: object) => {
      const parsed = parseExperimentValue({ ...base, simulation });
      return parsed.ok ? null : parsed.errors;
    };
    expect(errors({ AM: 10, latency: { meanMs: 100, sdMs: 10 } })).toBeNull();
    expect(errors({ AM: 10, latency: { mean: 100, sdMs: 10 } })).toMatch(/simulation.latency/);
    expect(errors({ AM: 10, timeCourse: { transientMs: 60, sustained: 1.5 } })).toMatch(
      /simulation.timeCourse.sustained: .*1.5/,
    );
    expect(errors({ AM: 10, gainNoise: { variance: 0, correlation: 0 } })).toMatch(/simulation.gainNoise.variance/);
    expect(errors({ AM: 10, sortingErrors: { merged: -1 } })).toMatch(/simulation.sortingErrors.merged/);
    expect(errors({ am: 10 })).toMatch(/am/);
  });
});
