import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { z } from "zod";
import type { FittedUnit, Simulation } from "../../protocols/experiment.ts";
import { describeIssues } from "../../protocols/wire/message.ts";
import { interpolate } from "../../sim/neurons/recorded.ts";
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
  /** What was shown of each latent; files of older sessions do not say. */
  shown: z.object({ low: z.array(z.number()), high: z.array(z.number()) }).nullish(),
});

/** So many digits of a rate are more than any recording tells. */
const DIGITS = 4;

/**
 * A simulation with the units that its `recordedFrom` names read from their file: each unit's curve over the latent that carries most of
 * its tuning, all others at 0, and its dispersion, as they were estimated; the curve as far as faces were shown, for beyond it is made up.
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
  const { units, shown } = parsed.data;
  return units.map(({ bestLatent: d, curves, dispersion }, u) => {
    const best = curves[d];
    if (!best) throw refused(`units.${u}.bestLatent: expected one of ${curves.length} latents, found ${d}`);
    const low = Math.max(shown?.low[d] ?? LOWEST, LOWEST);
    const high = Math.min(shown?.high[d] ?? HIGHEST, HIGHEST);
    const at = [low, ...curveGrid.filter((z) => low < z && z < high), high];
    return {
      at,
      meanHz: at.map((z) => rounded(interpolate(curveGrid, best.rateHz, z))),
      dispersion: rounded(dispersion),
    };
  });
}

const [LOWEST, HIGHEST] = [curveGrid[0], curveGrid[curveGrid.length - 1]];
const rounded = (value: number): number => Number(value.toPrecision(DIGITS));
