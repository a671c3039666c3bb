import { type Experiment, parseExperimentValue } from "../../protocols/experiment.ts";
import {
  measuresOf,
  type SessionStudy,
  simulatedMeasures,
  type TrainingStudy,
  trainingMeasures,
} from "../../protocols/study.ts";
import { trainingSettings } from "../../protocols/training.ts";
import { ConfigurationError } from "../../server/failure.ts";
import { populationFault } from "../neurons/unit.ts";
import type { SessionCell, TrainingCell } from "./cell.ts";
import { type StudyModel, seenThrough } from "./models.ts";
import { recordedLatents, recordedUnits } from "./recorded/data.ts";

const experimentsOwn: StudyModel = { name: null, experiment: {}, latentFactors: null };

/**
 * Every session of a study, in the order of its file: designs within populations within models within seeds, so that a study that is stopped has
 * compared all designs on the seeds that it got to.
 *
 * @param base the experiment that the designs are variants of, as its file has it
 * @param models what the populations are seen through
 * @throws ConfigurationError for a design that makes an impossible experiment, or a population that is impossible with a model
 */
export function planSessions(
  study: SessionStudy,
  base: Record<string, unknown>,
  models: readonly StudyModel[] = [experimentsOwn],
): SessionCell[] {
  const variants = models.map((model) => {
    const throughIt = model.name === null ? "" : `, model ${model.name}`;
    const experiments = Object.entries(study.designs).map(([design, overrides]) => ({
      design,
      rounds: overrides.rounds,
      experiment: variant({ ...base, ...model.experiment }, `${design}${throughIt}`, overrides, study.trials),
    }));
    const populations = Object.entries(study.populations ?? {}).map(([name, units]) => {
      const simulation = seenThrough(model, units);
      const { experiment } = experiments[0];
      // By the name that the reader knows; one that does not ship goes by its content.
      const fault = populationFault(simulation, { ...experiment, model: model.name ?? experiment.model });
      if (fault) throw new ConfigurationError(`population ${name}${throughIt}: ${fault}`);
      return [name, simulation] as const;
    });
    return { named: model.name === null ? {} : { model: model.name }, experiments, populations };
  });
  const { firstSeed, checkpoints, heldOutShare } = study;
  const measures = simulatedMeasures.filter((name) => measuresOf(study).includes(name));
  const [{ experiments: replayed }] = variants;
  const cells: SessionCell[] = [];
  for (let seed = firstSeed; seed < firstSeed + study.seeds; seed++) {
    for (const { named, experiments, populations } of variants)
      for (const [population, simulation] of populations)
        for (const { design, experiment } of experiments)
          cells.push({
            design,
            population,
            ...named,
            seed,
            experiment: { ...experiment, seed, simulation },
            checkpoints,
            recording: null,
            measures,
          });
    for (const dataSet of study.recordings ?? [])
      for (const { name, windowMs } of recordedUnits(dataSet))
        for (const { design, rounds, experiment } of replayed)
          cells.push({
            design,
            population: dataSet,
            seed,
            experiment: {
              ...experiment,
              seed,
              latents: recordedLatents(dataSet),
              response: { latencyMs: 0, windowMs },
              simulation: undefined,
            },
            checkpoints,
            recording: { dataSet, unit: name, heldOutShare, rounds },
            measures: [],
          });
  }
  return cells;
}

function variant(
  base: Record<string, unknown>,
  design: string,
  { choice, tuning }: SessionStudy["designs"][string],
  trials: number,
): Experiment {
  const parsed = parseExperimentValue({
    ...base,
    // Nothing of what a session gives depends on these.
    name: "study",
    description: "",
    trials,
    // Sessions of a study are as long as it says.
    stop: { axisTestsDone: false },
    choice: { ...(base.choice as object), ...choice },
    tuning: { ...(base.tuning as object), ...tuning },
  });
  if (!parsed.ok) throw new ConfigurationError(`design ${design}: ${parsed.errors}`);
  return parsed.experiment;
}

/** Every training of a study, designs within seeds. */
export function planTrainings({ training, steps, firstSeed, seeds, designs, ...study }: TrainingStudy): TrainingCell[] {
  const { faces } = training;
  const unseen = { ...training.unseen, size: faces.size };
  const measures = trainingMeasures.filter((name) => !study.measures || study.measures.includes(name));
  return Array.from({ length: seeds }, (_, i) =>
    Object.entries(designs).map(([design, { stages, betaFrom, capacity, ...settings }]) => ({
      design,
      population: `${faces.count} heads of ${faces.size} × ${faces.size}`,
      seed: firstSeed + i,
      checkpoints: study.checkpoints,
      training: {
        faces,
        unseen,
        stages: (stages ?? [{ steps, rotate: false, betaFrom, capacity }]).map(({ steps, rotate, ...own }) => ({
          settings: trainingSettings.parse({ ...settings, ...own }),
          steps,
          rotate,
        })),
      },
      measures,
    })),
  ).flat();
}
