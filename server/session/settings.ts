import type { Experiment } from "../../protocols/experiment.ts";
import { functionsNeeded, smoothHalfWidth } from "../../protocols/limits.ts";
import type { DeciderSettings } from "../choice/decider.ts";
import type { Region } from "../choice/region.ts";
import { ConfigurationError } from "../failure.ts";

/**
 * What the part that thinks needs to know of an experiment.
 *
 * @param region where faces may be chosen, as the model says
 */
export function deciderSettings(
  { latents, response, recording, tuning, choice, stop }: Experiment,
  units: string[],
  region: Region | null = null,
): DeciderSettings {
  checkNames(units, recording.units, choice);
  const windowS = response.windowMs / 1000;
  const links: DeciderSettings["links"] = tuning.link === "by-evidence" ? ["exponential", "softplus"] : [tuning.link];
  return {
    latents,
    units,
    windowS,
    observation: { link: links[0], counts: tuning.counts, priorCount: tuning.rateHz * windowS },
    links,
    prior: {
      biasSd: tuning.rateLogSd,
      linearSd: tuning.linearSd,
      smoothSd: tuning.smoothSd,
      dispersion: tuning.dispersion,
    },
    smooth: {
      functions: tuning.functions ?? functionsNeeded(choice.range, tuning.lengthScale),
      lengthScale: tuning.lengthScale,
      halfWidth: smoothHalfWidth(choice.range, tuning.lengthScale),
    },
    memoryTrials: tuning.memoryTrials,
    gain: tuning.gain,
    choice,
    lookahead: choice.lookahead,
    program: choice,
    constraints: { ...choice.constraints, region },
    weights: countingWeights(units, recording.units, choice.population),
    knownAt: choice.population.knownAt,
    axisTest: choice.axisTest,
    stop,
  };
}

/** Names that no unit or area has would be passed over in silence. */
function checkNames(
  units: readonly string[],
  recorded: Experiment["recording"]["units"],
  { axisTest, population }: Experiment["choice"],
): void {
  const areas = [...new Set(recorded.flatMap(({ name, area }) => (units.includes(name) && area) || []))];
  for (const [where, known, given] of [
    ["choice.axisTest.units", units, axisTest.units],
    ["choice.population.weights", units, Object.keys(population.weights)],
    ["choice.population.areaWeights", areas, Object.keys(population.areaWeights)],
  ] as const) {
    const unknown = given.filter((name) => !known.includes(name));
    if (unknown.length > 0)
      throw new ConfigurationError(
        `${where}: expected names among ${known.join(", ") || "none (no unit of this session has an area; simulated ones have those of recording.units with simulation.standsIn)"}, found ${unknown.join(", ")}`,
      );
  }
}

function countingWeights(...given: Parameters<typeof unitWeights>): number[] {
  const weights = unitWeights(...given);
  if (weights.every((weight) => weight === 0))
    throw new ConfigurationError(
      "choice.population: expected at least one unit that counts, found none: all weights are 0, or no unit is isolated well enough",
    );
  return weights;
}

/** How much each unit counts: its own weight, or its area's, or 1; 0 where it is not isolated well enough. */
function unitWeights(
  units: readonly string[],
  recorded: Experiment["recording"]["units"],
  { weights, areaWeights, isolationAtLeast }: Experiment["choice"]["population"],
): number[] {
  return units.map((name) => {
    const unit = recorded.find((one) => one.name === name);
    if (isolationAtLeast !== null && !(unit?.isolation !== undefined && unit.isolation >= isolationAtLeast)) return 0;
    return weights[name] ?? (unit?.area === undefined ? 1 : (areaWeights[unit.area] ?? 1));
  });
}
