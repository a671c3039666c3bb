/** What does not change in a session, and what operators may change, as dashboards are told. */
import { type Experiment, experiment as schema } from "../../protocols/experiment.ts";
import type { DashboardUnit, SessionInfo, Tunables } from "../../protocols/wire/dashboard.ts";
import { serverNow } from "../clock.ts";
import { deciderSettings } from "../session/settings.ts";
import { curveGrid } from "../tuning/report.ts";

const objectives: readonly string[] = schema.shape.choice.unwrap().shape.objective.options;

/** What of a model's card is told. */
interface Card {
  name: string;
  image: { width: number; height: number };
  latents: { each: readonly { name: string }[] };
}

export const sessionInfo = (
  experiment: Experiment,
  units: readonly string[],
  card: Card,
  folder: string,
  backend: string,
  simulated: boolean,
): SessionInfo => ({
  name: experiment.name,
  description: experiment.description,
  folder,
  experiment,
  units: units.map((name) => ({ name, mapping: simulated ? "simulated" : mappingOf(experiment, name) })),
  latents: card.latents.each.map(({ name }) => name),
  image: { width: card.image.width, height: card.image.height },
  grid: [...curveGrid],
  range: experiment.choice.range,
  objectives: [...objectives],
  startedServerMs: serverNow(),
  model: card.name,
  backend,
  simulated,
  past: false,
});

function mappingOf({ recording }: Experiment, name: string): DashboardUnit["mapping"] {
  const unit = recording.units.find((one) => one.name === name);
  if (!unit) return "";
  const { electrode, sortedId, area, isolation } = unit;
  return [
    area,
    electrode ?? (recording.format === "open-ephys" ? name : undefined),
    sortedId === undefined ? undefined : `id ${sortedId}`,
    isolation === undefined ? undefined : `isolation ${isolation}`,
  ]
    .filter((part) => part !== undefined)
    .join(" · ");
}

export function tunablesOf(experiment: Experiment, units: readonly string[]): Tunables {
  const { minDistance, recentFaces, balance, balanceFaces } = experiment.choice.constraints;
  const { weights } = deciderSettings(experiment, [...units]);
  return {
    objective: experiment.choice.objective,
    weights: Object.fromEntries(units.map((name, u) => [name, weights[u]])),
    window: { ...experiment.response },
    constraints: { minDistance, recentFaces, balance, balanceFaces },
  };
}
