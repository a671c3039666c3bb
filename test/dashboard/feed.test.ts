import { expect, test } from "vitest";
import { createFeed } from "../../server/dashboard/feed.ts";
import { readExperiment } from "../../server/session/experiment-file.ts";
import type { SessionEvent } from "../../server/session/view.ts";

const experiment = await readExperiment("protocols/experiments/one-to-one.yaml");

test("O4: onsets are where they were, whatever latency an operator sets meanwhile", () => {
  const feed = createFeed(experiment, 0);
  const onset = (presentation: number, onsetServerMs: number) =>
    feed.told(
      {
        kind: "plan",
        output: {
          messages: [],
          onsets: [{ presentation, face: presentation, onsetServerMs }],
          aborted: [],
          skipped: [],
          broken: [],
          deadlineMissed: false,
          lastSpikeToReadyMs: [],
        },
      } as unknown as SessionEvent,
      onsetServerMs,
    );
  /** The stream's clock is 5 s ahead of the server's. */
  const trial = (presentation: number, onsetServerMs: number, latencyMs: number, windowMs: number) => {
    const startS = 5 + (onsetServerMs + latencyMs) / 1000;
    const window = { startS, endS: startS + windowMs / 1000, uncertaintyMs: 1, by: "software" };
    feed.told(
      {
        kind: "trial",
        trial: {
          ...{ trial: presentation, presentation, face: presentation, stream: "s", flags: ["complete"] },
          ...{
            latents: new Float64Array(12),
            counts: new Uint32Array(20),
            window,
            closedServerMs: onsetServerMs + 500,
          },
        },
      } as unknown as SessionEvent,
      onsetServerMs + 500,
    );
    return feed.edges(onsetServerMs + 500).streamOffsetS;
  };
  const { latencyMs, windowMs } = experiment.response;
  onset(0, 1000);
  onset(1, 1250);
  const response = { latencyMs: latencyMs + 40, windowMs: 2 * windowMs };
  const order = { op: "change", words: "latency", undone: false, experiment: { ...experiment, response } };
  feed.told({ kind: "setting", order, after: 0 } as unknown as SessionEvent, 1300);
  onset(2, 1500);
  expect(trial(0, 1000, latencyMs, windowMs)).toBeCloseTo(5, 9);
  expect(trial(1, 1250, latencyMs, windowMs)).toBeCloseTo(5, 9);
  expect(trial(2, 1500, latencyMs + 40, 2 * windowMs)).toBeCloseTo(5, 9);
  expect(feed.trials.map(({ windowS }) => Math.round(1000 * windowS))).toEqual([windowMs, windowMs, 2 * windowMs]);
});
