import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Experiment } from "../../protocols/experiment.ts";
import { createDecider, refitterSettings } from "../../server/choice/decider.ts";
import { adjustmentOf, pacedRefits } from "../../server/choice/replay.ts";
import { random } from "../../server/random.ts";
import { type FoundSession, findSession, readSession } from "../../server/session/folder.ts";
import { createJournal } from "../../server/session/journal.ts";
import { scanJournal } from "../../server/session/journal-reader.ts";
import { initProgress, stepProgress } from "../../server/session/progress.ts";
import { recordsOf } from "../../server/session/record.ts";
import { eventOf } from "../../server/session/recorded.ts";
import { replayJournal } from "../../server/session/replay.ts";
import { deciderSettings } from "../../server/session/settings.ts";
import {
  readSnapshot,
  type Snapshot,
  snapshotName,
  snapshotNames,
  writeSnapshot,
} from "../../server/session/snapshot.ts";
import { versions } from "../../server/session/versions.ts";
import { refitsHere } from "../../server/tuning/refits-here.ts";
import { openVirtualSession } from "../../sim/study/virtual.ts";
import { virtualExperiment } from "../experiment.ts";

const SEED = 5;
const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

const experimentOf = (choice: string, tuning?: string) => virtualExperiment("snapshots", 70, choice, tuning);

/** A virtual session's journal, which names a snapshot after every fourteen trials. */
async function journalled(experiment: Experiment, rotateBytes = 2 ** 30) {
  const folder = join(mkdtempSync(join(tmpdir(), "latentloop-")), "session");
  folders.push(join(folder, ".."));
  const journal = createJournal(folder, { sync: 1000, rotateBytes }, { stalled() {}, recovered() {} });
  journal.write("session", 0, { ...versions(), experiment, options: {} });
  let lessons = 0;
  const session = openVirtualSession(experiment, SEED, (event, ms) => {
    for (const { kind, fields } of recordsOf(event)) journal.write(kind, ms, fields);
    if (event.kind === "refined" && ++lessons % 14 === 0)
      journal.write("snapshot", ms, { file: snapshotName(journal.place().n) });
  });
  while (session.advance());
  await journal.close();
  return { folder, names: session.units.map(({ name }) => name) };
}

function newDecider(experiment: Experiment, names: string[]) {
  const settings = deciderSettings(experiment, names);
  const refits = pacedRefits(refitsHere(refitterSettings(settings)));
  const decider = createDecider(settings, random(SEED).split("decider"), refits);
  return { ...settings, decider, refits };
}

/** All snapshots that a journal names, made by a replay from its beginning, and the state at its end. */
async function replayedFromTheBeginning(experiment: Experiment, folder: string, names: string[]) {
  const made = newDecider(experiment, names);
  const session = await sessionAt(folder);
  const snapshots: Snapshot[] = [];
  const { difference, trials } = await replayJournal(folder, made, {
    async passed(name) {
      const n = Number(name.match(/\d+/)![0]);
      snapshots.push({ ...session.get(n)!, decider: made.decider.state(), refitter: await made.refits.state() });
    },
  });
  expect(difference).toBeNull();
  return { snapshots, trials, end: await stateOf(made) };
}

/** What the loop's thread knows at each snapshot. */
async function sessionAt(folder: string) {
  const { folder: _, end, progress: __, ...rest } = await readSession(folder);
  const progress = initProgress(rest.experiment.trials);
  const heads = new Map<number, Pick<Snapshot, "place" | "session">>();
  await scanJournal(folder, (record, place) => {
    const event = eventOf(record);
    if (event) stepProgress(progress, event);
    if (record.kind === "snapshot")
      heads.set(record.n, { place, session: { ...rest, progress: structuredClone(progress) } as FoundSession });
  });
  return heads;
}

const stateOf = async ({ decider, refits }: ReturnType<typeof newDecider>) => ({
  decider: decider.state(),
  refitter: await refits.state(),
});

