import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { z } from "zod";
import type { FittedUnit, Simulation } from "../../protocols/experiment.ts";
import { describeIssues } from "../../protocols/wire/message.ts";
import { ConfigurationError } from "../failure.ts";
import { curveGrid } from "../tuning/report.ts";

/** What an estimates.json has that the simulation takes. */
const estimates = z.object({
  units: z
    .array(
      z.object({
        bestLatent: z.number().int().nonnegative(),
        curves: z.array(z.object({ rateHz: z.array(z.number().positive()).length(curveGrid.length) })),
        dispersion: z.number().nonnegative(),
      }),
    )
    .min(1),
});

/** So many digits of a rate are more than any recording tells. */
const DIGITS = 4;

/**
 * A simulation with the units that its `recordedFrom` names read from their file: each unit's curve over the latent that carries most of
 * its tuning, all others at 0, and its dispersion, as they were estimated.
 *
 * @param file the experiment or study file that the path is relative to
 * @throws ConfigurationError naming the file, what was expected in it and what was found
 */
export async function withFittedUnits<S extends Pick<Simulation, "recordedFrom">>(simulation: S, file: string) {
  const { recordedFrom } = simulation;
  if (typeof recordedFrom !== "string") return simulation;
  return { ...simulation, recordedFrom: await readFittedUnits(resolve(dirname(file), recordedFrom)) };
}

async function readFittedUnits(path: string): Promise<FittedUnit[]> {
  const refused = (found: string) =>
    new ConfigurationError(
      `simulation.recordedFrom ${path}: expected the estimates.json of an analysis or a session, ${found}`,
    );
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw refused(`found none: ${error.code}`);
  });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw refused((error as Error).message);
  }
  const parsed = estimates.safeParse(json);
  if (!parsed.success) throw refused(describeIssues(parsed.error, json, "the file"));
  return parsed.data.units.map(({ bestLatent, curves, dispersion }, u) => {
    const best = curves[bestLatent];
    if (!best) throw refused(`units.${u}.bestLatent: expected one of ${curves.length} latents, found ${bestLatent}`);
    return {
      at: [...curveGrid],
      meanHz: best.rateHz.map((hz) => Number(hz.toPrecision(DIGITS))),
      dispersion: Number(dispersion.toPrecision(DIGITS)),
    };
  });
}
