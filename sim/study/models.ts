import { basename } from "node:path";
import type { LatentFactor, Simulation } from "../../protocols/experiment.ts";
import type { SessionStudy } from "../../protocols/study.ts";
import { ConfigurationError } from "../../server/failure.ts";
import { modelDigest } from "../../server/model/digest.ts";
import { bundledModel, readCard } from "../../server/model/model-folder.ts";
import { lacksFactors } from "../faces/latent-factors.ts";

/** A face model that the populations of a study are seen through. */
export interface StudyModel {
  /** As the study file names it; null: the experiment's, which the file says nothing of. */
  name: string | null;
  /** Fields of the experiment; where a model's folder lies decides nothing, so one that does not ship goes by its content. */
  experiment: { model?: string; latents?: number };
  /** Where the factors that units follow lie in its latents; null where none follows any, or as is known of faces-64. */
  latentFactors: LatentFactor[] | null;
}

/**
 * The models of a study, with all that its sessions need of them: no machine that runs them looks at a model.
 *
 * @param file the study's, where relative model folders start
 * @param base the experiment as its file has it, and that file's path
 * @param said told what is waited for
 * @throws ConfigurationError for a model that is none, or in whose latents the factors that units follow can't be found
 */
export async function openModels(
  { models, populations }: Pick<SessionStudy, "models" | "populations">,
  file: string,
  base: { raw: Record<string, unknown>; file: string },
  said: (words: string) => void,
): Promise<StudyModel[]> {
  const lacking = (name: string) => Object.values(populations ?? {}).some((units) => lacksFactors(units, name));
  const open = async (name: string, namedBy: string) => {
    const folder = bundledModel(name, namedBy);
    const { card } = await readCard(folder);
    const model = { folder, card, digest: await modelDigest(folder) };
    // What draws heads and encodes them takes a while to load.
    const find = async () => (await import("../faces/model-factors.ts")).findLatentFactors(model, said);
    const ships = folder === bundledModel(basename(folder));
    return {
      latents: card.latents.count,
      digest: model.digest,
      known: ships ? basename(folder) : model.digest,
      latentFactors: lacking(name) ? await find() : null,
    };
  };
  if (!models) {
    const { model } = base.raw;
    const latentFactors =
      typeof model === "string" && lacking(model) ? (await open(model, base.file)).latentFactors : null;
    return [{ name: null, experiment: {}, latentFactors }];
  }
  const opened: StudyModel[] = [];
  const digests: string[] = [];
  for (const [i, name] of models.entries()) {
    const { latents, digest, known, latentFactors } = await open(name, file).catch((error) => {
      if (!(error instanceof ConfigurationError)) throw error;
      throw new ConfigurationError(`study file ${file}: models.${i} "${name}": ${error.message}`);
    });
    const same = digests.indexOf(digest);
    if (same >= 0)
      throw new ConfigurationError(
        `study file ${file}: models.${i} "${name}": expected another model than models.${same} "${models[same]}", found the same`,
      );
    digests.push(digest);
    opened.push({ name, experiment: { model: known, latents }, latentFactors });
  }
  return opened;
}

/** The units as they are seen through a model. */
export const seenThrough = <S extends Partial<Simulation>>({ latentFactors }: StudyModel, simulation: S): S =>
  latentFactors && lacksFactors(simulation) ? { ...simulation, latentFactors } : simulation;
