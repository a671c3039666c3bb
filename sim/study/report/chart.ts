/** Charts as SVG text: what the report shows, without a script or a network. */

/** Okabe & Ito's colours, which colour-blind readers tell apart, and two more; without the yellow that white swallows. */
const palette = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#882255", "#7f7f7f"];
export const colour = (i: number): string => palette[i % palette.length];

export const escaped = (text: string): string =>
  text.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]!);

export interface Line {
  name: string;
  colour: string;
  points: { x: number; y: number; low: number; high: number }[];
}

interface Frame {
  left: number;
  right: number;
  top: number;
  bottom: number;
  width: number;
  height: number;
}

/** Lines with bands over the number of trials or steps. A horizontal rule is drawn at each of `rules`. */
export function lineChart(
  title: string,
  lines: readonly Line[],
  {
    xLabel,
    rules = [],
    logarithmic = false,
  }: { xLabel: string; rules?: readonly { y: number; label: string }[]; logarithmic?: boolean },
): string {
  const frame: Frame = { left: 52, right: 120, top: 30, bottom: 40, width: 460, height: 290 };
  const points = lines.flatMap((line) => line.points);
  const xs = points.map((p) => p.x);
  const ys = points.flatMap((p) => [p.low, p.high]).concat(rules.map((rule) => rule.y));
  const x = scale([0, Math.max(...xs)], frame.left, frame.width - frame.right);
  const bounds = [Math.min(...ys), Math.max(...ys)] as const;
  // A logarithmic axis only where every value has a logarithm.
  const log = logarithmic && bounds[0] > 0;
  const yTicks = log ? logTicks(...bounds) : ticks(...bounds, 5);
  const along = log ? Math.log : (value: number) => value;
  const span = scale([along(yTicks[0]), along(yTicks[yTicks.length - 1])], frame.height - frame.bottom, frame.top);
  const y = (value: number) => span(along(value));
  const xTicks = ticks(0, Math.max(...xs), 6).filter((t) => t <= Math.max(...xs));
  const path = (values: readonly (readonly [number, number])[]) =>
    values.map(([px, py], i) => `${i ? "L" : "M"}${x(px).toFixed(1)},${y(py).toFixed(1)}`).join("");
  const labels = spread(
    lines.map((line) => y(line.points[line.points.length - 1].y)),
    13,
    frame.top,
    frame.height - frame.bottom,
  );
  return svg(frame, title, [
    ...yTicks.map((t) => horizontal(frame, y(t), "grid") + text(frame.left - 6, y(t) + 4, format(t), "end")),
    ...xTicks.map((t) => text(x(t), frame.height - frame.bottom + 16, format(t), "middle")),
    text((frame.left + frame.width - frame.right) / 2, frame.height - 6, xLabel, "middle"),
    ...rules.map((rule) => horizontal(frame, y(rule.y), "rule") + text(frame.left + 4, y(rule.y) - 4, rule.label)),
    ...lines.map(({ points: p, colour: c }) => {
      const band = [
        ...p.map(({ x: px, high }) => [px, high] as const),
        ...[...p].reverse().map(({ x: px, low }) => [px, low] as const),
      ];
      return `<path d="${path(band)}Z" fill="${c}" opacity="0.15"/>`;
    }),
    ...lines.map(
      ({ name, points: p, colour: c }, i) =>
        `<path d="${path(p.map((q) => [q.x, q.y]))}" fill="none" stroke="${c}" stroke-width="2"/>` +
        p
          .map(
            (q) =>
              `<circle cx="${x(q.x).toFixed(1)}" cy="${y(q.y).toFixed(1)}" r="2.5" fill="${c}"><title>${escaped(name)}, ${q.x} ${escaped(xLabel)}: ${format(q.y)} (${format(q.low)} to ${format(q.high)})</title></circle>`,
          )
          .join("") +
        text(frame.width - frame.right + 8, labels[i] + 4, name, "start", c),
    ),
  ]);
}

export interface Row {
  name: string;
  colour: string;
  estimate: number | null;
  low: number | null;
  high: number | null;
  /** Said where there is no estimate. */
  without: string;
}

