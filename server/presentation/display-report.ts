/** What a methods section says of a display: statistics of a run of flashes. Pure. */
import { quantile } from "../session/quantile.ts";
import type { DisplayEvent } from "./display-server.ts";

type Shown = Extract<DisplayEvent, { type: "shown" }>;
type Hidden = Extract<DisplayEvent, { type: "hidden" }>;

export interface Distribution {
  n: number;
  mean: number;
  sd: number;
  min: number;
  p01: number;
  p50: number;
  p99: number;
  max: number;
}

export interface DisplayReport {
  agent: string;
  frameMs: number;
  hz: number;
  screen: { widthPx: number; heightPx: number } | null;
  flashes: number;
  asked: { onMs: number; periodMs: number };
  /** In whole frames of this screen. */
  planned: { onFrames: number; periodFrames: number };
  /** Between frame callbacks, by `performance.now()`. */
  intervalsMs: Distribution;
  /** Frames without a callback, over all flashes, and flashes with any since the one before. */
  dropped: { frames: number; flashes: number };
  /** Callback of the onset's frame less the beginning of the frame that was planned. */
  onsetErrorMs: Distribution;
  /** Onset to onset less the planned period. */
  periodErrorMs: Distribution;
  lateFlashes: number;
  /** Flashes that were on for more frames than planned. */
  longFlashes: number;
  /** Of an onset on the server's clock. */
  uncertaintyMs: Distribution;
  /** Counts of intervals by tenths of a frame, from 0: the last bin holds what is longer. */
  histogram: { binFrames: number; counts: number[] };
}

const BIN_FRAMES = 0.1;
const BINS = 41;

/** @param shown in order; `hidden` in any */
export function reportDisplay(
  display: Pick<DisplayReport, "agent" | "frameMs" | "screen" | "asked">,
  shown: readonly Shown[],
  hidden: readonly Hidden[],
): DisplayReport {
  const { frameMs, asked } = display;
  const frames = (ms: number) => Math.max(1, Math.round(ms / frameMs));
  const planned = { onFrames: frames(asked.onMs), periodFrames: frames(asked.periodMs) };
  // Each `shown` tells the last few intervals: those that the one before has told are left out.
  const intervals = shown.flatMap(({ frame, dropped, intervalsMs }, i) => {
    const fresh = i === 0 ? intervalsMs.length : Math.max(0, frame - shown[i - 1].frame - dropped);
    return intervalsMs.slice(Math.max(0, intervalsMs.length - fresh));
  });
  const counts = new Array<number>(BINS).fill(0);
  for (const ms of intervals) counts[Math.min(BINS - 1, Math.floor(ms / frameMs / BIN_FRAMES))]++;
  const rest = shown.slice(1);
  return {
    ...display,
    hz: 1000 / frameMs,
    flashes: shown.length,
    planned,
    intervalsMs: distribution(intervals),
    dropped: {
      frames: rest.reduce((sum, s) => sum + s.dropped, 0),
      flashes: rest.filter((s) => s.dropped > 0).length,
    },
    onsetErrorMs: distribution(rest.map((s) => s.displayMs - s.dueMs)),
    periodErrorMs: distribution(rest.map((s, i) => s.displayMs - shown[i].displayMs - planned.periodFrames * frameMs)),
    lateFlashes: rest.filter((s) => s.lateFrames > 0).length,
    longFlashes: hidden.filter((h) => h.frames > h.plannedFrames).length,
    uncertaintyMs: distribution(shown.map((s) => s.uncertaintyMs)),
    histogram: { binFrames: BIN_FRAMES, counts },
  };
}

function distribution(values: readonly number[]): Distribution {
  const n = values.length;
  if (n === 0) return { n, mean: 0, sd: 0, min: 0, p01: 0, p50: 0, p99: 0, max: 0 };
  const mean = values.reduce((sum, v) => sum + v, 0) / n;
  const sd = Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / Math.max(1, n - 1));
  const [min, p01, p50, p99, max] = [0, 0.01, 0.5, 0.99, 1].map((q) => quantile(values, q));
  return { n, mean, sd, min, p01, p50, p99, max };
}

const WIDTH = 640;
const HEIGHT = 300;
const BASE = 250;
const LEFT = 60;

/** The histogram of intervals as an SVG picture; counts on a logarithmic scale, so that one dropped frame in thousands shows. */
export function plotIntervals({ histogram, frameMs, intervalsMs, dropped, hz, flashes }: DisplayReport): string {
  const barWidth = (WIDTH - LEFT - 20) / BINS;
  const top = Math.log10(Math.max(10, ...histogram.counts));
  const bars = histogram.counts.map((count, i) => {
    const height = count === 0 ? 0 : ((Math.log10(count) + 0.3) / (top + 0.3)) * (BASE - 50);
    return `<rect x="${(LEFT + i * barWidth).toFixed(1)}" y="${(BASE - height).toFixed(1)}" width="${(barWidth - 1).toFixed(1)}" height="${height.toFixed(1)}"/>`;
  });
  const ticks = [0, 1, 2, 3, 4].map((frames) => {
    const x = LEFT + (frames / histogram.binFrames) * barWidth;
    return `<text x="${x.toFixed(0)}" y="${BASE + 18}" text-anchor="middle">${(frames * frameMs).toFixed(1)}</text>`;
  });
  const powers = Array.from({ length: Math.floor(top) + 1 }, (_, power) => {
    const y = BASE - ((power + 0.3) / (top + 0.3)) * (BASE - 50);
    return `<text x="${LEFT - 8}" y="${(y + 4).toFixed(0)}" text-anchor="end">${10 ** power}</text>`;
  });
  const title = `${flashes} flashes at ${hz.toFixed(2)} Hz: intervals ${intervalsMs.p50.toFixed(2)} ms (median), ${intervalsMs.p99.toFixed(2)} ms (p99); ${dropped.frames} frames dropped`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" font-family="sans-serif" font-size="12">`,
    '<rect width="100%" height="100%" fill="#fff"/>',
    `<text x="${LEFT}" y="24">${title}</text>`,
    `<g fill="#446">${bars.join("")}</g>`,
    `<path d="M${LEFT} ${BASE}H${WIDTH - 20}" stroke="#000"/>`,
    ...ticks,
    ...powers,
    `<text x="${WIDTH / 2}" y="${HEIGHT - 10}" text-anchor="middle">interval between frame callbacks, ms (${(histogram.binFrames * frameMs).toFixed(2)} ms a bar; counts logarithmic)</text>`,
    "</svg>\n",
  ].join("\n");
}
