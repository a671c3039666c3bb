/** uPlot in the page's colours. Colours are asked for at each drawing, so that a theme may change. */
import uPlot from "uplot";
import { colour, el } from "./dom.ts";

export interface Plot {
  element: HTMLElement;
  set(data: uPlot.AlignedData): void;
  redraw(): void;
}

export interface PlotOptions {
  title: string;
  height: number;
  series: uPlot.Series[];
  bands?: uPlot.Band[];
  x: string;
  y: string;
  /** Fixed limits of an axis; left out: as the data are. */
  range?: { x?: [number, number]; y?: [number | null, number | null] };
  hooks?: uPlot.Hooks.Arrays;
  compact?: boolean;
}

const font = (px: number) => `${px}px system-ui, sans-serif`;

export function plot({ title, height, series, bands, x, y, range, hooks, compact = false }: PlotOptions): Plot {
  const element = el("div", { className: "plot", role: "img", ariaLabel: title, data: { title } });
  const axis = (label: string, size: number): uPlot.Axis => ({
    stroke: () => colour("muted"),
    grid: { stroke: () => colour("line"), width: 1 },
    ticks: { show: false },
    font: font(compact ? 11 : 12),
    labelFont: font(12),
    ...(!compact && label !== "" && { label, labelSize: 16, labelGap: 0 }),
    size,
    gap: 4,
  });
  const limits =
    (fixed: [number | null, number | null] | undefined) =>
    (_: uPlot, low: number | null, high: number | null): [number, number] => {
      const from = fixed?.[0] ?? low ?? 0;
      const to = fixed?.[1] ?? high ?? 1;
      return to > from ? [from, to] : [from, from + 1];
    };
  const chart = new uPlot(
    {
      width: 300,
      height,
      series: [{ label: x }, ...series],
      ...(bands && { bands }),
      axes: [axis(x, 22), axis(y, compact ? 34 : 46)],
      scales: {
        x: { time: false, range: limits(range?.x) },
        y: { range: limits(range?.y ?? [0, null]) },
      },
      legend: { show: false },
      cursor: { show: !compact, drag: { x: false, y: false } },
      padding: [8, 8, 0, 0],
      ...(hooks && { hooks }),
    },
    [[0], ...series.map(() => [null])] as uPlot.AlignedData,
    element,
  );
  new ResizeObserver(([entry]) => {
    const width = Math.floor(entry.contentRect.width);
    if (width > 40 && width !== chart.width) chart.setSize({ width, height });
  }).observe(element);
  return {
    element,
    set: (data) => chart.setData(data),
    redraw: () => chart.redraw(),
  };
}

export const line = (label: string, name: string, width = 2): uPlot.Series => ({
  label,
  stroke: () => colour(name),
  width,
  points: { show: false },
  spanGaps: true,
});

export const dots = (label: string, name: string, size = 5): uPlot.Series => ({
  label,
  stroke: () => colour(name),
  fill: () => colour(name),
  width: 0,
  paths: () => null,
  points: { show: true, size, width: 0, fill: () => colour(name), stroke: () => colour(name) },
});

/** An edge of a band, which is not drawn itself. */
export const edge = (label: string): uPlot.Series => ({
  label,
  stroke: "transparent",
  width: 0,
  points: { show: false },
});

export const band = (upper: number, lower: number, name: string): uPlot.Band => ({
  series: [upper, lower],
  fill: () => colour(name),
});
