import { type Refresh, refreshOf } from "./refresh-watch.ts";

const INTERVALS = 90;

/** Measures the screen from frame callbacks: their own time argument is idealised, `performance.now()` is what happened. */
export async function measureRefresh(): Promise<Refresh> {
  const times: number[] = [];
  while (times.length <= INTERVALS) {
    await new Promise(requestAnimationFrame);
    times.push(performance.now());
  }
  return refreshOf(times.slice(1).map((time, i) => time - times[i]));
}
