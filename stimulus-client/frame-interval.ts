const INTERVALS = 60;

/** Median interval of frame callbacks in ms: their own time argument is idealised, `performance.now()` is what happened. */
export async function measureFrameMs(): Promise<number> {
  const times: number[] = [];
  while (times.length <= INTERVALS) {
    await new Promise(requestAnimationFrame);
    times.push(performance.now());
  }
  const intervals = times.slice(1).map((time, i) => time - times[i]);
  return intervals.sort((a, b) => a - b)[INTERVALS / 2];
}
