/** A unit's curves over every latent in a row, each with its 90 % band, on one canvas. */
import { colour, sized } from "./dom.ts";
import { curveOf, type Estimates } from "./store.ts";

export const SPARK_WIDTH = 51;
export const SPARK_HEIGHT = 34;
const GAP = 6;

/** All latents of a unit share one scale, from zero to the highest rate, so that what is tuned stands out. */
export function drawSparklines(canvas: HTMLCanvasElement, estimates: Estimates, unit: number): void {
  const { latents, points, bestLatent } = estimates;
  const context = sized(canvas, latents * SPARK_WIDTH, SPARK_HEIGHT);
  let top = 0;
  for (let d = 0; d < latents; d++) for (const rate of curveOf(estimates, unit, d).rate) if (rate > top) top = rate;
  top *= 1.25;
  if (!(top > 0)) return;
  const y = (rate: number) => SPARK_HEIGHT - 2 - (SPARK_HEIGHT - 4) * Math.min(Math.max(rate / top, 0), 1);
  const step = (SPARK_WIDTH - GAP) / (points - 1);
  const bandColour = colour("band");
  const plain = colour("curve-quiet");
  const best = colour("curve");
  const baseline = colour("line");
  for (let d = 0; d < latents; d++) {
    const { rate, low, high } = curveOf(estimates, unit, d);
    const x = d * SPARK_WIDTH + GAP / 2;
    context.fillStyle = baseline;
    context.fillRect(x, SPARK_HEIGHT - 2, SPARK_WIDTH - GAP, 1);
    context.fillStyle = bandColour;
    context.beginPath();
    context.moveTo(x, y(high[0]));
    for (let p = 1; p < points; p++) context.lineTo(x + p * step, y(high[p]));
    for (let p = points - 1; p >= 0; p--) context.lineTo(x + p * step, y(low[p]));
    context.fill();
    context.strokeStyle = d === bestLatent[unit] ? best : plain;
    context.lineWidth = d === bestLatent[unit] ? 2 : 1.25;
    context.beginPath();
    context.moveTo(x, y(rate[0]));
    for (let p = 1; p < points; p++) context.lineTo(x + p * step, y(rate[p]));
    context.stroke();
  }
}
