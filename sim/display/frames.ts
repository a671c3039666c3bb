/** How early, in frames, Node's timer may fire and still mean the frame it was set for. */
const EARLY = 0.25;

/**
 * Calls back at every multiple of `frameMs` that the process is awake for, with `performance.now()`; a frame slept
 * through is skipped, as on a screen. Gives the function that stops it.
 */
export function startFrames(frameMs: number, onFrame: (displayMs: number) => void): () => void {
  const startMs = performance.now();
  let frame = 0;
  let timer: NodeJS.Timeout;
  const wait = () => {
    const passed = (performance.now() - startMs) / frameMs;
    frame = Math.max(frame + 1, Math.ceil(passed - EARLY));
    timer = setTimeout(tick, Math.max(0, startMs + frame * frameMs - performance.now()));
  };
  const tick = () => {
    onFrame(performance.now());
    wait();
  };
  wait();
  return () => clearTimeout(timer);
}
