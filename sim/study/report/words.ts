import type { MeasureName } from "../../../protocols/study.ts";
import { countedIn, type GroupFigures, measureTable, type StudyFigures } from "../analysis/figures.ts";
import { HARDLY_READ, type ModelFigures } from "../analysis/models.ts";
import type { FailedCell } from "../run.ts";

/** A study as a person reads it in the terminal: every design at the last checkpoint, and the trials (or steps of training) that it needs. */
export function describeStudy({
  groups,
  measures,
  models = [],
  ran,
  reference,
  sessions,
  trials,
}: StudyFigures): string {
  const shown = measures.filter(({ better }) => better !== "neither").slice(0, 6);
  const lines = groups
    .filter(({ kind }) => kind === null)
    .flatMap((group) => {
      const designs = group.measures[0].designs.map(({ design }) => design);
      const width = Math.max(...designs.map((design) => design.length), 6);
      const columns = shown.filter(({ name }) => group.measures.some(({ measure }) => measure === name));
      const table = designs.map((design) => {
        const cells = columns.map(({ name, title }) => {
          const found = group.measures.find(({ measure }) => measure === name)!;
          const { centre } = found.designs.find((candidate) => candidate.design === design)!;
          return centre[centre.length - 1].estimate!.toFixed(3).padStart(title.length);
        });
        return `  ${design.padEnd(width)}  ${cells.join("  ")}`;
      });
      const levels = group.levels.map(({ measure, level, referenceAtTrial, against, designs: needed }) => {
        const words = needed.map(({ design, trials: t, times }) => {
          if (t.estimate === null) return `${design} not within ${trials}`;
          const multiples = times.flatMap(({ estimate }, i) =>
            against[i] === design || estimate === null ? [] : [`, ×${estimate.toFixed(2)} ${against[i]}`],
          );
          return `${design} ${t.estimate.toFixed(0)} (${bound(t.low)} to ${bound(t.high)})${multiples.join("")}`;
        });
        const from = referenceAtTrial === null ? "" : ` that ${reference} has at ${referenceAtTrial}`;
        return `  ${countedIn(ran)} for ${titleWithin(measure)} ${level.estimate!.toFixed(3)}${from}: ${words.join("; ")}`;
      });
      return [
        "",
        groupTitle(group),
        `  ${"".padEnd(width)}  ${columns.map(({ title }) => title).join("  ")}`,
        ...table,
        ...levels,
      ];
    });
  const failed = sessions.failed.map((cell) => `failed: ${failureWords(cell)}`);
  return [...lines, ...modelWords(models), ...failed, "", ""].join("\n");
}

/** A population, or populations pooled, as seen through a model. */
export const groupTitle = ({ group, model }: Pick<GroupFigures, "group" | "model">): string =>
  model === undefined ? group : `${group}, ${model}`;

export const failureWords = ({ design, population, model, seed, reason }: FailedCell): string =>
  `${design}, ${population}${model === undefined ? "" : `, ${model}`}, seed ${seed}: ${reason}`;

/** What of the factors that units follow can be read from each model's latents. */
function modelWords(models: readonly ModelFigures[]): string[] {
  const read = models.flatMap(({ model, factors }) => {
    if (!factors) return [];
    const each = factors.map(
      ({ factor, r2, latent, share }) => `${factor} ${r2.toFixed(2)} (z${latent + 1} ${share.toFixed(2)})`,
    );
    const lost = factors.filter(({ r2 }) => r2 < HARDLY_READ).map(({ factor }) => factor);
    return [
      `  ${model}: ${each.join(", ")}`,
      ...(lost.length > 0
        ? [
            `    cells that follow ${lost.join(", ")} respond to its faces by half of what the factor would make of them, or less`,
          ]
        : []),
    ];
  });
  return read.length === 0
    ? []
    : ["", "factors read from the latents: R² (the latent that moves it most, and its share)", ...read];
}

/** A measure's title within a sentence. */
export function titleWithin(measure: MeasureName): string {
  const { title } = measureTable[measure];
  return /^[A-Z]{2}/.test(title) ? title : title.toLowerCase();
}

const bound = (value: number | null): string => (value === null ? "more" : value.toFixed(0));
