import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createDecider, refitterSettings } from "../../server/choice/decider.ts";
import { firstDifference, pacedRefits } from "../../server/choice/replay.ts";
import { random } from "../../server/random.ts";
import { createJournal } from "../../server/session/journal.ts";
import { readJournal } from "../../server/session/journal-reader.ts";
import { recordsOf } from "../../server/session/record.ts";
import { eventOf } from "../../server/session/recorded.ts";
import { replayJournal } from "../../server/session/replay.ts";
import { deciderSettings } from "../../server/session/settings.ts";
import type { SessionEvent } from "../../server/session/view.ts";
import { refitsHere } from "../../server/tuning/refits-here.ts";
import { openVirtualSession } from "../../sim/study/virtual.ts";
import { virtualExperiment } from "../experiment.ts";

const experimentOf = (choice: string, tuning?: string) => virtualExperiment("again", 60, choice, tuning);

/** A virtual session's events in a journal; `change` may falsify one. */
async function journalled(experiment: ReturnType<typeof experimentOf>, change = (event: SessionEvent) => event) {
  const folder = join(mkdtempSync(join(tmpdir(), "latentloop-")), "session");
  const journal = createJournal(folder, { sync: 1000, rotateBytes: 2 ** 30 }, { stalled() {}, recovered() {} });
  const session = openVirtualSession(experiment, 3, (event, ms) => {
    for (const { kind, fields } of recordsOf(change(event))) journal.write(kind, ms, fields);
  });
  while (session.advance());
  await journal.close();
  return { folder, names: session.units.map(({ name }) => name), trials: session.view().trials.closed };
}

function replayed(experiment: ReturnType<typeof experimentOf>, folder: string, names: string[]) {
  const settings = deciderSettings(experiment, names);
  const refits = pacedRefits(refitsHere(refitterSettings(settings)));
  const decider = createDecider(settings, random(3).split("decider"), refits);
  return replayJournal(folder, { ...settings, decider, refits }, { toDifference: true });
}

describe("J7 replay", () => {
  test.each([
    ["{ objective: variance }", "{}"],
    ["{ objective: identify, population: { knownAt: 0.9 } }", "{}"],
    ["{ objective: axis-test, axisTest: { afterTrials: 20, positions: 3, repeats: 4 } }", "{}"],
    ["{ objective: cma-es }", "{}"],
    ["{ objective: peak, catch: { everyFaces: 7, faces: 2 }, repeats: { shows: 2 } }", "{}"],
    ["{ objective: variance }", "{ gain: { sd: 0.3, trials: 20 }, memoryTrials: 100 }"],
  ])("%s %s: every choice, reason and posterior comes out the same, bit for bit", async (choice, tuning) => {
    const experiment = experimentOf(choice, tuning);
    const { folder, names, trials } = await journalled(experiment);
    expect(trials).toBeGreaterThan(40);
    expect(await replayed(experiment, folder, names)).toMatchObject({ trials, difference: null });
  });

  test("the first difference is told, with both values: a count, a choice, a reason", async () => {
    const experiment = experimentOf("{ objective: variance }");
    const count = await journalled(experiment, (event) => {
      if (event.kind !== "trial" || event.trial.trial !== 20) return event;
      return { ...event, trial: { ...event.trial, counts: event.trial.counts.map((n, u) => (u === 2 ? n + 1 : n)) } };
    });
    const byCount = (await replayed(experiment, count.folder, count.names)).difference!;
    expect(byCount.afterTrial).toBe(20);
    const choice = await journalled(experiment, (event) => {
      if (event.kind !== "choice" || event.face !== 30) return event;
      return {
        ...event,
        choice: { ...event.choice, latents: event.choice.latents.map((z, d) => (d === 1 ? z + 1e-12 : z)) },
      };
    });
    const byChoice = (await replayed(experiment, choice.folder, choice.names)).difference!;
    expect(byChoice.what).toBe("choice of face 30.latents[1]");
    expect((byChoice.journal as number) - (byChoice.replay as number)).toBeCloseTo(1e-12, 14);
  });

  test("a refit that a journal names and that is never asked for is a difference, and nothing is waited for", async () => {
    const experiment = experimentOf("{ objective: variance }");
    let named = 0;
    const { folder, names } = await journalled(experiment, (event) => {
      if (event.kind !== "refined" || event.refits.length === 0 || named++ > 0) return event;
      const [first, ...others] = event.refits;
      return { ...event, refits: [{ ...first, trials: first.trials - 3 }, ...others] };
    });
    const { difference } = await replayed(experiment, folder, names);
    expect(difference).toMatchObject({
      what: expect.stringMatching(/^refit of sim-\d+ after \d+ trials$/),
      journal: "taken over",
      replay: "never asked for",
    });
  });

  test("what is journalled comes back as the event it was", async () => {
    const experiment = experimentOf("{ objective: variance }");
    const told: SessionEvent[] = [];
    const { folder } = await journalled(experiment, (event) => {
      told.push(event);
      return event;
    });
    const { records } = await readJournal(folder);
    const kinds = ["trial", "choice", "decide", "refine", "refined"] as const;
    for (const kind of kinds) {
      const then = told.filter((event) => event.kind === kind);
      const now = records.map(eventOf).filter((event) => event?.kind === kind);
      expect(now.length).toBe(then.length);
      for (const [i, event] of then.entries()) expect(firstDifference(event, now[i], kind)).toBeNull();
    }
  });
});
