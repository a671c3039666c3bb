import { type Experiment, parseExperiment } from "../protocols/experiment.ts";

/** The experiment of an experiment file's text; throws what is wrong with it. */
export function experimentOf(yaml: string): Experiment {
  const parsed = parseExperiment(yaml);
  if (!parsed.ok) throw new Error(parsed.errors);
  return parsed.experiment;
}

/** A session of six units over four latents, for virtual time. */
export const virtualExperiment = (name: string, trials: number, choice: string, tuning = "{}"): Experiment =>
  experimentOf(`
name: ${name}
trials: ${trials}
model: faces-64
latents: 4
stimulus: { onMs: 100, gapMs: 50 }
response: { latencyMs: 50, windowMs: 100 }
choice: ${choice}
tuning: ${tuning}
simulation: { ramp: 3, axis: 3 }
`);
