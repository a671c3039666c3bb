/**
 * `node dist/test/bench/identify-bound.js [seeds] [firstSeed]`: trials until 90 % of one-latent units are identified (probability of the
 * right latent ≥ 0.95) where the faces come from someone who knows each unit: its latent goes by turns to where the unit fires most and where
 * it fires least, the others are drawn from the box. The belief is learned as in a session. JSON on stdout.
 */
import { drawBox } from "../../server/choice/candidates.ts";
import { refitterSettings } from "../../server/choice/decider.ts";
import { type Random, random } from "../../server/random.ts";
import { readExperiment } from "../../server/session/experiment-file.ts";
import { deciderSettings } from "../../server/session/settings.ts";
import { codesOf, createRivals, learnRivals } from "../../server/tuning/rivals.ts";
import { codedLatent, createPopulation, type SimulatedUnit } from "../../sim/neurons/unit.ts";
import { truthOf } from "../../sim/study/truth.ts";
import { drawCount } from "../tuning/draws.ts";

const kinds = ["ramp", "bump", "saturating"] as const;
const TRIALS = 60;
const IDENTIFIED = 0.95;
const SHARE = 0.9;
const seeds = Number(process.argv[2] ?? 20);
const firstSeed = Number(process.argv[3] ?? 101);
const experiment = await readExperiment("protocols/experiments/one-to-one.yaml", {});
const { latents } = experiment;
const { range } = experiment.choice;
const { basis, observation, prior, windowS } = refitterSettings(deciderSettings(experiment, ["unit"]));
const POISSON = new Float64Array(1);

type Faces = (unit: SimulatedUnit, trial: number, random: Random) => Float64Array;

const designs: Record<"known" | "box" | "corners", Faces> = {
  known(unit, trial, r) {
    const face = drawBox(latents, range, r);
    const latent = codedLatent(unit)!;
    const [low, high] = extremes(unit, latent);
    face[latent] = trial % 2 === 0 ? high : low;
    return face;
  },
  box: (_, __, r) => drawBox(latents, range, r),
  corners: (_, __, r) => Float64Array.from({ length: latents }, () => (r.uniform() < 0.5 ? -range : range)),
};

/** Where on its latent a unit fires least and most. */
function extremes(unit: SimulatedUnit, latent: number): [number, number] {
  const { rateHz } = truthOf(experiment, unit, 0);
  const values = Array.from({ length: 61 }, (_, i) => -range + (i / 30) * range);
  const face = new Float64Array(latents);
  const rates = values.map((value) => {
    face[latent] = value;
    return rateHz(face);
  });
  return [values[rates.indexOf(Math.min(...rates))], values[rates.indexOf(Math.max(...rates))]];
}

/** Whether the right latent is known after each trial. */
function identified(kind: (typeof kinds)[number], seed: number, faces: Faces): boolean[] {
  const r = random(seed).split("identify-bound", kind);
  const [unit] = createPopulation({ [kind]: 1 }, latents, r.split("population"));
  const { rateHz } = truthOf(experiment, unit, 0);
  const rivals = createRivals(basis, observation, 1, prior);
  const noise = r.split("counts");
  return Array.from({ length: TRIALS }, (_, trial) => {
    const face = faces(unit, trial, r.split("faces", trial));
    // The additive model is none of the explanations that share the probability of one latent.
    learnRivals(rivals, face, [drawCount(rateHz(face) * windowS, 0, noise)], POISSON, POISSON);
    return codesOf(rivals, 0).latents[codedLatent(unit)!] >= IDENTIFIED;
  });
}

const figures = Object.entries(designs).map(([name, faces]) => {
  const all = kinds.flatMap((kind) =>
    Array.from({ length: seeds }, (_, i) => ({ kind, known: identified(kind, firstSeed + i, faces) })),
  );
  const trialsOf = (units: typeof all) => {
    const at = Array.from({ length: TRIALS }, (_, t) => t).find(
      (t) => units.filter(({ known }) => known[t]).length >= SHARE * units.length,
    );
    return at === undefined ? null : at + 1;
  };
  return [
    name,
    {
      all: trialsOf(all),
      ...Object.fromEntries(kinds.map((kind) => [kind, trialsOf(all.filter((one) => one.kind === kind))])),
    },
  ];
});
process.stdout.write(`${JSON.stringify({ seeds, firstSeed, trials: Object.fromEntries(figures) }, null, 2)}\n`);
