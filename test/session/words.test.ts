import { expect, test } from "vitest";
import { quietWords } from "../../server/dashboard/log.ts";
import type { SessionEvent } from "../../server/session/view.ts";
import { createAnnouncer, isSaidAgain } from "../../server/session/words.ts";
import { experimentOf } from "../experiment.ts";

const aligned = (alignment: string) =>
  experimentOf(`
name: words
trials: 10
model: faces-64
latents: 2
stimulus: { onMs: 200, gapMs: 50 }
response: { latencyMs: 80, windowMs: 200 }
alignment: ${alignment}
`);
const trial = (...flags: string[]) => ({ kind: "trial", trial: { flags } }) as unknown as SessionEvent;
const unaligned = (why: string) =>
  ({ kind: "trial", trial: { trial: 3, flags: ["unaligned"], unaligned: why } }) as unknown as SessionEvent;
const acquired = (event: object) => ({ kind: "acquisition", event }) as unknown as SessionEvent;
const edge = (line: number) => acquired({ type: "ttl", stream: "s", line, state: true, timeS: 1, arrivedServerMs: 1 });

test("T12 a photodiode that is on another line is told after five trials, with the lines that have edges", () => {
  const inWords = createAnnouncer(aligned("{ method: photodiode, line: 100 }"));
  for (const line of [2, 2, 5]) expect(inWords(edge(line))).toBeNull();
  const said = Array.from({ length: 10 }, () => inWords(trial("unaligned")));
  expect(said.flatMap((words, i) => (words === null ? [] : [i + 1]))).toEqual([5, 10]);
  expect(said[4]).toContain(
    "the last 5 trials teach nothing, for their onsets could not be placed on the recording's clock: expected the photodiode's edges on line 100, seen so far: 2 on line 2, 1 on line 5;",
  );
  // One that is placed begins the count anew.
  expect(inWords(trial("complete"))).toBeNull();
  expect(Array.from({ length: 4 }, () => inWords(trial("unaligned")))).toEqual([null, null, null, null]);
});

test("T7 onsets that are too uncertain by software are told with the bound", () => {
  const inWords = createAnnouncer(aligned("{ method: software, maxUncertaintyMs: 4 }"));
  const said = Array.from({ length: 5 }, () => inWords(trial("unaligned")));
  expect(said[4]).toContain("to 4 ms (alignment.maxUncertaintyMs)");
});

test("T4, T12 trials in a row that can't be placed are told with their reasons, and the log has each one's", () => {
  const inWords = createAnnouncer(aligned("{ method: photodiode, line: 1 }"));
  const said = ["missing", "missing", "ambiguous", "missing", "no-lock"].map((why) => inWords(unaligned(why)));
  expect(said[4]).toContain(
    "clock (3 × no edge of the photodiode where it was expected, 1 × more than one edge of the photodiode where it was expected, 1 × too few edges",
  );
  expect(quietWords(unaligned("ambiguous"))!.text).toBe(
    "trial 4 can't be used: its onset could not be placed on the recording's clock (more than one edge of the photodiode where it was expected)",
  );
  // Sessions of before the reason was kept.
  expect(quietWords(trial("gap", "unaligned", "droppedFrame"))!.text).toMatch(
    /used: spikes are missing, its onset could not be placed on the recording's clock$/,
  );
});

test("a flood of gaps is told less and less often, with what it comes to", () => {
  const inWords = createAnnouncer(aligned("{ method: software }"));
  const gap = acquired({ type: "gap", stream: "s", missing: 3, arrivedServerMs: 1 });
  const said = Array.from({ length: 60 }, () => inWords(gap)).filter((words) => words !== null);
  expect(said).toHaveLength(6);
  expect(said[0]).toBe("3 messages of stream s are missing; trials they belong to are flagged");
  expect(said[5]).toBe("3 messages of stream s are missing (150 in 50 gaps so far); trials they belong to are flagged");
  expect([1, 2, 3, 5, 10, 15, 20, 50, 100, 1000].filter(isSaidAgain)).toEqual([1, 2, 5, 10, 20, 50, 100, 1000]);
});