describe("J11 a session goes on from a snapshot as from its journal's beginning", () => {
  test.each([
    ["{ objective: variance }", "{}"],
    ["{ objective: information, lookahead: 1 }", "{ counts: poisson, link: softplus }"],
    ["{ objective: identify, population: { knownAt: 0.9 } }", "{}"],
    ["{ objective: axis-test, axisTest: { afterTrials: 20, positions: 3, repeats: 4 } }", "{}"],
    ["{ objective: cma-es }", "{}"],
    ["{ objective: peak, catch: { everyFaces: 7, faces: 2 }, repeats: { shows: 2 } }", "{}"],
    ["{ objective: random-range, constraints: { minDistance: 1, balance: 0.5 } }", "{}"],
    ["{ objective: variance }", "{ gain: { sd: 0.3, trials: 20 }, memoryTrials: 100 }"],
  ])(
    "%s %s: the same choices, reasons and posteriors, the same state at the end, bit for bit",
    async (choice, tuning) => {
      const experiment = experimentOf(choice, tuning);
      const { folder, names } = await journalled(experiment);
      const { snapshots, end, trials: all } = await replayedFromTheBeginning(experiment, folder, names);
      expect(snapshots.length).toBeGreaterThanOrEqual(3);
      for (const snapshot of snapshots) {
        writeSnapshot(folder, snapshot);
        const from = readSnapshot(folder, snapshotName(snapshot.place.n));
        const made = newDecider(experiment, names);
        await made.refits.goOnFrom(from.refitter);
        made.decider.goOnFrom(from.decider);
        const { decider, refitter } = snapshot;
        expect(isDeepStrictEqual(await stateOf(made), { decider, refitter })).toBe(true);
        const { difference, trials } = await replayJournal(folder, made, { from });
        expect(difference).toBeNull();
        expect(trials).toBe(all - snapshot.session.progress.lessons);
        expect(isDeepStrictEqual(await stateOf(made), end)).toBe(true);
      }
    },
  );

  test("the snapshot is what decides: one of a session with another count comes to another end", async () => {
    const experiment = experimentOf("{ objective: variance }");
    const { folder, names } = await journalled(experiment);
    const { snapshots, end } = await replayedFromTheBeginning(experiment, folder, names);
    const [, , , fourth] = snapshots;
    fourth.decider.posterior.mean[3] += 1e-9;
    const made = newDecider(experiment, names);
    await made.refits.goOnFrom(fourth.refitter);
    made.decider.goOnFrom(fourth.decider);
    expect((await replayJournal(folder, made, { from: fourth })).difference).not.toBeNull();
    expect(isDeepStrictEqual(await stateOf(made), end)).toBe(false);
  });

  test("an objective that an operator turns to, a unit sorted anew and a check are in it", async () => {
    const experiment = experimentOf("{ objective: random }");
    const names = ["a", "b", "c"];
    const made = newDecider(experiment, names);
    const { decider, refits } = made;
    refits.run();
    const draw = random("answers");
    const answer = (one: typeof decider, trials: number) => {
      const chosen: number[][] = [];
      for (let i = 0; i < trials; i++) {
        const [{ choice }] = one.outstanding();
        const counts = names.map((_, u) => draw.split(i, u).int(9));
        chosen.push([...one.decide({ latents: choice.latents, counts }, 1)[0].latents]);
        one.refine();
      }
      return chosen;
    };
    decider.decide(null, 3);
    answer(decider, 30);
    const turned = experimentOf("{ objective: variance, population: { weights: { a: 0 } } }");
    decider.adjust(adjustmentOf(turned, names));
    decider.change("b", "reset");
    decider.change("c", "exclude");
    decider.check(4);
    answer(decider, 2);
    const state = structuredClone({ decider: decider.state(), refitter: await refits.state() });
    const other = newDecider(experiment, names);
    other.refits.run();
    await other.refits.goOnFrom(state.refitter);
    other.decider.goOnFrom(state.decider);
    expect(answer(other.decider, 25)).toEqual(answer(decider, 25));
    expect(isDeepStrictEqual(await stateOf(other), await stateOf(made))).toBe(true);
  });
});

