import type { TrainingMeasure } from "../../../protocols/study.ts";
import { activeNats, countActive } from "../../../server/model/measures/active.ts";
import type { Measures } from "../../../server/model/measures/measures.ts";
import type { Evaluation } from "../../../server/model/training/evaluation.ts";
import type { Measure } from "../measures.ts";

interface TrainingMeasureOf extends Measure {
  of(evaluation: Evaluation, measures: Measures): number;
}

/** Figures of a model by itself. */
export type OwnMeasure = Exclude<TrainingMeasure, "udr">;

export const trainingMeasureTable: Record<OwnMeasure, TrainingMeasureOf> = {
  mig: {
    title: "MIG",
    says: "Mutual information gap (Chen et al. 2018): how much more the best latent says of a factor than the second, over the factor's entropy; mean over factors.",
    better: "high",
    together: "mean",
    of: (_, { mig }) => mig,
  },
  disentanglement: {
    title: "Disentanglement",
    says: "Of DCI (Eastwood & Williams 2018), by Lasso: 1 where each latent serves one factor.",
    better: "high",
    together: "mean",
    of: (_, { dci }) => dci.disentanglement,
  },
  completeness: {
    title: "Completeness",
    says: "Of DCI: 1 where each factor is served by one latent.",
    better: "high",
    together: "mean",
    of: (_, { dci }) => dci.completeness,
  },
  informativeness: {
    title: "Informativeness",
    says: "Of DCI: R² of the factors, foretold linearly from the latents, on heads that were not fitted to; mean over factors.",
    better: "high",
    together: "mean",
    of: (_, { dci }) => dci.informativeness,
  },
  ownLatents: {
    title: "Own latents",
    says: "How many factors have a latent of their own: |Spearman's ρ| of at least 0.8, and no other factor above 0.4 on that latent.",
    better: "high",
    together: "mean",
    of: (_, { ownLatents }) => ownLatents,
  },
  activeLatents: {
    title: "Active latents",
    says: `How many differ from the prior by more than ${activeNats} nat.`,
    better: "as wanted",
    together: "mean",
    of: ({ latents }) => countActive(latents),
  },
  klNats: {
    title: "KL",
    says: "Of the posterior from the prior, summed over latents, in nats a head.",
    better: "as wanted",
    together: "mean",
    of: ({ latents }) => latents.reduce((sum, { klNats }) => sum + klNats, 0),
  },
  psnrDb: {
    title: "PSNR",
    says: "Of reconstructions from the posterior's mean, in dB.",
    better: "high",
    together: "mean",
    of: ({ psnrDb }) => psnrDb,
  },
};
