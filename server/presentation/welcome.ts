import type { Experiment } from "../../protocols/experiment.ts";
import { ConfigurationError } from "../failure.ts";
import type { DisplayServerOptions } from "./display-server.ts";
import type { Luminance } from "./luminance.ts";

/**
 * What a display is told of a session's faces and background.
 *
 * @param image size of the model's faces
 * @throws ConfigurationError for a fixation spot whose size nothing says
 */
export function welcomeOf(
  experiment: Experiment,
  { width, height }: { width: number; height: number },
  luminance: Luminance,
): DisplayServerOptions["welcome"] {
  const { background, faceFraction, photodiode } = experiment.stimulus;
  return {
    session: experiment.name,
    width,
    height,
    background: luminance.level(background),
    placement: experiment.display ?? null,
    fixation: fixationOf(experiment, luminance),
    faceFraction,
    photodiode,
  };
}

function fixationOf({ fixation, display }: Experiment, luminance: Luminance) {
  if (!fixation) return null;
  const { sizeDeg = null, sizePx = null, level } = fixation;
  if (sizeDeg === null && sizePx === null)
    throw new ConfigurationError("fixation: expected sizeDeg or sizePx, found neither");
  if (sizeDeg !== null && !display)
    throw new ConfigurationError("fixation.sizeDeg: expected a display section that says what a degree is, found none");
  return { sizeDeg, sizePx, level: luminance.level(level) };
}
