import { SingleBar } from "cli-progress";

/** A progress line on stderr: a bar on a terminal, a plain line every `everyMs` elsewhere (logs, pipes). */
export interface Progress {
  /** `done` of the total, and a few words or figures to show beside it. */
  update(done: number, note?: string): void;
  stop(): void;
}

export function createProgress(what: string, total: number, everyMs = 15_000): Progress {
  const started = performance.now();
  if (process.stderr.isTTY) {
    const bar = new SingleBar({
      format: `${what} {bar} {value}/{total} ETA {eta_formatted} {note}`,
      stream: process.stderr,
      hideCursor: true,
      etaBuffer: 200,
    });
    bar.start(total, 0, { note: "" });
    return { update: (done, note = "") => bar.update(done, { note }), stop: () => bar.stop() };
  }
  let shown = started;
  return {
    update(done, note = "") {
      const now = performance.now();
      if (done < total && now - shown < everyMs) return;
      shown = now;
      const left = done > 0 ? `, ${duration(((now - started) / 1000 / done) * (total - done))} to go` : "";
      process.stderr.write(`${what} ${done}/${total}${left}${note && `, ${note}`}\n`);
    },
    stop() {},
  };
}

export function duration(seconds: number): string {
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}