/** Estimates with intervals, one row each. A bound that is null is an arrow off the chart. */
export function intervalChart(
  title: string,
  rows: readonly Row[],
  {
    from,
    to,
    xLabel,
    band,
  }: { from: number; to: number; xLabel: string; band?: { low: number; high: number; at: number } },
): string {
  const left = Math.max(120, 7 * Math.max(...rows.map(({ name }) => name.length)));
  const frame: Frame = { left, right: 20, top: 30, bottom: 40, width: left + 310, height: 80 + rows.length * 22 };
  const x = scale([from, to], frame.left, frame.width - frame.right);
  const clamp = (value: number) => x(Math.min(to, Math.max(from, value)));
  const top = frame.top + 4;
  const bottom = frame.height - frame.bottom;
  const vertical = (value: number, kind: string) =>
    `<line x1="${x(value).toFixed(1)}" x2="${x(value).toFixed(1)}" y1="${top}" y2="${bottom}" class="${kind}"/>`;
  return svg(frame, title, [
    ...(band
      ? [
          `<rect x="${x(band.low).toFixed(1)}" y="${top}" width="${(x(band.high) - x(band.low)).toFixed(1)}" height="${bottom - top}" class="nominal"/>`,
          vertical(band.at, "rule"),
        ]
      : []),
    ...ticks(from, to, 6)
      .filter((t) => t >= from - 1e-9 && t <= to + 1e-9)
      .map((t) => vertical(t, "grid") + text(x(t), bottom + 16, format(t), "middle")),
    text((frame.left + frame.width - frame.right) / 2, frame.height - 6, xLabel, "middle"),
    ...rows.map(({ name, colour: c, estimate, low, high, without }, i) => {
      const cy = top + 14 + i * 22;
      const label = text(frame.left - 8, cy + 4, name, "end");
      if (estimate === null) return label + text(frame.left + 6, cy + 4, without);
      const title = `${escaped(name)}: ${format(estimate)} (${low === null ? "?" : format(low)} to ${high === null ? "beyond" : format(high)})`;
      return `${label}<line x1="${clamp(low ?? from).toFixed(1)}" x2="${clamp(high ?? to).toFixed(1)}" y1="${cy}" y2="${cy}" stroke="${c}" stroke-width="2"${high === null ? ' stroke-dasharray="4 3"' : ""}/><circle cx="${clamp(estimate).toFixed(1)}" cy="${cy}" r="4.5" fill="${c}"><title>${title}</title></circle>`;
    }),
  ]);
}

const svg = ({ width, height }: Frame, title: string, parts: readonly string[]): string =>
  `<svg viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escaped(title)}">${text(8, 18, title, "start", undefined, "title")}${parts.join("")}</svg>`;

const text = (x: number, y: number, words: string, anchor = "start", fill?: string, kind?: string): string =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}"${fill ? ` style="fill:${fill}"` : ""}${kind ? ` class="${kind}"` : ""}>${escaped(words)}</text>`;

const horizontal = ({ left, right, width }: Frame, y: number, kind: string): string =>
  `<line x1="${left}" x2="${width - right}" y1="${y.toFixed(1)}" y2="${y.toFixed(1)}" class="${kind}"/>`;

const scale =
  ([low, high]: readonly [number, number], from: number, to: number) =>
  (value: number): number =>
    from + ((value - low) / (high - low || 1)) * (to - from);

/** Round values that enclose [low, high]. */
export function ticks(low: number, high: number, about: number): number[] {
  const raw = (high - low || Math.abs(high) || 1) / about;
  const magnitude = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * magnitude).find((s) => s >= raw)!;
  const first = Math.floor(low / step + 1e-9);
  const last = Math.max(first + 1, Math.ceil(high / step - 1e-9));
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** Values 1, 2 and 5 times powers of ten that enclose [low, high], both above 0. */
export function logTicks(low: number, high: number): number[] {
  const all: number[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++)
    for (const m of [1, 2, 5]) all.push(Number((m * 10 ** power).toPrecision(1)));
  const first = all.findLastIndex((tick) => tick <= low);
  const last = Math.max(
    first + 1,
    all.findIndex((tick) => tick >= high),
  );
  return all.slice(first, last + 1);
}

/** Moves labels apart, in their order, so that none covers another. */
function spread(at: readonly number[], apart: number, top: number, bottom: number): number[] {
  const order = at.map((_, i) => i).sort((a, b) => at[a] - at[b]);
  const out = [...at];
  order.forEach((i, k) => {
    out[i] = Math.max(out[i], k > 0 ? out[order[k - 1]] + apart : top);
  });
  let limit = bottom;
  for (const i of [...order].reverse()) {
    out[i] = Math.min(out[i], limit);
    limit = out[i] - apart;
  }
  return out;
}

/** Three significant digits, whole numbers as they are. */
export const format = (value: number): string =>
  Number.isInteger(value) || Math.abs(value) >= 100 ? `${Math.round(value)}` : `${Number(value.toPrecision(3))}`;
