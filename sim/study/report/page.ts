import type { GroupFigures, LevelFigures, MeasureFigures, StudyFigures } from "../analysis/figures.ts";
import { countedIn, measureTable } from "../analysis/figures.ts";
import { HARDLY_READ, type ModelFigures } from "../analysis/models.ts";
import type { Interval } from "../analysis/statistics.ts";
import { colour, escaped, format, intervalChart, lineChart } from "./chart.ts";
import { failureWords, groupTitle, titleWithin } from "./words.ts";

/** The report of a study as one HTML page that needs nothing else. */
export function reportPage(figures: StudyFigures): string {
  const { study, description, ran, sessions, groups, reference, replicate, trials } = figures;
  const counted = countedIn(ran);
  const whole = groups.filter(({ kind }) => kind === null);
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Study ${escaped(study)}</title>
<style>${style}</style>
<h1>Study ${escaped(study)}</h1>
<p>${escaped(description)}</p>
<p>${sessions.done} of ${sessions.planned} ${ran}, ${trials} ${counted} each. ${pairing(figures)} Lines and points are medians or means over ${replicate}s, as the measure says below; bands and intervals are 95 %, by bootstrap over ${replicate}s, the same resamples for all designs.</p>
${failures(figures)}
${levelTable(figures, whole)}
${calibration(figures, whole)}
${whole.map((group) => groupSection(figures, group)).join("\n")}
${kindTable(figures)}${factorTable(figures.models ?? [])}
<h2>What is measured</h2>
<dl>${figures.measures.map(({ title, says, together }) => `<dt>${escaped(title)}</dt><dd>${escaped(says)} ${ran === "trainings" ? "Seeds" : `Units of a session, and ${replicate}s,`} are taken together by their ${together}.</dd>`).join("")}
<dt>${capitalised(counted)} needed</dt><dd>${capitalised(counted)} after which the line reaches the level, linear in the logarithm of the ${counted} between checkpoints. The level is drawn anew with each resample where it is what ${escaped(reference)} has.</dd></dl>
</html>
`;
}

const pairing = ({ ran, replicate }: StudyFigures): string =>
  ran === "trainings"
    ? "Each seed gives every design the same heads, draws of initial weights, order of heads and noise. Models are measured on heads that none was trained on."
    : replicate === "seed"
      ? "Each seed gives every design the same units and, to the same presentation, the same noise; a seed's units are taken together first."
      : "Every design draws from the same recorded counts of a unit; a unit's seeds are averaged first.";

const capitalised = (words: string): string => words[0].toUpperCase() + words.slice(1);

const colourOf = ({ designs }: MeasureFigures, design: string): string =>
  colour(designs.findIndex((candidate) => candidate.design === design));

function groupSection(figures: StudyFigures, group: GroupFigures): string {
  const lines = group.measures.filter(({ measure }) =>
    ["low", "high", "as wanted"].includes(measureTable[measure].better),
  );
  return `<section><h2>${escaped(groupTitle(group))}</h2>
<div class="charts">
${group.levels.map((level) => levelChart(figures, group, level)).join("\n")}
${lines.map((measure) => measureChart(figures, measure, group)).join("\n")}
</div>
${group.measures.map((measure) => measureTableOf(figures, measure)).join("\n")}
</section>`;
}

function measureChart({ ran }: StudyFigures, figures: MeasureFigures, { levels }: GroupFigures): string {
  const { title, better } = measureTable[figures.measure];
  const rules = levels
    .filter(({ measure, level }) => measure === figures.measure && level.estimate !== null)
    .map(({ level }) => ({ y: level.estimate!, label: format(level.estimate!) }));
  return lineChart(
    title,
    figures.designs.map(({ design, centre }) => ({
      name: design,
      colour: colourOf(figures, design),
      points: centre.map(({ estimate, low, high }, t) => ({
        x: figures.trials[t],
        y: estimate!,
        low: low!,
        high: high!,
      })),
    })),
    { xLabel: countedIn(ran), rules, logarithmic: better === "low" },
  );
}

function levelChart({ ran, trials, reference }: StudyFigures, { measures }: GroupFigures, level: LevelFigures): string {
  const figures = measures.find(({ measure }) => measure === level.measure)!;
  return intervalChart(
    `${capitalised(countedIn(ran))} for ${levelWords(level, reference)}`,
    level.designs.map(({ design, trials: needed }) => ({
      name: design,
      colour: colourOf(figures, design),
      ...needed,
      without: `not within ${trials}`,
    })),
    { from: 0, to: trials, xLabel: countedIn(ran) },
  );
}

const levelWords = ({ measure, level, referenceAtTrial }: LevelFigures, reference: string): string =>
  `${titleWithin(measure)} ${level.estimate === null ? "" : format(level.estimate)}${
    referenceAtTrial === null ? "" : ` (${reference} at ${referenceAtTrial})`
  }`;

/** How often intervals hold and warnings come after all trials, every group and design in one chart a measure. */
function calibration(figures: StudyFigures, groups: readonly GroupFigures[]): string {
  const charts = figures.measures.flatMap(({ name, title, better }) => {
    const rows = groups.flatMap((group) => {
      const found = group.measures.find(({ measure }) => measure === name);
      return (found?.designs ?? []).map(({ design, centre }) => ({
        name: `${groupTitle(group)}, ${design}`,
        colour: colourOf(found!, design),
        ...centre[centre.length - 1],
        without: "",
      }));
    });
    const heading = `${title}, ${figures.checkpoints[figures.checkpoints.length - 1]} trials`;
    if (better === "near 0.9")
      return intervalChart(heading, rows, {
        from: 0,
        to: 1,
        xLabel: "share that the 90 % interval holds",
        band: { low: 0.85, high: 0.95, at: 0.9 },
      });
    return better === "neither" ? intervalChart(heading, rows, { from: 0, to: 1, xLabel: "share of units" }) : [];
  });
  return charts.length === 0 ? "" : `<h2>Calibration</h2><div class="charts">${charts.join("\n")}</div>`;
}

/** Trials needed in every group, the page's answer in one table. */
function levelTable({ ran, reference, trials }: StudyFigures, groups: readonly GroupFigures[]): string {
  const others = [...new Set(groups.flatMap(({ levels }) => levels.flatMap(({ against }) => against)))];
  const rows = groups.flatMap((group) =>
    group.levels.flatMap((level) =>
      level.designs.map(({ design, trials: needed, times }) => [
        escaped(groupTitle(group)),
        escaped(levelWords(level, reference)),
        escaped(design),
        needed.estimate === null ? `not within ${trials}` : interval(needed, 0),
        ...others.map((other) => {
          const multiple = times[level.against.indexOf(other)];
          return !multiple || design === other || multiple.estimate === null ? "" : interval(multiple, 2);
        }),
      ]),
    ),
  );
  if (rows.length === 0) return "";
  const head = ["group", "level", "design", countedIn(ran), ...others.map((other) => `× ${escaped(other)}`)];
  return `<h2>${capitalised(countedIn(ran))} needed</h2>${table(head, rows)}`;
}

function measureTableOf(
  { ran, reference }: StudyFigures,
  { measure, trials, designs, replicates }: MeasureFigures,
): string {
  const rows = designs.flatMap(({ design, centre, difference, won }) => [
    [escaped(design), ...centre.map((value) => interval(value, 3))],
    ...(design === reference
      ? []
      : [
          [
            `− ${escaped(reference)}`,
            ...difference.map(
              (value, t) =>
                `${interval(value, 3)}<br>${value.t === null ? "" : `t ${value.t.toFixed(1)}, `}${measureTable[measure].better === "as wanted" ? "" : `${Math.round(100 * won[t])} % won`}`,
            ),
          ],
        ]),
  ]);
  return `<details><summary>${escaped(measureTable[measure].title)}: figures (${replicates} replicates)</summary>${table([countedIn(ran), ...trials.map(String)], rows)}</details>`;
}

/** Every kind of unit after all trials. */
function kindTable({ groups, measures }: StudyFigures): string {
  const kinds = groups.filter(({ kind }) => kind !== null);
  if (kinds.length === 0) return "";
  const rows = kinds.flatMap((group) => {
    const [first] = group.measures;
    return first.designs.map(({ design }) => [
      escaped(groupTitle(group)),
      escaped(group.kind!),
      escaped(design),
      ...measures.map(({ name }) => {
        const found = group.measures.find(({ measure }) => measure === name)?.designs.find((d) => d.design === design);
        return found ? interval(found.centre[found.centre.length - 1], 2) : "";
      }),
    ]);
  });
  return `<h2>By kind of unit, after all trials</h2><div class="wide">${table(
    ["group", "kind", "design", ...measures.map(({ title }) => escaped(title))],
    rows,
  )}</div>`;
}

/** What of each factor can be read from each model's latents. */
function factorTable(models: readonly ModelFigures[]): string {
  const read = models.flatMap(({ model, latents, factors }) => (factors ? [{ model, latents, factors }] : []));
  if (read.length === 0) return "";
  const rows = read[0].factors.map(({ factor }) => [
    escaped(factor),
    ...read.map(({ factors }) => {
      const { r2, latent, share } = factors.find((row) => row.factor === factor)!;
      return `<b${r2 < HARDLY_READ ? ' class="failed"' : ""}>${r2.toFixed(2)}</b> <small>z${latent + 1} ${share.toFixed(2)}</small>`;
    }),
  ]);
  const head = ["factor", ...read.map(({ model, latents }) => `${escaped(model)} (${latents} latents)`)];
  return `
<h2>Factors read from the latents</h2>
<p>Units that follow a factor of the rendered heads respond to what of it the model's latents tell: R² of the factor on heads that were not fitted to, and in small print the latent that moves it most, with its share of the squared weights, 1 where it alone does. Below ${HARDLY_READ} such units respond to the model's faces by half of what the factor would make of them, or less.</p>
${table(head, rows)}`;
}

const failures = ({ ran, sessions: { failed } }: StudyFigures): string =>
  failed.length === 0
    ? ""
    : `<p class="failed">${failed.length} ${ran} failed: ${failed
        .slice(0, 5)
        .map((cell) => escaped(failureWords(cell)))
        .join("; ")}</p>`;

function interval({ estimate, low, high }: Interval, digits: number): string {
  const number = (value: number | null) => (value === null ? "∞" : value.toFixed(digits));
  return `<b>${number(estimate)}</b> <small>${number(low)} to ${number(high)}</small>`;
}

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  `<table><tr>${head.map((cell) => `<th>${cell}</th>`).join("")}</tr>${rows
    .map((row) => `<tr>${row.map((cell) => `<td>${cell}</td>`).join("")}</tr>`)
    .join("")}</table>`;

const style = `
:root { color-scheme: light dark; --ink: #1b1b1b; --faint: #0002; --paper: #fff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e6e6; --faint: #fff3; --paper: #16181b; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 1000px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { margin-top: 2.5rem; }
.charts { display: flex; flex-wrap: wrap; gap: 1rem; align-items: flex-start; }
svg { max-width: 100%; height: auto; }
svg text { font: 12px system-ui, sans-serif; fill: var(--ink); } svg text.title { font-weight: 600; }
.grid { stroke: var(--faint); } .rule { stroke: var(--ink); stroke-dasharray: 2 3; } .nominal { fill: #009e7333; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13px; }
td, th { padding: .15rem .6rem; border-bottom: 1px solid var(--faint); text-align: left; vertical-align: top; }
small { opacity: .7; white-space: nowrap; } details { margin: .4rem 0; overflow-x: auto; } .wide { overflow-x: auto; } .failed { color: #d55e00; }
`;
