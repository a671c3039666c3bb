/** The result as a table in Markdown and a figure in SVG. */
import { colour, escaped, lineChart } from "../study/report/chart.ts";
import type { Estimate, PaperRow, PaperSettings } from "./paper.ts";
import { codings } from "./patch.ts";

const withInterval = ({ mean, halfWidth }: Estimate, digits = 3): string =>
  `${mean.toFixed(digits)}${halfWidth === null ? "" : ` ± ${halfWidth.toFixed(digits)}`}`;

/** One table for each of the two results; ± is half a 95 % interval over seeds. */
export function paperTable(rows: readonly PaperRow[], { cells, rotations, distance }: PaperSettings): string {
  const aligned = codings.map((coding) => {
    const head = `| cells code ${coding} | latents | alignment | margin over ${rotations} rotations | over weights dealt anew | R² |\n| --- | --- | --- | --- | --- | --- |`;
    const lines = rows.map(({ model, latents, alignment }) => {
      const { score, margin, togetherness, r2 } = alignment[coding];
      return `| ${model} | ${withInterval(latents, 0)} | ${withInterval(score)} | **${withInterval(margin)}** | **${withInterval(togetherness)}** | ${withInterval(r2)} |`;
    });
    return [head, ...lines].join("\n");
  });
  const seeds = (reached: number) => (reached === 1 ? "1 seed" : `${reached} seeds`);
  const read = rows.map(({ model, readBack }) => {
    const last = readBack.curve.at(-1)!;
    const needed = readBack.needed
      ? `${withInterval(readBack.needed, 1)} (${seeds(readBack.reached)})`
      : `more than ${last.cells}`;
    return `| ${model} | ${needed} | ${withInterval(last.distance)} |`;
  });
  return [
    ...aligned,
    `| read back from cells that code single factors | cells for cosine distance ${distance} | distance with ${rows[0].readBack.curve.at(-1)!.cells} of ${cells} cells |\n| --- | --- | --- |\n${read.join("\n")}`,
  ].join("\n\n");
}

/** Left: margins; right: distance of faces read back against the number of cells. */
export function paperFigure(rows: readonly PaperRow[], { distance }: PaperSettings): string {
  const left = marginChart(rows);
  const right = lineChart(
    "Faces read back: cosine distance",
    rows.map(({ model, readBack }, m) => ({
      name: model,
      colour: colour(m),
      points: readBack.curve.map(({ cells, distance: { mean, halfWidth } }) => ({
        x: cells,
        y: mean,
        low: mean - (halfWidth ?? 0),
        high: mean + (halfWidth ?? 0),
      })),
    })),
    { xLabel: "cells", rules: [{ y: distance, label: "read back" }] },
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" width="1060" height="330" font-family="sans-serif" font-size="11"><rect width="1060" height="330" fill="white"/><g>${left}</g><g transform="translate(540 10)">${right}</g></svg>\n`;
}

function marginChart(rows: readonly PaperRow[]): string {
  const [width, height, at] = [520, 310, { left: 50, top: 40, bottom: 260 }];
  const all = rows.flatMap(({ alignment }) => codings.map((coding) => alignment[coding].margin));
  const high = Math.max(0.05, ...all.map(({ mean, halfWidth }) => mean + (halfWidth ?? 0)));
  const low = Math.min(0, ...all.map(({ mean, halfWidth }) => mean - (halfWidth ?? 0)));
  const y = (value: number) => at.bottom - ((value - low) / (high - low)) * (at.bottom - at.top);
  const group = (width - at.left - 10) / codings.length;
  const bar = (group - 20) / rows.length;
  const parts = codings.flatMap((coding, g) => [
    `<text x="${at.left + (g + 0.5) * group}" y="${at.bottom + 18}" text-anchor="middle">cells code ${coding}</text>`,
    ...rows.map(({ alignment }, m) => {
      const { mean, halfWidth } = alignment[coding].margin;
      const x = at.left + g * group + 10 + m * bar;
      const middle = x + bar / 2 - 1;
      const whisker =
        halfWidth === null
          ? ""
          : `<line x1="${middle}" x2="${middle}" y1="${y(mean - halfWidth)}" y2="${y(mean + halfWidth)}" stroke="black"/>`;
      return `<rect x="${x}" y="${Math.min(y(mean), y(0))}" width="${bar - 2}" height="${Math.abs(y(mean) - y(0))}" fill="${colour(m)}"/>${whisker}`;
    }),
  ]);
  const key = rows.map(
    ({ model }, m) =>
      `<rect x="${at.left + (m % 3) * 155}" y="${height - 28 + 14 * Math.floor(m / 3)}" width="9" height="9" fill="${colour(m)}"/><text x="${at.left + 13 + (m % 3) * 155}" y="${height - 20 + 14 * Math.floor(m / 3)}">${escaped(model)}</text>`,
  );
  const marks = [0, high / 2, high].map(
    (value) => `<text x="${at.left - 6}" y="${y(value) + 4}" text-anchor="end">${value.toFixed(2)}</text>`,
  );
  return `<text x="${at.left}" y="20" font-weight="bold">Alignment: margin over rotations of the model's own latents</text><line x1="${at.left}" x2="${width - 10}" y1="${y(0)}" y2="${y(0)}" stroke="black"/>${[...parts, ...key, ...marks].join("")}`;
}