describe("J11 a snapshot that can't be used", () => {
  let folder: string;
  let snapshots: Snapshot[];
  const [older, latest] = [1, 3];
  beforeAll(async () => {
    const experiment = experimentOf("{ objective: variance }");
    const made = await journalled(experiment, 20_000);
    folder = made.folder;
    ({ snapshots } = await replayedFromTheBeginning(experiment, folder, made.names));
  });
  /** The folder with its two last snapshots, one of which something has happened to. */
  function copied(happened: (path: string, names: string[]) => void): string {
    const copy = mkdtempSync(join(tmpdir(), "latentloop-"));
    folders.push(copy);
    for (const name of readdirSync(folder)) copyFileSync(join(folder, name), join(copy, name));
    for (const one of [older, latest]) writeSnapshot(copy, snapshots[one]);
    happened(copy, snapshotNames(copy));
    return copy;
  }
  const name = (which: number) => snapshotName(snapshots[which].place.n);

  test("whole, it is taken, and of the journal only what follows it is read", async () => {
    const copy = copied((path) => {
      // Another file of the journal, at the beginning of which nothing can be read.
      writeFileSync(join(path, "journal.llj"), "LLJRNL01 not a record");
    });
    const { found, snapshot, passedOver } = await findSession(copy);
    expect(snapshots[latest].place.file).toBeGreaterThan(0);
    expect({ snapshot, passedOver }).toEqual({ snapshot: name(latest), passedOver: [] });
    const whole = await readSession(folder);
    expect({ ...found, folder }).toEqual(whole);
  });

  test.each<[string, (path: string) => void, RegExp]>([
    ["one byte is another", (path) => spoil(path, 500), /the checksum does not agree/],
    ["its length is another", (path) => spoil(path, 9), /checksum|expected \d+ bytes|after its body/],
    ["it is no snapshot", (path) => writeFileSync(path, "something else"), /expected a file that begins with LLSNAP02/],
    ["it is cut", (path) => truncateSync(path, 3000), /expected \d+ bytes, the file has 2984/],
    ["it is empty", (path) => truncateSync(path, 0), /expected a file that begins with LLSNAP02/],
  ])("%s: the one before is taken, and it is said", async (_, happened, words) => {
    const { found, snapshot, passedOver } = await findSession(copied((path) => happened(join(path, name(latest)))));
    expect(snapshot).toBe(name(older));
    expect(passedOver).toEqual([expect.stringMatching(words)]);
    expect(passedOver[0]).toContain(`${name(latest)} can't be used`);
    expect({ ...found, folder }).toEqual(await readSession(folder));
  });

  test("both are damaged: the journal is read from its beginning; so it is where there is none", async () => {
    const damaged = await findSession(
      copied((path, names) => {
        for (const one of names) spoil(join(path, one), 100);
      }),
    );
    expect(damaged).toMatchObject({ snapshot: null });
    expect(damaged.passedOver).toHaveLength(2);
    expect({ ...damaged.found, folder }).toEqual(await readSession(folder));
    expect(await findSession(folder)).toMatchObject({ snapshot: null, passedOver: [] });
  });

  test("it is of a record that the journal does not have, as after a power cut: the one before is taken", async () => {
    const { file, bytes } = snapshots[latest].place;
    const copy = copied((path) => {
      for (const one of readdirSync(path))
        if (/journal-/.test(one) && Number(one.match(/\d+/)![0]) > file) rmSync(join(path, one));
      truncateSync(join(path, `journal-${String(file).padStart(4, "0")}.llj`), bytes);
    });
    const { snapshot, passedOver } = await findSession(copy);
    expect(snapshot).toBe(name(older));
    expect(passedOver).toEqual([expect.stringContaining("expected the journal's record")]);
  });

  test("it is of another session", async () => {
    const other = await journalled(experimentOf("{ objective: random }"));
    writeSnapshot(other.folder, snapshots[latest]);
    const { snapshot, passedOver } = await findSession(other.folder);
    expect(snapshot).toBeNull();
    expect(passedOver).toHaveLength(1);
  });

  test("the last two are kept, and nothing half-written", () => {
    const copy = copied(() => {});
    for (const snapshot of snapshots) writeSnapshot(copy, snapshot);
    expect(snapshotNames(copy)).toEqual(
      snapshots
        .slice(-2)
        .reverse()
        .map(({ place }) => snapshotName(place.n)),
    );
    expect(readdirSync(copy).filter((one) => one.endsWith(".new"))).toEqual([]);
  });
});

function spoil(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at] ^= 0x10;
  writeFileSync(path, bytes);
}
