import type { Experiment } from "../../protocols/experiment.ts";
import type { DeciderSettings } from "../choice/decider.ts";

/** Half-width of the smooth part's interval over the faces' range: the basis is poor near its ends. */
const MARGIN = 1.5;

/** What the part that thinks needs to know of an experiment. */
export function deciderSettings({ latents, response, tuning, choice }: Experiment, units: string[]): DeciderSettings {
  const windowS = response.windowMs / 1000;
  return {
    latents,
    units,
    windowS,
    prior: {
      count: tuning.rateHz * windowS,
      biasSd: tuning.rateLogSd,
      linearSd: tuning.linearSd,
      smoothSd: tuning.smoothSd,
    },
    smooth: {
      functions: tuning.functions,
      lengthScale: tuning.lengthScale,
      halfWidth: choice.range * MARGIN,
    },
    choice,
  };
}
